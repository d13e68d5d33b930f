import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ListedTask } from '../../../src/api/answers.ts';
import { ApiReadError } from '../../../src/api/errors.ts';
import { EvolinkError } from '../../../src/errors.ts';
import { parseRecord, type TaskRecord } from '../../../src/task/record.ts';
import {
  acceptTask,
  dismiss,
  findUnrecorded,
  lookOnceMore,
  settleOrFail,
  settleUnknown,
} from '../../../src/task/settle.ts';
import { setUpGenerate } from '../../helpers/generate-setup.ts';
import { sampleRecord } from '../../helpers/sample-record.ts';
import type { ApiScript } from '../../helpers/scripted-api.ts';

const sentAtMs = Date.UTC(2026, 10, 21, 9, 15, 0);
const model = 'seedance-2.0-text-to-video';
const lost = sampleRecord({ state: 'sent', sentAtMs });
const { signal } = new AbortController();

/** A task of the list, by its time after the sending. */
function task(id: string, afterMs: number, fields: Partial<ListedTask> = {}): ListedTask {
  const createdAtMs = sentAtMs + afterMs;
  return { id, model, state: 'running', status: 'processing', isKnownStatus: true, createdAtMs, ...fields };
}

const other = (fields: Partial<TaskRecord>) =>
  sampleRecord({ localId: '20261121-091501-rivals', state: 'sent', sentAtMs, ...fields });

async function setUp(script: ApiScript, others: readonly TaskRecord[] = [], record = lost) {
  const setup = await setUpGenerate(script);
  for (const each of [record, ...others]) await setup.deps.journal.create(each);
  return setup;
}

const settle = async (script: ApiScript, others: readonly TaskRecord[] = [], record = lost) =>
  settleUnknown((await setUp(script, others, record)).deps, record);

describe('settleUnknown', () => {
  const many = (count: number) => Array.from({ length: count }, (_, at) => task(`new-${at}`, 900_000 - at));
  const ours = task('ours', 2_000);
  const found = (id: string) => expect.objectContaining({ id });
  const finding = (text: string) => expect.stringContaining(text);
  const none = finding(`no unclaimed ${model} task of that time`);
  const resent = { ...lost, resentAtMs: sentAtMs + 3_600_000 };

  // biome-ignore format: one row a list
  it.each<[string, readonly ListedTask[] | undefined, unknown, Partial<TaskRecord>?]>([
    ['the only task of the window', [task('later', 600_000), ours, task('earlier', -600_000)], found('ours')],
    ['none of two', [task('b', 3_000), task('a', 2_000)], 'the task list shows several that could be it: b, a'],
    ['one that is named twice', [ours, ours], found('ours')],
    ['none of another model', [task('x', 2_000, { model: 'seedance-2.0-fast-text-to-video' })], none],
    ['one of a model that is not said', [task('x', 2_000, { model: undefined })], found('x')],
    ['one of five seconds before', [task('x', -5_000)], found('x')],
    ['none before', [task('x', -5_001)], none],
    ['one of five seconds after the call can have ended', [task('x', 80_000)], found('x')],
    ['none after', [task('x', 80_001)], none],
    ['none of an unknown time', [task('x', 0, { createdAtMs: undefined })], none],
    ['one of the last sending', [task('x', 3_602_000)], found('x'), resent],
    ['none of two sendings', [task('x', 3_602_000), ours], finding('several'), resent],
    ['one by the time of the record', [task('x', 2_000)], found('x'), { sentAtMs: undefined }],
    ['one on a further page', [...many(120), ours], found('ours')],
    ['none on the page after the last', [...many(500), ours], none],
    ['one on the last page', [...many(499), ours], found('ours')],
    ['nothing without a list', undefined, 'the service offers no task list to look through'],
    ['nothing for a record without a body', [ours], finding('does not say which model'), { body: undefined }],
  ])('takes %s', async (_what, listed, expected, fields) => {
    expect(await settle({ listed } as ApiScript, [], { ...lost, ...fields })).toEqual(expected);
  });

  // biome-ignore format: one row a record
  it.each<[string, Partial<TaskRecord>, boolean]>([
    ['that has the task', { state: 'accepted', taskId: 'ours' }, false],
    ['that has another', { state: 'accepted', taskId: 'another' }, true],
    ['of the same time, sent', {}, false],
    ['of the same time, unknown', { state: 'unknown' }, false],
    ['that is not sent', { state: 'intent' }, true],
    ['of another model', { body: { model: 'other', prompt: '' } }, true],
    ['without a request', { body: undefined }, true],
    ['whose time ends as ours begins', { sentAtMs: sentAtMs - 85_000 }, false],
    ['whose time has ended before', { sentAtMs: sentAtMs - 85_001 }, true],
    ['whose time begins as ours ends', { sentAtMs: sentAtMs + 85_000 }, false],
    ['whose time begins after', { sentAtMs: sentAtMs + 85_001 }, true],
  ])('beside a record %s', async (_what, fields, isOurs) => {
    const settled = await settle({ listed: [ours] }, [other(fields)]);
    expect(settled).toEqual(isOurs ? found('ours') : expect.any(String));
  });

  it('names the others that are uncertain', async () => {
    const others = [other({}), other({ localId: '20261121-091501-second' })];
    expect(await settle({ listed: [ours] }, others)).toContain(
      'as well (20261121-091501-rivals, 20261121-091501-second)',
    );
  });

  it('does not take a task that may be of a request which another process began to send meanwhile', async () => {
    const { deps } = await setUp({ listed: [task('theirs', 2_000)] });
    const listTasks: typeof deps.api.listTasks = async (...asked) => {
      await deps.journal.create(other({}));
      return deps.api.listTasks(...asked);
    };
    expect(await settleUnknown({ ...deps, api: { ...deps.api, listTasks } }, lost)).toEqual(
      finding('rivals'),
    );
  });

  it('reads times on the clock of the service, asks for one model, and not for what is older', async () => {
    const aheadMs = 2 * 3_600_000;
    const { deps, clock } = await setUp({});
    const asked: unknown[] = [];
    const listTasks: typeof deps.api.listTasks = async (query) => {
      asked.push(query);
      const old = Array.from({ length: 49 }, (_, at) => task(`new-${at}`, aheadMs + 900_000));
      const tasks = [...old, task('ours', aheadMs + (asked.length === 1 ? -5_000 : -5_001))];
      return { tasks, serverNowMs: clock.now() + aheadMs };
    };
    const settled = await settleUnknown({ ...deps, api: { ...deps.api, listTasks } }, lost);
    expect(settled).toEqual(found('ours'));
    expect(asked).toEqual([1, 2].map((page) => ({ model, page, pageSize: 50 })));
  });
});

