import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isFolder } from '../../../src/platform/folders.ts';
import { formatProblem } from '../../../src/request/problems.ts';
import { checkJobs, distinctProblems } from '../../../src/run/check-jobs.ts';
import { readJobFiles, readSingleJob } from '../../../src/run/expand.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';

type Files = Readonly<Record<string, string>>;

async function write(files: Files, folder?: string): Promise<string> {
  const cwd = folder ?? (await tempFolder());
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(cwd, name)), { recursive: true });
    writeFileSync(join(cwd, name), content);
  }
  return cwd;
}

/** One job of a file, as `-f` and `--job` read it. */
async function read(text: string, { path = 'job.yaml', jobName = undefined as string | undefined } = {}) {
  const cwd = await write({ [path]: text });
  const { job, problems } = await readSingleJob(path, { cwd, jobName });
  return { job, cwd, lines: problems.map(formatProblem) };
}

/** All jobs of files, checked. */
async function check(files: Files, folder?: string) {
  const cwd = await write(files, folder);
  const paths = Object.keys(files).filter((name) => name.endsWith('.yaml'));
  const { jobs, problems } = await readJobFiles(paths, { cwd });
  const checked = await checkJobs(jobs, {
    settings: { value: {}, locate: () => ({ source: '' }) },
    allowLoopback: false,
    prices: [],
    readMedia: async () => ({ reviews: [], local: [] }),
    isFolder,
    nowMs: Date.UTC(2026, 10, 21),
  });
  const invalid = checked.invalid.flatMap((each) => each.problems);
  return {
    jobs,
    names: jobs.map(({ name }) => name),
    paths: checked.jobs.map(({ outputPath }) => outputPath.slice(cwd.length + 1)),
    lines: distinctProblems([...problems, ...invalid, ...checked.problems]).map(formatProblem),
  };
}
const checkFile = (text: string, csv = '') => check({ 'jobs.yaml': text, 'p.csv': csv });
const jobs = (...lines: string[]): string => `jobs:\n${lines.map((line) => `  ${line}\n`).join('')}`;

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
  model_params: { web_search: false },
};

describe('one request', () => {
  it.each([undefined, 2, '\t'])('is an API body as JSON, indented by %j', async (indent) => {
    const { job, lines, cwd } = await read(JSON.stringify(BODY, null, indent), { path: 'in/body.json' });
    expect(lines).toEqual([]);
    expect(job).toMatchObject({ value: BODY, baseFolder: join(cwd, 'in'), name: 'body' });
    expect(job?.output).toBeUndefined();
  });

  it('is a job as YAML, apart from what is no part of the request', async () => {
    const { job, lines } = await read('name: frog\ntype: t2v\nprompt: a frog\noutput: clips/\n');
    expect(lines).toEqual([]);
    expect(job).toMatchObject({ name: 'frog', output: 'clips/' });
    expect(job?.value).toEqual({ type: 't2v', prompt: 'a frog' });
  });

  it('is the request of a sidecar as it was sent', async () => {
    const request = { ...BODY, prompt: 'a sign that reads {{sale}}' };
    const sidecar = { schema_version: 1, kind: 'evolink.sidecar', request, task_id: 'task-1' };
    const { job, lines } = await read(JSON.stringify(sidecar, null, 2));
    expect([job?.value, lines]).toEqual([request, []]);
    expect(job?.locate(['prompt']).source).toBe('request.prompt (job.yaml:6:5)');
  });

  it('knows where each key stands', async () => {
    const text = 'type: ref\nprompt: x\nimages:\n  - a.png\n  - b.png\nmodel_params: {web_search: true}\n';
    const { job } = await read(text);
    const places = [['images', 1], ['model_params', 'web_search'], ['duration'], []];
    expect(places.map((keyPath) => job?.locate(keyPath).source)).toEqual([
      'images[1] (job.yaml:5:5)',
      'model_params.web_search (job.yaml:6:16)',
      'duration (job.yaml:1:1)',
      'job.yaml:1:1',
    ]);
  });
});

