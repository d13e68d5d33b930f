import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isFolder } from '../../../src/platform/folders.ts';
import { formatProblem } from '../../../src/request/problems.ts';
import { checkJobs, distinctProblems } from '../../../src/run/check-jobs.ts';
import { readJobFiles } from '../../../src/run/expand.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';

async function check(files: Record<string, string>, folder?: string) {
  const cwd = folder ?? (await tempFolder());
  for (const [name, text] of Object.entries(files)) writeFileSync(join(cwd, name), text);
  const paths = Object.keys(files).filter((name) => name.endsWith('.yaml'));
  const reading = await readJobFiles(paths, { cwd, maxJobs: 1000 });
  const checked = await checkJobs(reading.jobs, {
    settings: { value: {}, locate: () => ({ source: '' }) },
    allowLoopback: false,
    prices: [],
    readMedia: async () => ({ reviews: [], local: [] }),
    isFolder,
    nowMs: Date.UTC(2026, 10, 21),
  });
  const invalid = checked.invalid.flatMap(({ problems }) => problems);
  return {
    cwd,
    names: reading.jobs.map(({ name }) => name),
    paths: checked.jobs.map(({ outputPath }) => outputPath.slice(cwd.length + 1)),
    problems: distinctProblems([...reading.problems, ...invalid, ...checked.problems]).map(formatProblem),
  };
}

const jobs = (...lines: string[]): string =>
  `version: 1\njobs:\n${lines.map((line) => `  ${line}\n`).join('')}`;

describe('outputs of a run', () => {
  it('names clips by their job, at the job file', async () => {
    const { paths } = await check({
      'jobs.yaml': jobs('hero: { type: t2v, prompt: x, matrix: { aspect_ratio: ["16:9", "1:1"] } }'),
    });
    expect(paths).toEqual(['hero-16x9.mp4', 'hero-1x1.mp4']);
  });

  it('fills every field that is known beforehand', async () => {
    const { paths } = await check({
      'jobs.yaml': jobs(
        'a: { type: t2v, prompt: A Green Frog, output: "{date}/{job}-{index}-{slug}-{tier}-{quality}-{duration}.mp4" }',
      ),
    });
    expect(paths).toEqual(['2026-11-21/a-1-a-green-frog-standard-720p-5.mp4']);
  });

  it('takes a folder, named by a slash or there already', async () => {
    const folder = await tempFolder();
    mkdirSync(join(folder, 'there'));
    const { paths } = await check(
      {
        'jobs.yaml': jobs(
          'a: { type: t2v, prompt: x, output: there }',
          'b: { type: t2v, prompt: x, output: new/ }',
        ),
      },
      folder,
    );
    expect(paths).toEqual(['there/a.mp4', 'new/b.mp4']);
  });

  it.each([
    ['one path for two jobs', 'a.mp4', 'a.mp4', /job b: is the output of job a/],
    ['paths that differ in case only', 'a.mp4', 'A.mp4', /differs in case only/],
    ['paths that meet', 'x/../a.mp4', './a.mp4', /job b: is the output of job a/],
  ])('refuses %s', async (_name, first, second, wanted) => {
    const { problems } = await check({
      'jobs.yaml': jobs(
        `a: { type: t2v, prompt: x, output: "${first}" }`,
        `b: { type: t2v, prompt: y, output: "${second}" }`,
      ),
    });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(wanted);
    expect(problems[0]).toContain('jobs.yaml:4:');
  });

  it('refuses standard output', async () => {
    const { problems } = await check({ 'jobs.yaml': jobs('a: { type: t2v, prompt: x, output: "-" }') });
    expect(problems.join()).toContain('a run saves files');
  });
});

it('says of a variable that is not known only that, not that its key is missing', async () => {
  const { problems } = await check({
    'jobs.yaml': jobs('a: { type: t2v, prompt: "{{nope}}", matrix: { n: [1] } }'),
  });
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain('is not a variable here');
});

describe('several files', () => {
  it('tells jobs of one name apart by their file', async () => {
    const { names, problems } = await check({
      'spring.yaml': jobs('hero: { type: t2v, prompt: x, output: s.mp4 }', 'one: { type: t2v, prompt: x }'),
      'autumn.yaml': jobs('hero: { type: t2v, prompt: x, output: a.mp4 }'),
    });
    expect(problems).toEqual([]);
    expect(names).toEqual(['spring/hero', 'one', 'autumn/hero']);
  });

  it('refuses one name twice', async () => {
    const { problems } = await check({
      'jobs.yaml': jobs(
        'a: { type: t2v, prompt: x, name: same, output: "{index}.mp4", matrix: { n: [1, 2] } }',
      ),
    });
    expect(problems.join()).toContain('is the name of several jobs');
  });

  it('takes an API body as a job', async () => {
    const { names, paths, problems } = await check({
      'body.yaml':
        '{"model": "seedance-2.0-text-to-video", "prompt": "x", "model_params": {"web_search": false}}',
    });
    expect(problems).toEqual([]);
    expect(names).toEqual(['body']);
    expect(paths).toEqual(['body.mp4']);
  });

  it('says what is wrong in all of them, once each', async () => {
    const { problems } = await check({
      'a.yaml': jobs('x: { type: t2v, prompt: x, duration: 99, matrix: { n: [1, 2, 3] } }'),
      'b.yaml': jobs(
        'y: { type: t2w, prompt: x }',
        'z: { type: ref, prompt: x, audios: [https://e.com/a.mp3] }',
      ),
    });
    expect(problems).toHaveLength(3);
    expect(problems[0]).toContain('a.yaml:3:30');
    expect(problems[1]).toMatch(/b\.yaml:3:.*did you mean t2v/);
    expect(problems[2]).toContain('b.yaml:4:');
  });
});