it('a lost answer is settled by a look, or says why it is not', async () => {
  const { deps, events } = await setUp({ listed: [task('ours', 2_000)] });
  expect(await settleOrFail(deps, lost, signal)).toMatchObject({
    state: 'accepted',
    taskId: 'ours',
    acceptedAtMs: sentAtMs,
    timeline: [{ atMs: sentAtMs, status: 'pending' }],
  });
  expect(events).toMatchObject([{ code: 'settled' }, { kind: 'accepted', taskId: 'ours' }]);
  const fails = (error?: Error) => {
    const listTasks = error === undefined ? async () => undefined : () => Promise.reject(error);
    return settleOrFail({ ...deps, api: { ...deps.api, listTasks } }, lost, signal);
  };
  const says = (text: string) => ({ kind: 'unknown', facts: { details: expect.arrayContaining([text]) } });
  await expect(fails()).rejects.toMatchObject(says('the service offers no task list to look through'));
  const unread = says('the task list could not be read: no route');
  await expect(fails(new EvolinkError('network', 'no route'))).rejects.toMatchObject(unread);
  await expect(fails(new Error('a bug'))).rejects.toThrow('a bug');
  await expect(settleOrFail(deps, lost, AbortSignal.abort(new Error('stop')))).rejects.toThrow('stop');
});

it.each([
  [new EvolinkError('local-io', 'the disk is full'), 'the disk is full'],
  [new Error('a bug'), 'the state folder failed'],
])('a task whose record can not be saved is kept beside, and named: %s', async (error, reason) => {
  const { deps } = await setUp({});
  const journal = { ...deps.journal, update: () => Promise.reject(error) };
  const accept = (workingFolder: string) =>
    acceptTask({ ...deps, journal, workingFolder }, lost, { id: 'task-1', status: 'pending' }, 7);
  const path = join(deps.workingFolder, 'evolink-task-task-1.json');
  const refusal = (detail: string) => ({
    kind: 'local-io',
    message: `the service accepted task task-1, but its record could not be saved: ${reason}`,
    facts: {
      charged: 'yes',
      taskId: 'task-1',
      localId: lost.localId,
      details: [detail],
      resume: ['evolink', 'download', 'task-1'],
    },
  });
  await expect(accept(deps.workingFolder)).rejects.toMatchObject(refusal(`emergency record: ${path}`));
  expect(parseRecord(await readFile(path, 'utf8'))).toMatchObject({ state: 'accepted', taskId: 'task-1' });
  const lostToo = refusal('no emergency record could be written: keep the task id');
  await expect(accept(join(deps.workingFolder, 'gone'))).rejects.toMatchObject(lostToo);
});