describe('defaults', () => {
  it('stand under the job that is asked for, and each key has its place', async () => {
    const { job, lines } = await read(TWO_JOBS, { jobName: 'product' });
    expect(lines).toEqual([]);
    expect(job).toMatchObject({ name: 'product', value: { tier: 'fast', quality: '480p', type: 'ref' } });
    expect(['quality', 'output', 'duration'].map((key) => job?.locate([key]).source)).toEqual([
      'jobs.product.quality (job.yaml:10:5)',
      'defaults.output (job.yaml:2:40)',
      // A key that nobody gave stands at the job.
      'jobs.product.duration (job.yaml:8:3)',
    ]);
  });

  it('and other jobs, whatever their rows, matrix and number, do not stop it', async () => {
    const other = 'b: {prompt: x, for_each: none.csv}, c: {prompt: x, matrix: {}}';
    const { job, lines } = await read(`jobs: {a: {prompt: y}, ${other}}`, { jobName: 'a' });
    expect([job?.name, lines]).toEqual(['a', []]);
  });

  it.each([
    ['{tier: fast}', '{model: m}', { model: 'm' }],
    ['{model: m}', '{tier: fast}', { tier: 'fast' }],
    ['{image_urls: [a]}', '{images: [b]}', { images: ['b'] }],
    ['{images: [a]}', '{first: b}', { first: 'b' }],
    ['{web_search: true}', '{model_params: {web_search: false}}', { model_params: { web_search: false } }],
    ['{images: [a]}', '{images: []}', { images: [] }],
    ['{generate_audio: true}', '{generate_audio: false}', { generate_audio: false }],
  ])('%s under %s', async (defaults, own, expected) => {
    const { job, lines } = await read(`defaults: ${defaults}\njobs:\n  one: ${own}`);
    expect([job?.value, lines]).toEqual([expected, []]);
  });
});

// biome-ignore format: one row a mistake
const BAD: readonly (readonly [text: string, jobName: string | undefined, line: RegExp])[] = [
  [TWO_JOBS, undefined, /^job\.yaml: holds 2 jobs: choose one with --job \(hero, product\), or take all with `evolink run`$/],
  [TWO_JOBS, 'heroo', /^--job "heroo": is not a job of the file; its jobs are hero, product; did you mean hero\?$/],
  ['type: t2v\nprompt: x\nduratoin: 8\n', undefined, /^duratoin \(job\.yaml:3:1\): is not a known key; did you mean duration\?$/],
  ['', undefined, /^job\.yaml: is empty$/],
  ['just a prompt', undefined, /^job\.yaml: must be lines of the form/],
  ['version: 2\njobs: {a: {}}', undefined, /^version \(job\.yaml:1:1\) "2": must be 1$/],
  ['jobs: {a: {matrix: []}}', undefined, /^jobs\.a\.matrix \(job\.yaml:1:12\)[^:]*: must be an object: each key an axis/],
  ['jobs: {a: {matrix: {}}}', undefined, /^jobs\.a\.matrix \(job\.yaml:1:12\): has no combination left/],
  ['jobs: {a: {matrix: {x: []}}}', undefined, /^jobs\.a\.matrix\.x \(job\.yaml:1:21\) "\[\]": must be a list of at least one value$/],
  ['jobs: {a: {matrix: {x: [1], include: {x: 2}}}}', undefined, /^jobs\.a\.matrix\.include \(job\.yaml:1:29\)[^:]*"x":2[^:]*: must be a list of objects$/],
  ['jobs: {a: {count: 10}}', undefined, /^jobs\.a\.count \(job\.yaml:1:12\) "10": must be a whole number from 1 to 9$/],
  ['version: 1', undefined, /^jobs \(job\.yaml:1:1\): must be an object/],
  ['jobs: {}', undefined, /^jobs \(job\.yaml:1:1\): must be an object/],
  ['jobs: [a]', undefined, /^jobs\[0\] \(job\.yaml:1:8\) "a": must be an object/],
  ['jobs:\n  a: x', undefined, /^jobs\.a \(job\.yaml:2:3\) "x": must be an object/],
  ['jobs:\n  "a/b": { prompt: x }', undefined, /^jobs\.a\/b \(job\.yaml:2:3\): is no name for a job/],
  ['default: {}\njobs: {a: {}}', undefined, /^default \(job\.yaml:1:1\): is not a known key; did you mean defaults\?$/],
  ['prompt: x\njobs: {a: {}}', undefined, /^prompt \(job\.yaml:1:1\): .*belong below jobs$/],
  ['defaults: { qualty: 480p }\njobs: {a: {}}', undefined, /^defaults\.qualty \(job\.yaml:1:13\): .*did you mean quality\?$/],
  ['defaults: { matrix: {} }\njobs: {a: {}}', undefined, /^defaults\.matrix .*below jobs$/],
  ['defaults: 5\njobs: {a: {}}', undefined, /^defaults \(job\.yaml:1:1\) "5": must be an object/],
  ['prompt: "{{name}} on a table"', undefined, /^prompt \(job\.yaml:1:1\) "\{\{name\}\}": is not a variable here .*known are none$/],
  ['prompt: x\nimages:\n  - "a.png"\n  - "{{ sku }}.png"', undefined, /^images\[1\] \(job\.yaml:4:5\) "\{\{sku\}\}": is not a variable/],
  ['vars: { color: x }\njobs:\n  a: { prompt: "{{colr}}" }', undefined, /"\{\{colr\}\}": .*did you mean \{\{color\}\}\?$/],
  ['prompt: x\noutput: "{{ratio}}.mp4"', undefined, /"\{\{ratio\}\}": .*did you mean \{ratio\}\?$/],
  ['prompt: x\nquality: 480p\nmatrix: { quality: [480p] }', undefined, /^matrix\.quality \(job\.yaml:3:11\): is an axis.*leave one out$/],
  ['prompt: x\noutput: 5', undefined, /^output \(job\.yaml:2:1\) "5": must be text$/],
  ['prompt: x\nprompt: y', undefined, /^prompt \(job\.yaml:2:1\): is given twice$/],
  ['prompt: x\n__proto__: {output: y}', undefined, /^__proto__ \(job\.yaml:2:1\): is not allowed as a key$/],
  ['{"prompt": "x"', undefined, /^job\.yaml:1:15: .*missing/],
  ['prompt: a: b', undefined, /^job\.yaml:1:9: .*put the text in quotes$/],
  ['{"kind": "evolink.sidecar", "schema_version": 2, "request": {}}', undefined, /^schema_version \(job\.yaml:1:29\) "2": .*update evolink$/],
  ['{"kind": "evolink.sidecar", "schema_version": 1, "request": null}', undefined, /^request \(job\.yaml:1:50\): is missing/],
];

