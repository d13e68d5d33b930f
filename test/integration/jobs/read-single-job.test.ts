import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatProblem } from '../../../src/request/problems.ts';
import { readSingleJob } from '../../../src/run/expand.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';

async function read(
  text: string | Buffer,
  { path = 'job.yaml', jobName = undefined as string | undefined } = {},
) {
  const cwd = await tempFolder();
  await mkdir(dirname(join(cwd, path)), { recursive: true });
  await writeFile(join(cwd, path), text);
  const { job, problems } = await readSingleJob(path, { cwd, jobName });
  return { job, cwd, lines: problems.map(formatProblem) };
}

const TWO_JOBS = `version: 1
defaults: { tier: fast, quality: 720p, output: "out/{job}-{ratio}.mp4" }
jobs:
  hero:
    type: t2v
    prompt: "A macro lens focuses on a green glass frog on a leaf"
    duration: 8
  product:
    type: ref
    quality: 480p
    prompt: "on a marble table, the art style of image 1"
    images: [./assets/style.png, "./assets/cup.jpg"]
`;

const BODY = {
  model: 'seedance-2.0-reference-to-video',
  prompt: 'image 1 turns',
  image_urls: ['https://x.example/1.png', 'https://x.example/2.png'],
  duration: 10,
  quality: '720p',
  aspect_ratio: '16:9',
  model_params: { web_search: false },
};

describe('readSingleJob: one request', () => {
  it.each([undefined, 2, '\t'])('takes an API body as JSON, indented by %j', async (indent) => {
    const { job, lines, cwd } = await read(JSON.stringify(BODY, null, indent), { path: 'in/body.json' });
    expect(lines).toEqual([]);
    expect(job).toMatchObject({ value: BODY, baseFolder: join(cwd, 'in') });
    expect(job?.output).toBeUndefined();
  });

  it('takes a job as YAML, apart from what is no part of the request', async () => {
    const { job, lines } = await read('name: frog\ntype: t2v\nprompt: a frog\nduration: 8\noutput: clips/\n');
    expect(lines).toEqual([]);
    expect(job).toMatchObject({ name: 'frog', value: { type: 't2v', prompt: 'a frog', duration: 8 } });
    expect(job?.output).toBe('clips/');
    expect(job?.locate(['output']).source).toBe('output (job.yaml:5:1)');
    expect(Object.keys(job?.value ?? {})).toEqual(['type', 'prompt', 'duration']);
  });

  it('says where each key stands', async () => {
    const { job } = await read(
      'type: ref\nprompt: x\nimages:\n  - a.png\n  - b.png\nmodel_params: {web_search: true}\n',
    );
    expect(job?.locate(['prompt']).source).toBe('prompt (job.yaml:2:1)');
    expect(job?.locate(['images', 1]).source).toBe('images[1] (job.yaml:5:5)');
    expect(job?.locate(['model_params', 'web_search']).source).toBe(
      'model_params.web_search (job.yaml:6:16)',
    );
    expect(job?.locate(['duration']).source).toBe('duration (job.yaml:1:1)');
    expect(job?.locate([]).source).toBe('job.yaml:1:1');
  });

  it('takes the request of a sidecar as final', async () => {
    const request = { ...BODY, prompt: 'a sign that reads {{sale}}' };
    const sidecar = {
      schema_version: 1,
      kind: 'evolink.sidecar',
      request,
      task_id: 'task-1',
      file: { sha256: 'x' },
    };
    const { job, lines } = await read(JSON.stringify(sidecar, null, 2));
    expect(lines).toEqual([]);
    expect(job?.value).toEqual(request);
    expect(job?.locate(['prompt']).source).toBe('request.prompt (job.yaml:6:5)');
  });
});

