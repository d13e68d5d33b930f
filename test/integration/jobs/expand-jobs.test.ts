import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatProblem } from '../../../src/request/problems.ts';
import { readJobFiles } from '../../../src/run/expand.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';

async function expand(text: string, csv = '') {
  const cwd = await tempFolder();
  await writeFile(join(cwd, 'jobs.yaml'), text);
  await writeFile(join(cwd, 'p.csv'), csv);
  const { jobs, problems } = await readJobFiles(['jobs.yaml'], { cwd, maxJobs: 10_000 });
  return { jobs, problems: [...problems, ...jobs.flatMap((job) => job.problems)].map(formatProblem) };
}

const PRODUCTS = `version: 1
defaults: { quality: 480p, output: "out/{job}-{ratio}.mp4" }
vars: { tone: warm }
jobs:
  product:
    type: t2v
    prompt: "{{name}}, {{tone}}"
    duration: "{{seconds}}"
    generate_audio: "{{sound}}"
    output: "out/{{sku}}/{job}-{ratio}.mp4"
    for_each: p.csv
    matrix: { aspect_ratio: ["16:9", "1:1"], lang: [en, ko] }
`;
const CSV = 'sku,name,seconds,sound\n../a1,A frog,4,true\nb2,A lamp,8,false\n';

describe('expandJobs', () => {
  it('makes a job of each row and cell, with everything filled in', async () => {
    const { jobs, problems } = await expand(PRODUCTS, CSV);
    expect(problems).toEqual([]);
    expect(jobs).toHaveLength(8);
    expect(jobs.map(({ name }) => name).slice(0, 3)).toEqual([
      'product/..-a1/16:9/en',
      'product/..-a1/16:9/ko',
      'product/..-a1/1:1/en',
    ]);
    expect(jobs[5]).toMatchObject({
      name: 'product/b2/16:9/ko',
      group: 'product',
      label: 'product-b2-ko',
      index: 6,
      value: {
        type: 't2v',
        prompt: 'A lamp, warm',
        duration: 8,
        generate_audio: false,
        aspect_ratio: '16:9',
        quality: '480p',
      },
      variables: { tone: 'warm', name: 'A lamp', lang: 'ko' },
    });
  });

  it('leads every key back to the cell that filled it', async () => {
    const [, , , , job] = (await expand(PRODUCTS, CSV)).jobs;
    expect(job?.locate(['prompt']).source).toBe(
      'jobs.product.prompt (jobs.yaml:7:5), filled in from p.csv:3 and vars.tone (jobs.yaml:3:9)',
    );
    expect(job?.locate(['duration']).source).toContain('filled in from p.csv:3');
  });

  it('lets no value of a table lead out of the folder', async () => {
    expect((await expand(PRODUCTS, CSV)).jobs[0]?.output).not.toContain('..');
  });

  it('points at the line that made the value', async () => {
    const { jobs } = await expand(PRODUCTS, CSV);
    expect(jobs[2]?.locate(['aspect_ratio']).source).toBe(
      'jobs.product.matrix.aspect_ratio[1] (jobs.yaml:12:38)',
    );
    expect(jobs[7]?.locate(['duration']).source).toContain('jobs.yaml:8:5');
    expect(jobs[7]?.locate(['duration']).source).toContain('p.csv:3');
    expect(jobs[7]?.locate(['quality']).source).toBe('defaults.quality (jobs.yaml:2:13)');
  });

  it('numbers rows whose first column does not tell them apart', async () => {
    const { jobs } = await expand(
      PRODUCTS.replace(/ {4}matrix.*\n/, ''),
      'sku,name,seconds,sound\na,x,4,true\na,y,4,true\n',
    );
    expect(jobs.map(({ name }) => name)).toEqual(['product/1', 'product/2']);
  });

  it('takes a name of its own', async () => {
    const { jobs } = await expand(
      'version: 1\njobs:\n  a: { type: t2v, prompt: x, name: "clip-{{n}}", matrix: { n: [1, 2] } }\n',
    );
    expect(jobs.map(({ name, label }) => [name, label])).toEqual([
      ['clip-1', 'clip-1'],
      ['clip-2', 'clip-2'],
    ]);
  });

  it.each([
    [
      'an unknown key of a job',
      'jobs:\n  a: { promt: x }',
      /jobs\.a\.promt \(jobs\.yaml:3:8\).*did you mean prompt/,
    ],
    [
      'an unknown key of defaults',
      'defaults: { qualty: 480p }\njobs:\n  a: { prompt: x }',
      /defaults\.qualty.*quality/,
    ],
    [
      'what belongs to one job in defaults',
      'defaults: { matrix: {} }\njobs:\n  a: { prompt: x }',
      /defaults\.matrix.*single job/,
    ],
    [
      'an unknown variable',
      'vars: { color: x }\njobs:\n  a: { prompt: "{{colr}}" }',
      /\{\{colr\}\}.*did you mean \{\{color\}\}/,
    ],
    ['a variable where there are none', 'jobs:\n  a: { prompt: "{{x}}" }', /known are none/],
    [
      'a field of the output in double braces',
      'vars: { x: 1 }\njobs:\n  a: { prompt: x, output: "{{ratio}}.mp4" }',
      /did you mean \{ratio\}\?/,
    ],
    [
      'an axis that the job says itself',
      'jobs:\n  a: { prompt: x, quality: 480p, matrix: { quality: [480p] } }',
      /leave one out/,
    ],
    [
      'an unknown key of the file',
      'defualts: {}\njobs:\n  a: { prompt: x }',
      /defualts.*did you mean defaults/,
    ],
    ['a name with a slash', 'jobs:\n  "a/b": { prompt: x }', /no name for a job/],
  ])('refuses %s', async (_name, text, wanted) => {
    expect((await expand(`version: 1\n${text}\n`)).problems.join('\n')).toMatch(wanted);
  });

  it('stops at the limit before it has made them all', async () => {
    const list = Array.from({ length: 100 }, (_, index) => index).join(', ');
    const text = `version: 1\njobs:\n  a: { prompt: x, matrix: { x: [${list}], y: [${list}], z: [1, 2] } }\n`;
    const { jobs, problems } = await expand(text);
    expect(jobs).toEqual([]);
    expect(problems.join()).toContain('20000 jobs');
    expect(problems.join()).toContain('--max-jobs 20000');
  });

  it('keeps prototypes out', async () => {
    expect(
      (
        await expand('version: 1\njobs:\n  a: { prompt: x, vars: { __proto__: { y: 1 } } }\n')
      ).problems.join(),
    ).toContain('not allowed');
  });
});