describe('mistakes', () => {
  it.each(BAD)('%j', async (text, jobName, line) => {
    expect((await read(text, { jobName })).lines).toEqual([expect.stringMatching(line)]);
  });

  it('are reported all at once', async () => {
    const text = 'version: 2\ndefault: {}\njobs:\n  a: {prompt: "{{x}}", matrix: {}, output: ""}\n  a: {}\n';
    expect((await read(text)).lines).toHaveLength(4);
  });

  it('of a folder in place of a file ends with exit 2', async () => {
    const refused = readSingleJob('.', { cwd: await write({}) });
    const message = expect.stringContaining('it is a folder');
    await expect(refused).rejects.toMatchObject({ kind: 'usage', message });
  });
});

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

describe('rows and a matrix', () => {
  it('make a job of each row and cell, with everything filled in', async () => {
    const { jobs: made, names, lines } = await checkFile(PRODUCTS, CSV);
    expect([lines, names.length]).toEqual([[], 8]);
    expect(names.slice(0, 3)).toEqual([
      'product/..-a1/16:9/en',
      'product/..-a1/16:9/ko',
      'product/..-a1/1:1/en',
    ]);
    expect(made[5]).toMatchObject({
      name: 'product/b2/16:9/ko',
      group: 'product',
      label: 'product-b2-ko',
      index: 6,
      value: { prompt: 'A lamp, warm', duration: 8, generate_audio: false, aspect_ratio: '16:9' },
      variables: { tone: 'warm', name: 'A lamp', lang: 'ko' },
    });
    // No value of a table leads out of the folder.
    expect(made[0]?.output).not.toContain('..');
  });

  it('lead every key back to what filled it', async () => {
    const { jobs: made } = await checkFile(PRODUCTS, CSV);
    const filled =
      'jobs.product.prompt (jobs.yaml:7:5), filled in from p.csv:3 and vars.tone (jobs.yaml:3:9)';
    expect(made[4]?.locate(['prompt']).source).toBe(filled);
    expect(made[7]?.locate(['duration']).source).toMatch(/jobs\.yaml:8:5.*filled in from p\.csv:3$/);
    const axis = 'jobs.product.matrix.aspect_ratio[1] (jobs.yaml:12:38)';
    expect(made[2]?.locate(['aspect_ratio']).source).toBe(axis);
  });

  it('number rows whose first column does not tell them apart', async () => {
    const text = PRODUCTS.replace(/ {4}matrix.*\n/, '');
    const { names } = await checkFile(text, 'sku,name,seconds,sound\na,x,4,true\na,y,4,true\n');
    expect(names).toEqual(['product/1', 'product/2']);
  });

  it('stop at the limit before all are made', async () => {
    const list = Array.from({ length: 100 }, (_, index) => index).join(', ');
    const { names, lines } = await checkFile(
      jobs(`a: { prompt: x, matrix: { x: [${list}], y: [${list}], z: [1, 2] } }`),
    );
    expect([names, lines]).toEqual([[], [expect.stringMatching(/20000 jobs.*--max-jobs 20000$/)]]);
  });
});