describe('readSingleJob: a job file', () => {
  it('puts the defaults under the job that is asked for, and knows which key came from where', async () => {
    const { job, lines } = await read(TWO_JOBS, { jobName: 'hero' });
    expect(lines).toEqual([]);
    expect(job?.name).toBe('hero');
    expect(job?.value).toEqual({
      type: 't2v',
      prompt: 'A macro lens focuses on a green glass frog on a leaf',
      duration: 8,
      tier: 'fast',
      quality: '720p',
    });
    expect(job?.locate(['prompt']).source).toBe('jobs.hero.prompt (job.yaml:6:5)');
    expect(job?.locate(['quality']).source).toBe('defaults.quality (job.yaml:2:25)');
    expect(job?.output).toBe('out/{job}-{ratio}.mp4');
    expect(job?.locate(['output']).source).toBe('defaults.output (job.yaml:2:40)');
  });

  it("lets the job's own keys win", async () => {
    const { job } = await read(TWO_JOBS, { jobName: 'product' });
    expect(job?.value.quality).toBe('480p');
    expect(job?.locate(['quality']).source).toBe('jobs.product.quality (job.yaml:10:5)');
    // A key that nobody gave stands at the job.
    expect(job?.locate(['duration']).source).toBe('jobs.product.duration (job.yaml:8:3)');
  });

  it('takes the only job without a name', async () => {
    expect((await read('version: 1\njobs:\n  one: {type: t2v, prompt: x}')).job?.name).toBe('one');
  });

  it.each([
    ['{tier: fast}', '{model: m}', { model: 'm' }],
    ['{model: m}', '{tier: fast}', { tier: 'fast' }],
    ['{image_urls: [a]}', '{images: [b]}', { images: ['b'] }],
    ['{images: [a]}', '{first: b}', { first: 'b' }],
    ['{web_search: true}', '{model_params: {web_search: false}}', { model_params: { web_search: false } }],
    ['{images: [a]}', '{images: []}', { images: [] }],
    ['{generate_audio: true}', '{generate_audio: false}', { generate_audio: false }],
  ])('defaults %s under %s', async (defaults, own, expected) => {
    const { job, lines } = await read(`version: 1\ndefaults: ${defaults}\njobs:\n  one: ${own}`);
    expect([job?.value, lines]).toEqual([expected, []]);
  });
});

