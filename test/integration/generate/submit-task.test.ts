import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { SubmitOutcome } from '../../../src/api/answers.ts';
import { ApiReadError } from '../../../src/api/errors.ts';
import type { LinkClient } from '../../../src/api/links.ts';
import { EvolinkError } from '../../../src/errors.ts';
import type { TaskRecord } from '../../../src/task/record.ts';
import { type Decision, resumeRecords } from '../../../src/task/resume.ts';
import { submitTask } from '../../../src/task/submit.ts';
import { setUpGenerate } from '../../helpers/generate-setup.ts';
import { sampleRecord } from '../../helpers/sample-record.ts';
import type { Reading } from '../../helpers/scripted-api.ts';

const accepted: SubmitOutcome = {
  kind: 'accepted',
  task: {
    id: 'task-unified-1-abc',
    state: 'running',
    status: 'pending',
    isKnownStatus: true,
    links: [],
    reservedCredits: 67.5,
  },
};
const notSent: SubmitOutcome = {
  kind: 'not-sent',
  isTransient: true,
  error: new EvolinkError('network', 'connection refused; nothing was sent'),
};
const throttled = (retryAfterMs?: number): SubmitOutcome => ({
  kind: 'throttled',
  retryAfterMs,
  error: new EvolinkError('network', 'too many requests'),
});
const rejected: SubmitOutcome = {
  kind: 'rejected',
  error: new EvolinkError('credits', 'the balance is too low', { serviceCode: 'no_credits' }),
};

const reason = new Error('stopped');
const full = new EvolinkError('local-io', 'the disk is full');
const busy = new EvolinkError('locked', 'busy');
const fails = (error: Error) => () => Promise.reject(error);
const uncertain = { state: 'unknown', unknown: { reason: 'first' } } as const;
type Journal = Awaited<ReturnType<typeof setUpGenerate>>['deps']['journal'];

interface Submission {
  readonly submits?: readonly SubmitOutcome[];
  readonly fields?: Partial<TaskRecord>;
  readonly journal?: (real: Journal, stop: AbortController) => Partial<Journal>;
}

async function submit({ submits = [], fields, journal }: Submission) {
  const { deps, api, events } = await setUpGenerate({ submits });
  const record = sampleRecord(fields);
  const stop = new AbortController();
  if (record.state !== 'intent') await deps.journal.create(record);
  await deps.journal.lock(record.identity, 0);
  const changed = { ...deps, journal: { ...deps.journal, ...journal?.(deps.journal, stop) } };
  const ended = await submitTask(changed, record, stop.signal, () => undefined).catch((error) => error);
  const { state, error } = (await deps.journal.find(record.localId)) ?? {};
  return { ended, posts: api.submits, state, code: error?.code, kinds: events.map(({ kind }) => kind) };
}

/** Fails after the new state has reached the disk. */
const failsLate = (error: Error) => (real: Journal) => ({
  update: async (...[id, change]: Parameters<Journal['update']>) => {
    const record = await real.update(id, change);
    if (change.state === 'sent') throw error;
    return record;
  },
});