describe('names', () => {
  it('may be those of the jobs themselves', async () => {
    const { jobs: made } = await checkFile(
      jobs('a: { prompt: x, name: "clip-{{n}}", matrix: { n: [1, 2] } }'),
    );
    expect(made.map(({ name, label }) => `${name} ${label}`)).toEqual(['clip-1 clip-1', 'clip-2 clip-2']);
  });

  it('of several files are told apart by their file, and one twice is refused', async () => {
    const { names, lines } = await check({
      'spring.yaml': jobs('hero: { type: t2v, prompt: x, output: s.mp4 }', 'one: { type: t2v, prompt: x }'),
      'autumn.yaml': jobs('hero: { type: t2v, prompt: x, output: a.mp4 }'),
    });
    expect([names, lines]).toEqual([['spring/hero', 'one', 'autumn/hero'], []]);
    const twice = 'a: { prompt: x, name: same, output: "{index}.mp4", matrix: { n: [1, 2] } }';
    expect((await checkFile(jobs(twice))).lines.join()).toContain('is the name of several jobs');
  });
});

describe('outputs', () => {
  it.each([
    ['matrix: { aspect_ratio: ["16:9", "1:1"] }', ['a-16x9.mp4', 'a-1x1.mp4']],
    [
      'output: "{date}/{job}-{index}-{slug}-{tier}-{quality}-{duration}.mp4"',
      ['2026-11-21/a-1-a-green-frog-standard-720p-5.mp4'],
    ],
    ['output: there', ['there/a.mp4']],
    ['output: new/', ['new/a.mp4']],
  ])('%s', async (keys, expected) => {
    const folder = await tempFolder();
    mkdirSync(join(folder, 'there'));
    const { paths } = await check(
      { 'jobs.yaml': jobs(`a: { type: t2v, prompt: A Green Frog, ${keys} }`) },
      folder,
    );
    expect(paths).toEqual(expected);
  });

  it.each([
    ['a.mp4', 'a.mp4', /job b: is the output of job a/],
    ['a.mp4', 'A.mp4', /differs in case only/],
    ['x/../a.mp4', './a.mp4', /job b: is the output of job a/],
    ['-', 'b.mp4', /a run saves files/],
  ])('%s and %s', async (first, second, wanted) => {
    const of = (name: string, output: string) => `${name}: { type: t2v, prompt: x, output: "${output}" }`;
    const { lines } = await checkFile(jobs(of('a', first), of('b', second)));
    expect(lines).toEqual([expect.stringMatching(wanted)]);
  });
});

it('what is wrong in several files is said once each, and of an unknown variable only that', async () => {
  const { lines } = await check({
    'a.yaml': jobs('x: { type: t2v, prompt: x, duration: 99, matrix: { n: [1, 2, 3] } }'),
    'b.yaml': jobs(
      'y: { type: t2w, prompt: x }',
      'z: { type: ref, prompt: x, audios: [https://e.com/a.mp3] }',
      'v: { type: t2v, prompt: "{{nope}}", matrix: { n: [1] } }',
      'w: { type: t2v, prompt: "{{a}}", vars: { a: "{{nope}}" } }',
    ),
  });
  expect(lines).toEqual([
    expect.stringMatching(/^jobs\.x\.duration \(a\.yaml:2:/),
    expect.stringMatching(/b\.yaml:2:.*did you mean t2v/),
    expect.stringContaining('b.yaml:3:'),
    expect.stringMatching(/b\.yaml:4:.*is not a variable here/),
    expect.stringMatching(/b\.yaml:5:.*is not a variable here/),
  ]);
});
