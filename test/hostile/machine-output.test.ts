import { mkdirSync, readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRunRig, type Rig } from '../helpers/rig.ts';

let rig: Rig;

const JOBS = `version: 1
jobs:
  hero: { type: t2v, prompt: a paper boat, duration: 4, output: hero.mp4 }
`;
const BAD_JOBS = `version: 1
jobs:
  hero: { type: t2v, prompt: a paper boat, durations: 4 }
`;

beforeAll(async () => {
  rig = await createRunRig();
  rig.write('jobs.yaml', JOBS);
  rig.write('bad.yaml', BAD_JOBS);
  rig.write('note.txt', 'no media');
  mkdirSync(rig.at('empty'));
  const image = new URL('../fixtures/media/side-300.png', import.meta.url);
  rig.write('frame.png', readFileSync(image));
  // Something to resume, to list and to report on.
  await rig.run(['run', 'jobs.yaml', '--report', 'run.json']);
  await rig.run(['t2v', 'pending', '--no-wait', '-o', 'pending-1.mp4']);
  await rig.run(['t2v', 'pending', '--new', '--no-wait', '-o', 'pending-2.mp4']);
});

afterAll(() => rig.close());

interface Row {
  readonly args: readonly string[];
  /** What `evolink schema NAME` prints the schema of. */
  readonly schema: string;
  readonly exit?: number;
  readonly cwd?: string;
}

/** In this order: what one row leaves behind, the next ones find. */
const ROWS: readonly Row[] = [
  { args: ['t2v', 'boat', '--dry-run'], schema: 'dry-run' },
  { args: ['t2v', 'boat', '--no-wait', '--new', '-o', '{id}.mp4'], schema: 'result' },
  { args: ['t2v', 'boat', '--new', '-o', '{id}.mp4'], schema: 'result' },
  { args: ['t2v'], schema: 'error', exit: 2 },
  { args: ['t2v', 'boat', '--max-credits', '1'], schema: 'error', exit: 4 },
  { args: ['t2v', 'boat', '--api-key', 'x'], schema: 'error', exit: 2 },
  { args: ['nonsense'], schema: 'error', exit: 2 },
  { args: ['run', 'jobs.yaml', '--dry-run'], schema: 'report' },
  { args: ['run', 'jobs.yaml'], schema: 'report' },
  { args: ['run', 'jobs.yaml', '--force', '--max-credits', '1'], schema: 'error', exit: 4 },
  { args: ['run', 'jobs.yaml', '--force', '--max-credits', '1', '--dry-run'], schema: 'report', exit: 4 },
  { args: ['run', 'bad.yaml'], schema: 'error', exit: 2 },
  { args: ['run'], schema: 'error', exit: 2 },
  { args: ['run', '--init'], schema: 'written', exit: 11 },
  { args: ['status'], schema: 'status' },
  { args: ['status', '--prune', '30d'], schema: 'prune' },
  { args: ['resume', '--dry-run'], schema: 'resume-plan' },
  { args: ['resume'], schema: 'results' },
  { args: ['download', '--all'], schema: 'results' },
  { args: ['download'], schema: 'error', exit: 2 },
  { args: ['forget', 'nothing', '--yes'], schema: 'error', exit: 2 },
  { args: ['credits'], schema: 'credits' },
  { args: ['upload', 'frame.png'], schema: 'upload' },
  { args: ['upload', '--list'], schema: 'uploads' },
  { args: ['upload', '--delete', 'file_nothing'], schema: 'delete', exit: 2 },
  { args: ['check', 'frame.png'], schema: 'check' },
  { args: ['check', 'note.txt'], schema: 'check', exit: 2 },
  { args: ['report', 'merge', 'run.json', '--report', 'merged.md'], schema: 'merge' },
  { args: ['report'], schema: 'error', exit: 2 },
  { args: ['config'], schema: 'config' },
  { args: ['config', 'init'], schema: 'written', exit: 11 },
  { args: ['doctor'], schema: 'doctor' },
  { args: ['schema'], schema: 'schema' },
  { args: ['completion', 'bash'], schema: 'text' },
  { args: ['help', 'exit-codes'], schema: 'text' },
  { args: ['t2v', '--help'], schema: 'text' },
];

