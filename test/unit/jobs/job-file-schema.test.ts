import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { readYaml } from '../../../src/config/yaml.ts';
import { EXAMPLE_JOB_FILE, jobFileSchema } from '../../../src/run/job-file.ts';

const validate = new Ajv2020({ allErrors: true }).compile(jobFileSchema());
const check = (text: string): boolean => validate(readYaml(text).document?.value);
const job = (keys: string): string => `version: 1\njobs:\n  a: { ${keys} }\n`;

describe('the schema of job files', () => {
  it.each([
    ['the example', EXAMPLE_JOB_FILE],
    ['a job', job('type: t2v, prompt: x')],
    ['a list of jobs without a version', 'jobs:\n  - prompt: x\n'],
    ['takes', job('prompt: x, count: 3')],
    [
      'templates in place of numbers',
      job('prompt: x, duration: "{{seconds}}", generate_audio: "{{on}}", quality: "{{q}}"'),
    ],
    [
      'a matrix',
      job('prompt: x, matrix: { aspect_ratio: ["16:9"], include: [{ a: 1 }], exclude: [{ a: 2 }] }'),
    ],
    ['what only Seedance 2.5 takes', job(`prompt: x, duration: 30, images: [${Array(30).fill('a.png')}]`)],
    ['a length that the model chooses', job('prompt: x, duration: -1')],
    ['rows', job('prompt: x, for_each: [{ a: 1 }]')],
    ['a file of rows', job('prompt: x, for_each: products.csv')],
    [
      'the form of the API',
      job('model: m, prompt: x, image_urls: [https://e.com/a.png], model_params: { web_search: true }'),
    ],
  ])('takes %s', (_name, text) => {
    expect(check(text), JSON.stringify(validate.errors)).toBe(true);
  });

  it.each([
    ['another version', 'version: 2\njobs:\n  a: { prompt: x }\n'],
    ['no jobs', 'version: 1\n'],
    ['too many takes', job('prompt: x, count: 10')],
    ['an unknown key', job('promt: x')],
    ['an unknown key of the file', `${job('prompt: x')}defualts: {}\n`],
    ['a matrix in defaults', `${job('prompt: x')}defaults: { matrix: { a: [1] } }\n`],
    ['a duration out of range', job('prompt: x, duration: 31')],
    ['a duration that is text', job('prompt: x, duration: "5 s"')],
    ['an unknown quality', job('prompt: x, quality: 730p')],
    ['an axis without values', job('prompt: x, matrix: { a: [] }')],
    ['rows of text', job('prompt: x, for_each: [a]')],
    ['rows from a text file', job('prompt: x, for_each: products.txt')],
    ['too many images', job(`prompt: x, images: [${Array(31).fill('a.png')}]`)],
  ])('refuses %s', (_name, text) => {
    expect(check(text)).toBe(false);
  });
});