it('tasks of the last day that no record knows are found', async () => {
  const day = 24 * 3_600_000;
  const nowMs = Date.UTC(2026, 10, 21, 9, 15, 2);
  const at = (id: string, agoMs: number, fields: Partial<ListedTask> = {}) =>
    task(id, 0, { createdAtMs: nowMs - agoMs, ...fields });
  const listed = [
    at('running', 0),
    at('completed', 0, { state: 'completed' }),
    at('failed', 0, { state: 'failed' }),
    at('other-model', 0, { model: 'other' }),
    at('no-model', 0, { model: undefined }),
    at('no-time', 0, { createdAtMs: undefined }),
    at('known', 0),
    at('yesterday', day - 1_000),
    at('older', day + 1_000),
  ];
  const known = sampleRecord({ localId: '20261121-091501-aaaaaa', state: 'accepted', taskId: 'known' });
  const { deps } = await setUp({ listed }, [known]);
  const found = await findUnrecorded(deps, new Set([model]), signal);
  expect(found.map(({ id }) => id)).toEqual(['running', 'completed', 'no-model', 'yesterday']);
  expect(await findUnrecorded((await setUp({})).deps, new Set([model]), signal)).toEqual([]);
});

describe('what is to be dismissed', () => {
  const unknownTask = new ApiReadError('usage', 'no such task', {
    facts: { httpStatus: 404 },
    isTransient: false,
    isUnknownTask: true,
  });
  const has = { state: 'accepted', taskId: 'task-1' } as const;
  // biome-ignore format: one row a record
  it.each<[string, Partial<TaskRecord>, ApiScript, object]>([
    ['has ended', { state: 'saved', taskId: 'task-1' }, {}, { kind: 'usage', message: expect.stringContaining('is saved: there is nothing to dismiss'), facts: { resume: ['evolink', 'resume', 'task-1'], charged: 'yes', taskId: 'task-1' } }],
    ['was never sent', { state: 'intent' }, {}, { message: expect.stringContaining('was never submitted; resume closes it'), facts: { charged: 'no', resume: ['evolink', 'resume', lost.localId] } }],
    ['has a task', has, { readings: [{ status: 'processing' }] }, { message: 'task task-1 exists, its status is processing' }],
    ['can not be asked for', has, { readings: [new EvolinkError('auth', 'no key')] }, { kind: 'auth' }],
    ['has a task in the list', {}, { listed: [task('ours', 2_000)] }, { message: 'its task was found: ours' }],
  ])('is refused where it %s', async (_what, fields, script, refusal) => {
    const record = { ...lost, ...fields };
    await expect(lookOnceMore((await setUp(script, [], record)).deps, record, signal)).rejects.toMatchObject(refusal);
  });

  it('is looked for once more', async () => {
    const { deps } = await setUp({ readings: [unknownTask] });
    expect(await lookOnceMore(deps, lost, signal)).toContain('offers no task list');
    expect(await lookOnceMore(deps, { ...lost, ...has }, signal)).toBe(
      'the service does not know task task-1',
    );
  });

  it('is dismissed only as it was seen, and under its lock', async () => {
    const { deps } = await setUp({});
    const state = async () => (await deps.journal.find(lost.localId))?.state;
    for (const seen of [
      { ...lost, state: 'unknown' as const },
      { ...lost, taskId: 'x' },
      { ...lost, localId: 'gone' },
    ])
      await expect(dismiss(deps, seen, signal)).rejects.toThrow(
        'has changed meanwhile; nothing was dismissed',
      );
    expect(await state()).toBe('sent');
    const lock = await deps.journal.lock(lost.identity, 0);
    await expect(dismiss(deps, lost, signal)).rejects.toMatchObject({ kind: 'locked' });
    await lock.release();
    await dismiss(deps, lost, signal);
    expect(await state()).toBe('dismissed');
    await (await deps.journal.lock(lost.identity, 0)).release();
  });
});