// biome-ignore format: one row a mistake
const BAD: readonly (readonly [text: string, jobName: string | undefined, line: RegExp])[] = [
  [TWO_JOBS, undefined, /^job\.yaml: holds 2 jobs: choose one with --job \(hero, product\), or take all with `evolink run`$/],
  [TWO_JOBS, 'heroo', /^--job "heroo": is not a job of the file; its jobs are hero, product; did you mean hero\?$/],
  ['type: t2v\nprompt: x\nduratoin: 8\n', undefined, /^duratoin \(job\.yaml:3:1\): is not a known key; did you mean duration\?$/],
  ['prompt: x', 'hero', /^--job "hero": is not a job of the file; its jobs are job$/],
  ['', undefined, /^job\.yaml: is empty$/],
  ['# nothing', undefined, /^job\.yaml: is empty$/],
  ['just a prompt', undefined, /^job\.yaml: must be lines of the form/],
  ['[1]', undefined, /^job\.yaml: must be lines/],
  ['version: 2\njobs: {a: {}}', undefined, /^version \(job\.yaml:1:1\): must be 1$/],
  ['version: 1\njobs: {a: {matrix: []}}', undefined, /^jobs\.a\.matrix \(job\.yaml:2:12\)[^:]*: must be an object: each key an axis/],
  ['version: 1\njobs: {a: {matrix: {x: []}}}', undefined, /^jobs\.a\.matrix\.x \(job\.yaml:2:21\) "\[\]": must be a list of at least one value$/],
  ['version: 1\njobs: {a: {matrix: {x: y}}}', undefined, /^jobs\.a\.matrix\.x \(job\.yaml:2:21\)[^:]*: must be a list of at least one value$/],
  ['version: 1\njobs: {a: {matrix: {x: [1], include: {x: 2}}}}', undefined, /^jobs\.a\.matrix\.include \(job\.yaml:2:29\)[^:]*"x":2[^:]*: must be a list of objects$/],
  ['version: 1\njobs: {a: {matrix: {x: [1], include: [{}]}}}', undefined, /^jobs\.a\.matrix\.include\[0\] \(job\.yaml:2:39\): must be an object with a value by axis$/],
  ['version: 1\njobs: {a: {count: 10}}', undefined, /^jobs\.a\.count \(job\.yaml:2:12\) "10": must be a whole number from 1 to 9$/],
  ['version: 1', undefined, /^jobs \(job\.yaml:1:1\): must be an object/],
  ['version: 1\njobs: {}', undefined, /^jobs \(job\.yaml:2:1\): must be an object/],
  ['version: 1\njobs: [a]', undefined, /^jobs\[0\] \(job\.yaml:2:8\): must be an object/],
  ['version: 1\njobs: a', undefined, /^jobs \(job\.yaml:2:1\): must be an object/],
  ['version: 1\njobs:\n  a: x', undefined, /^jobs\.a \(job\.yaml:3:3\): must be an object/],
  ['version: 1\ndefault: {}\njobs: {a: {}}', undefined, /^default \(job\.yaml:2:1\): is not a known key; did you mean defaults\?$/],
  ['version: 1\nprompt: x\njobs: {a: {}}', undefined, /^prompt \(job\.yaml:2:1\): .*belong below jobs$/],
  ['version: 1\ndefaults: 5\njobs: {a: {}}', undefined, /^defaults \(job\.yaml:2:1\): must be an object/],
  ['prompt: "{{name}}"\nmatrix: {name: [a, b]}', undefined, /^job\.yaml: holds 2 jobs: choose one with --job \(job\/a, job\/b\), or take all/],
  ['prompt: "{{name}} on a table"', undefined, /^prompt \(job\.yaml:1:1\) "\{\{name\}\}": is not a variable/],
  ['prompt: x\nimages:\n  - "a.png"\n  - "{{ sku }}.png"', undefined, /^images\[1\] \(job\.yaml:4:5\) "\{\{sku\}\}": is not a variable/],
  ['prompt: x\noutput: 5', undefined, /^output \(job\.yaml:2:1\) "5": must be text$/],
  ['prompt: x\nname: [a]', undefined, /^name \(job\.yaml:2:1\) "\["a"\]": must be text$/],
  ['prompt: x\nprompt: y', undefined, /^prompt \(job\.yaml:2:1\): is given twice$/],
  ['prompt: x\n__proto__: {output: y}', undefined, /^__proto__ \(job\.yaml:2:1\): is not allowed as a key$/],
  ['{"prompt": "x", "prompt": "y"}', undefined, /^prompt \(job\.yaml:1:17\): is given twice$/],
  ['{"prompt": "x"', undefined, /^job\.yaml:1:15: .*missing/],
  ['prompt: a: b', undefined, /^job\.yaml:1:9: .*put the text in quotes$/],
  ['{"kind": "evolink.sidecar", "schema_version": 2, "request": {}}', undefined, /^schema_version \(job\.yaml:1:29\) "2": .*update evolink$/],
  ['{"kind": "evolink.sidecar", "schema_version": 1, "request": null}', undefined, /^request \(job\.yaml:1:50\): is missing/],
];

describe('readSingleJob: mistakes', () => {
  it.each(BAD)('refuses %j', async (text, jobName, line) => {
    const { lines } = await read(text, { jobName });
    expect(lines).toEqual([expect.stringMatching(line)]);
  });

  it('reports all at once', async () => {
    const { lines } = await read(
      'version: 2\ndefault: {}\njobs:\n  a: {prompt: "{{x}}", matrix: {}, output: ""}\n  a: {}\n',
    );
    expect(lines).toHaveLength(5);
  });

  it.each([
    ['.', undefined, /it is a folder/],
    ['missing.yaml', undefined, /there is no such file/],
    ['large.yaml', Buffer.alloc(5_000_001, 'a'), /larger than 5 MB/],
    ['latin1.yaml', Buffer.from([0x70, 0x3a, 0x20, 0xe9]), /line 1 is not valid UTF-8/],
  ])('refuses %s with exit 2', async (path, bytes, message) => {
    const cwd = await tempFolder();
    if (bytes !== undefined) await writeFile(join(cwd, path), bytes);
    await expect(readSingleJob(path, { cwd })).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringMatching(message),
    });
  });
});
