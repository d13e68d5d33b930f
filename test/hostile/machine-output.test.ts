import { mkdirSync, readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { beforeAll, describe, expect, test } from 'vitest';
import { fixture } from '../helpers/media-fixtures.ts';
import { eventsOf, expectSaid, rigForAll } from '../helpers/rig.ts';

const rig = rigForAll();
const jobs = (job: string) => `version: 1\njobs:\n  hero: { type: t2v, prompt: a paper boat, ${job} }\n`;

beforeAll(async () => {
  rig.write('jobs.yaml', jobs('duration: 4, output: hero.mp4'));
  rig.write('bad.yaml', jobs('durations: 4'));
  rig.write('note.txt', 'no media');
  mkdirSync(rig.at('empty'));
  rig.write('frame.png', readFileSync(fixture('side-300.png')));
  // Something to resume, to list and to report on.
  await rig.run('run jobs.yaml --report run.json');
  await rig.run('t2v pending --no-wait -o pending-1.mp4');
  await rig.run('t2v pending --new --no-wait -o pending-2.mp4');
});

/** What `evolink schema NAME` prints the schema of, and the exit. In this order: what one row leaves behind, the next ones find. */
const ROWS: readonly (readonly [line: string, schema: string, exit?: number])[] = [
  ['t2v boat --dry-run', 'dry-run'],
  ['t2v boat --no-wait --new -o {id}.mp4', 'result'],
  ['t2v boat --new -o {id}.mp4', 'result'],
  ['t2v', 'error', 2],
  ['t2v boat --max-credits 1', 'error', 4],
  ['t2v boat --api-key x', 'error', 2],
  ['nonsense', 'error', 2],
  ['run jobs.yaml --dry-run', 'report'],
  ['run jobs.yaml', 'report'],
  ['run jobs.yaml --force --max-credits 1', 'error', 4],
  ['run jobs.yaml --force --max-credits 1 --dry-run', 'report', 4],
  ['run bad.yaml', 'error', 2],
  ['run', 'error', 2],
  ['run --init', 'written', 11],
  ['status', 'status'],
  ['status --prune 30d', 'prune'],
  ['resume --dry-run', 'resume-plan'],
  ['resume', 'results'],
  ['download --all', 'results'],
  ['download', 'error', 2],
  ['forget nothing --yes', 'error', 2],
  ['credits', 'credits'],
  ['upload frame.png', 'upload'],
  ['upload --list', 'uploads'],
  ['upload --delete file_nothing', 'delete', 2],
  ['check frame.png', 'check'],
  ['check note.txt', 'check', 2],
  ['report merge run.json --report merged.md', 'merge'],
  ['report', 'error', 2],
  ['config', 'config'],
  ['config init', 'written', 11],
  ['doctor', 'doctor'],
  ['schema', 'schema'],
  ['completion bash', 'text'],
  ['help exit-codes', 'text'],
  ['t2v --help', 'text'],
];

const validators = new Map<string, ValidateFunction>();

async function expectValid(document: Record<string, unknown>, name: string): Promise<void> {
  if (!validators.has(name)) {
    const { stdout, stderr, code } = await rig.run(['schema', name]);
    expect({ name, code, stderr }).toEqual({ name, code: 0, stderr: '' });
    const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
    validators.set(name, ajv.compile(JSON.parse(stdout)));
  }
  const validate = validators.get(name);
  expect({ errors: validate?.(document) ? [] : validate?.errors, document }).toMatchObject({ errors: [] });
}

const rows = ROWS.map(([line, schema, exit = 0]) => ({ line, schema, exit }));

describe.each(rows)('evolink $line', ({ line, schema, exit }) => {
  test('--json is one document with ok, as its schema says', async () => {
    // What a first call writes, the second finds: the row is about the refusal.
    if (schema === 'written') expect((await rig.run(`${line} --json`)).code).toBe(0);
    const { stdout, stderr, code } = await rig.run(`${line} --json --quiet`);
    expect([code, code === exit ? '' : stdout]).toEqual([exit, '']);
    if (exit === 0) expect(stderr).toBe('');
    expect(stdout.split('\n')).toHaveLength(2);
    const document = JSON.parse(stdout);
    expect(document).toMatchObject({ ok: exit === 0, schema_version: expect.any(Number) });
    await expectValid(document, schema === 'written' && exit !== 0 ? 'error' : schema);
  });

  test('--events is a line an event, the result last', async () => {
    const result = await rig.run(`${line} --events`);
    expect(result.code).toBe(exit);
    const lines = eventsOf(result);
    for (const each of lines) {
      expect(each).toMatchObject({ event: expect.any(String), time: expect.stringMatching(/^\d{4}-.*Z$/) });
      await expectValid(each, 'event');
    }
    const { event, time: _time, ...document } = lines.at(-1);
    expect(event).toBe(exit === 0 ? 'result' : 'error');
    expect(lines.filter((each) => each.event === 'result' || each.event === 'error')).toHaveLength(1);
    await expectValid(document, schema === 'written' ? 'error' : schema);
  });
});

test.each([
  't2v quiet --new -o {id}.mp4',
  't2v quiet --new --no-wait -o {id}.mp4',
  't2v boat --dry-run',
  'run jobs.yaml',
  'run jobs.yaml --dry-run',
  'status --prune 30d',
  'resume --dry-run',
  'resume',
  'resume',
  'download --all',
  'upload --list',
  'run --init=quiet.yaml',
])('%s --quiet prints nothing for people', async (line) => {
  expect(await rig.run(`${line} --quiet`)).toMatchObject({ code: 0, stderr: '' });
});

test.each([
  ['t2v full --new -o full-1.mp4', 'full-1.mp4'],
  ['t2v full --new -o full-2.mp4 --json', 'full-2.mp4'],
  ['run jobs.yaml --force', 'hero.mp4'],
  ['run jobs.yaml --json', 'hero.mp4'],
  ['config', 'base_url'],
  ['upload frame.png', 'http://127.0.0.1'],
  ['help output', 'stdout'],
])('a result that can not be written: %s ends with 11 and says it on stderr', async (line, says) => {
  const full = { wrapper: ['sh', '-c', 'exec "$@" > /dev/full', 'sh'] };
  expectSaid(await rig.run(`${line} --quiet`, full), 11, says, /^error: .*standard output/);
});