describe('submitTask', () => {
  it('repeats what certainly was not taken, with the same key, but not for ever', async () => {
    const { ended, posts, kinds } = await submit({ submits: [notSent, throttled(2_000), accepted] });
    expect(ended).toMatchObject({ state: 'accepted', taskId: 'task-unified-1-abc' });
    expect([posts.length, new Set(posts).size]).toEqual([3, 1]);
    expect(kinds.slice(0, 4)).toEqual(['submitting', 'submit-retry', 'submitting', 'submit-retry']);
    const late = await submit({ submits: [throttled(200_000), throttled(200_000)] });
    expect(late).toMatchObject({ ended: { kind: 'network', facts: { charged: 'no' } }, state: 'rejected' });
  });

  const elsewhere = { ownerOf: async () => 'another' };
  const notHeld = { holds: async () => false };
  const lost: SubmitOutcome = { kind: 'unknown', reason: 'cut', httpStatus: 502 };
  const stops = (real: Journal, stop: AbortController) => ({
    create: (record: TaskRecord) => real.create(record).then(() => stop.abort(reason)),
  });
  // biome-ignore format: one row a failure
  it.each<[string, Submission, number, TaskRecord['state'] | undefined, object]>([
    ['a record without a body', { fields: { body: undefined } }, 0, undefined, { kind: 'internal', message: expect.stringContaining('holds no request') }],
    ['a record without a key', { fields: { idempotencyKey: undefined } }, 0, undefined, { kind: 'internal' }],
    ['a disk that is full', { journal: () => ({ create: fails(full) }) }, 0, undefined, { message: 'the disk is full; nothing was sent', facts: { charged: 'no' } }],
    ['a fault of ours', { journal: () => ({ create: fails(reason) }) }, 0, undefined, { message: 'stopped' }],
    ['a disk that fills up later', { fields: uncertain, journal: failsLate(full) }, 0, 'unknown', { message: 'the disk is full' }],
    ['another process that sends', { fields: uncertain, journal: failsLate(busy) }, 0, 'sent', { kind: 'locked', message: 'busy' }],
    ['a stop before the POST', { journal: stops }, 0, 'intent', { message: 'stopped' }],
    ['a stop while the lock is read again', { journal: (_real, stop) => ({ holds: async () => stop.abort(reason) === undefined }) }, 0, 'intent', { message: 'stopped' }],
    ['a stop, and a lock that is lost: the record is in other hands', { journal: (...of) => ({ ...stops(...of), ...notHeld }) }, 0, 'sent', { kind: 'locked' }],
    ['a lock that is lost', { journal: () => notHeld }, 0, 'sent', { kind: 'locked', message: expect.stringContaining('nothing was sent'), facts: { charged: 'no', hint: expect.stringContaining('wait'), localId: expect.any(String) } }],
    ['a lock that is lost, of an uncertain request', { fields: uncertain, journal: () => notHeld }, 0, 'sent', { facts: { charged: 'unknown' } }],
    ["another request's task", { submits: [accepted], journal: () => elsewhere }, 1, 'unknown', { kind: 'unknown', facts: { details: expect.arrayContaining([expect.stringContaining('that of request another')]) } }],
    ['a disk that can not say whose task it is', { submits: [accepted], journal: () => ({ ownerOf: fails(full) }) }, 1, 'accepted', { state: 'accepted' }],
    ['no answer', { submits: [lost] }, 1, 'unknown', { kind: 'unknown', facts: { httpStatus: 502 } }],
    ['no answer, and a full disk', { submits: [lost], journal: () => ({ update: fails(full) }) }, 1, 'sent', { kind: 'unknown', facts: { httpStatus: 502, localId: expect.any(String) } }],
    ['a refusal', { submits: [rejected] }, 1, 'rejected', { kind: 'credits', message: 'the balance is too low', facts: { charged: 'no', localId: expect.any(String) } }],
    ['a refusal, and a full disk', { submits: [rejected], journal: () => ({ update: fails(full) }) }, 1, 'sent', { kind: 'credits' }],
    ['a refusal of an uncertain request', { fields: uncertain, submits: [rejected] }, 1, 'unknown', { message: expect.stringContaining('still unknown'), facts: { charged: 'unknown', localId: expect.any(String) } }],
    ['no connection for an uncertain request', { fields: uncertain, submits: [notSent, notSent, notSent] }, 3, 'unknown', { facts: { charged: 'unknown' } }],
  ])('%s', async (_what, submission, posts, state, expected) => {
    const result = await submit(submission);
    expect(result.ended).toMatchObject(expected);
    expect([result.posts.length, result.state]).toEqual([posts, state]);
    if (state === 'rejected') expect(result.code).toBe('no_credits');
  });

  it('waits a while for the answer once it was stopped', async () => {
    const { deps, clock, events } = await setUpGenerate({});
    const stop = new AbortController();
    const api: typeof deps.api = {
      ...deps.api,
      submit: (_body, { signal }) => {
        stop.abort(reason);
        return new Promise((_, fail) => signal?.addEventListener('abort', () => fail(signal.reason)));
      },
    };
    let ended: unknown;
    const lock = await deps.journal.lock(sampleRecord().identity, 0);
    const work = submitTask({ ...deps, api }, sampleRecord(), stop.signal, () => undefined).catch((error) => {
      ended = error;
    });
    while (!events.some(({ kind }) => kind === 'warning')) await clock.advance(0);
    await clock.advance(4_999);
    expect(ended).toBeUndefined();
    await clock.advance(1);
    await work;
    expect(ended).toBe(reason);
    expect(events.at(-1)).toMatchObject({
      code: 'stopping',
      message: expect.stringContaining('at most 5 s'),
    });
    await lock.release();
    expect(clock.pendingCount()).toBe(0);
  });
});