const validators = new Map<string, ValidateFunction>();

async function validatorOf(name: string): Promise<ValidateFunction> {
  const known = validators.get(name);
  if (known !== undefined) return known;
  const { stdout, stderr, code } = await rig.run(['schema', name]);
  expect({ name, code, stderr }).toEqual({ name, code: 0, stderr: '' });
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
  const validate = ajv.compile(JSON.parse(stdout));
  validators.set(name, validate);
  return validate;
}

async function expectValid(document: Record<string, unknown>, name: string): Promise<void> {
  const validate = await validatorOf(name);
  expect({ errors: validate(document) ? [] : validate.errors, document }).toMatchObject({ errors: [] });
}

describe.each(ROWS)('evolink $args', ({ args, schema, exit = 0 }) => {
  test('--json is one document with ok, as its schema says', async () => {
    // What a first call writes, the second finds: the row is about the refusal.
    if (schema === 'written') expect((await rig.run([...args, '--json'])).code).toBe(0);
    const { stdout, stderr, code } = await rig.run([...args, '--json', '--quiet']);
    expect({ code, stderr: code === 0 ? stderr : '', said: code === exit ? '' : stdout }).toEqual({
      code: exit,
      stderr: '',
      said: '',
    });
    expect(stdout.split('\n')).toHaveLength(2);
    const document = JSON.parse(stdout);
    expect(document).toMatchObject({ ok: exit === 0, schema_version: expect.any(Number) });
    await expectValid(document, schema === 'written' && exit !== 0 ? 'error' : schema);
  });

  test('--events is a line an event, the result last', async () => {
    const { stdout, code } = await rig.run([...args, '--events']);
    expect(code).toBe(exit);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    for (const line of lines) {
      expect(line).toMatchObject({ event: expect.any(String), time: expect.stringMatching(/^\d{4}-.*Z$/) });
      await expectValid(line, 'event');
    }
    const { event, time: _time, ...document } = lines.at(-1);
    expect(event).toBe(exit === 0 ? 'result' : 'error');
    expect(lines.filter((line) => line.event === 'result' || line.event === 'error')).toHaveLength(1);
    await expectValid(document, schema === 'written' ? 'error' : schema);
  });
});

describe('--quiet', () => {
  test.each([
    [['t2v', 'quiet', '--new', '-o', '{id}.mp4']],
    [['t2v', 'quiet', '--new', '--no-wait', '-o', '{id}.mp4']],
    [['t2v', 'boat', '--dry-run']],
    [['run', 'jobs.yaml']],
    [['run', 'jobs.yaml', '--dry-run']],
    [['status', '--prune', '30d']],
    [['resume', '--dry-run']],
    [['resume']],
    [['resume']],
    [['download', '--all']],
    [['upload', '--list']],
    [['run', '--init=quiet.yaml']],
  ])('%j prints nothing for people', async (args) => {
    expect(await rig.run([...args, '--quiet'])).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('a result that can not be written', () => {
  const full = { wrapper: ['sh', '-c', 'exec "$@" > /dev/full', 'sh'] };
  test.each([
    [['t2v', 'full', '--new', '-o', 'full-1.mp4'], 'full-1.mp4'],
    [['t2v', 'full', '--new', '-o', 'full-2.mp4', '--json'], 'full-2.mp4'],
    [['run', 'jobs.yaml', '--force'], 'hero.mp4'],
    [['run', 'jobs.yaml', '--json'], 'hero.mp4'],
    [['config'], 'base_url'],
    [['upload', 'frame.png'], 'http://127.0.0.1'],
    [['help', 'output'], 'stdout'],
  ])('%j ends with 11 and says the result on stderr', async (args, result) => {
    const { code, stderr } = await rig.run([...args, '--quiet'], full);
    expect({ code, stderr }).toEqual({ code: 11, stderr: expect.stringContaining(result) });
    expect(stderr).toMatch(/^error: .*standard output/);
  });
});
