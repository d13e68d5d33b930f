import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, it } from 'vitest';
import { readYaml } from '../../../src/config/yaml.ts';
import { EXAMPLE_JOB_FILE, jobFileSchema } from '../../../src/run/job-file.ts';

const validate = new Ajv2020({ allErrors: true }).compile(jobFileSchema());
const job = (keys: string): string => `version: 1\njobs:\n  a: { ${keys} }\n`;

// biome-ignore format: one row a file
const GOOD = [
  EXAMPLE_JOB_FILE,
  'jobs:\n  - prompt: x\n',
  job('type: t2v, prompt: x, count: 3'),
  job('prompt: x, duration: "{{seconds}}", generate_audio: "{{on}}", quality: "{{q}}"'),
  job('prompt: x, matrix: { aspect_ratio: ["16:9"], include: [{ a: 1 }], exclude: [{ a: 2 }] }'),
  // What only Seedance 2.5 takes, and a length that the model chooses.
  job(`prompt: x, duration: 30, images: [${Array(30).fill('a.png')}]`),
  job('prompt: x, duration: -1'),
  job('prompt: x, for_each: [{ a: 1 }]'),
  job('prompt: x, for_each: products.csv'),
  job('model: m, prompt: x, image_urls: [https://e.com/a.png], model_params: { web_search: true }'),
];
// biome-ignore format: one row a file
const BAD = [
  'version: 2\njobs:\n  a: { prompt: x }\n',
  'version: 1\n',
  `${job('prompt: x')}defualts: {}\n`,
  `${job('prompt: x')}defaults: { matrix: { a: [1] } }\n`,
  ...['count: 10', 'promt: x', 'duration: 31', 'duration: "5 s"', 'quality: 730p', 'matrix: { a: [] }', 'for_each: [a]', 'for_each: products.txt', `images: [${Array(31).fill('a.png')}]`].map(job),
];

it.each([...GOOD.map((text) => [text, true] as const), ...BAD.map((text) => [text, false] as const)])(
  'the schema of job files, of %j: %s',
  (text, isGood) => {
    expect(validate(readYaml(text).document?.value), JSON.stringify(validate.errors)).toBe(isGood);
  },
);