describe('resumeRecords', () => {
  async function resume(fields: Partial<TaskRecord>, decision: Decision, reading: Reading, change = {}) {
    const setup = await setUpGenerate({ readings: [reading] });
    const { journal } = setup.deps;
    const record = sampleRecord(fields);
    await journal.create(record);
    if (reading === LOCKED) await journal.lock(createHash('sha256').update(`task ${TASK}`).digest('hex'), 0);
    const [outcome] = await resumeRecords([record], {
      waitTimeoutMs: 0,
      signal: new AbortController().signal,
      concurrency: 1,
      decision,
      forRecord: () => ({ ...setup.deps, ...change }),
      onOutcome: () => undefined,
    });
    const { state, taskId } = (await journal.find(record.localId)) ?? {};
    return { outcome, state, taskId, posts: setup.api.submits };
  }

  it('sends an uncertain request not again whose uploads have ended', async () => {
    const asked: string[] = [];
    const open: LinkClient['open'] = async (url) => {
      asked.push(url);
      return { status: 404, headers: {}, body: (async function* () {})(), close: () => undefined };
    };
    const url = 'https://files.evolink.ai/uploads/a.png?signature=secret';
    const body = { model: 'm', prompt: 'p', image_urls: [url] };
    const decision = { kind: 'resubmit' } as const;
    const { outcome, ...after } = await resume({ state: 'unknown', body }, decision, {}, { links: { open } });
    const facts = { charged: 'unknown', hint: expect.stringContaining('uploads the files again') };
    expect(outcome).toMatchObject({ kind: 'failed', error: { kind: 'usage', facts } });
    expect([asked, after.posts, after.state]).toEqual([[url], [], 'unknown']);
  });

  const TASK = 'task-unified-1774857405-abc123';
  const LOCKED: Reading = {};
  const fits = { model: 'seedance-2.0-text-to-video', createdAtMs: Date.UTC(2026, 10, 21, 9, 15, 4) };
  const other = { model: 'seedance-2.0-image-to-video' };
  const unclear = { charged: 'unknown' };
  const says = (message: string) => ({ kind: 'usage', message: expect.stringContaining(message) });
  // biome-ignore format: one row a claim
  it.each<[string, Partial<TaskRecord>, Reading, object, string?]>([
    ['takes the task for one that was being sent', { state: 'sent' }, fits, { kind: 'pending', facts: { taskId: TASK, charged: 'yes' } }, 'accepted'],
    ['takes the task for one of which nobody knows', {}, fits, { kind: 'pending', facts: { taskId: TASK, charged: 'yes' } }, 'accepted'],
    ['refuses one that was never sent', { state: 'intent' }, {}, { ...says('is not uncertain: it is intent'), facts: { charged: 'no', localId: expect.any(String) } }],
    ['refuses one that asked for another model', {}, other, { ...says(`was made by ${other.model}`), facts: unclear }],
    ['leaves uncertain what the service does not know', {}, new ApiReadError('task-failed', 'no such task', { isUnknownTask: true }), { ...says('not that of request'), facts: unclear }],
    ['leaves uncertain what can not be asked for', {}, new ApiReadError('network', 'trouble', {}), { kind: 'network', facts: unclear }],
    ['refuses another task for one that has one', { state: 'accepted', taskId: 'task-other' }, {}, { kind: 'usage', facts: { charged: 'yes' } }],
    ['goes on with its own', { state: 'accepted', taskId: TASK }, {}, { kind: 'pending' }],
    ['refuses one that is saved', { state: 'saved', taskId: TASK }, {}, says('saved')],
    ['refuses one that has failed', { state: 'failed', taskId: TASK }, {}, says('failed')],
    ['refuses one that has expired', { state: 'expired', taskId: TASK }, {}, says('expired')],
    ['waits for another process that claims the task', {}, LOCKED, { kind: 'locked', facts: unclear }],
  ])('a task that a person names: %s', async (_what, fields, reading, error, becomes = fields.state ?? 'unknown') => {
    const sentAtMs = Date.UTC(2026, 10, 21, 9, 15, 3);
    const record = { state: 'unknown', sentAtMs, ...fields } as const;
    const { outcome, ...after } = await resume(record, { kind: 'claim', taskId: TASK }, reading);
    expect(outcome).toMatchObject({ kind: 'failed', error });
    const taskId = becomes === 'accepted' ? (fields.taskId ?? TASK) : fields.taskId;
    expect(after).toEqual({ state: becomes, taskId, posts: [] });
  });
});
