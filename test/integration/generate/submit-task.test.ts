import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { SubmitOutcome, TaskSnapshot } from '../../../src/api/answers.ts';
import type { LinkClient } from '../../../src/api/links.ts';
import { EvolinkError } from '../../../src/errors.ts';
import type { RecordState, TaskRecord } from '../../../src/task/record.ts';
import { type Decision, resumeRecords } from '../../../src/task/resume.ts';
import { submitTask } from '../../../src/task/submit.ts';
import { setUpGenerate } from '../../helpers/generate-setup.ts';
import { sampleRecord } from '../../helpers/sample-record.ts';

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
  error: new EvolinkError('credits', 'the balance is too low'),
};

function withImage(url: string): TaskRecord['body'] {
  const { body } = sampleRecord();
  if (body === undefined) throw new Error('the sample has a body');
  return { ...body, image_urls: [url] };
}

async function submit(submits: readonly SubmitOutcome[], fields: Partial<TaskRecord> = {}) {
  const setup = await setUpGenerate({ submits });
  const record = sampleRecord(fields);
  const outcome = submitTask(setup.deps, record, new AbortController().signal, () => undefined);
  return { ...setup, record, outcome };
}

describe('submitTask', () => {
  it('repeats what certainly was not taken, with the same key', async () => {
    const { outcome, api, events } = await submit([notSent, throttled(2_000), accepted]);
    expect((await outcome).state).toBe('accepted');
    expect(new Set(api.submits).size).toBe(1);
    expect(events.filter(({ kind }) => kind === 'submit-retry').length).toBe(2);
  });

  it('sends nothing once it was stopped', async () => {
    const { deps, api } = await setUpGenerate({ submits: [accepted] });
    const record = sampleRecord();
    await deps.journal.create(record);
    const reason = new Error('stopped');
    await expect(submitTask(deps, record, AbortSignal.abort(reason), () => undefined)).rejects.toBe(reason);
    expect(api.submits).toEqual([]);
  });
});

const RESUBMIT: Decision = { kind: 'resubmit' };

describe('resumeRecords', () => {
  async function resume(
    submits: readonly SubmitOutcome[],
    fields: Partial<TaskRecord>,
    decision?: Decision,
    {
      links,
      reading,
      endsAs,
      locked,
    }: {
      links?: LinkClient;
      reading?: Partial<TaskSnapshot> | Error;
      endsAs?: RecordState;
      locked?: string;
    } = {},
  ) {
    const setup = await setUpGenerate({
      submits,
      readings: [reading instanceof Error ? reading : { status: 'processing', ...reading }],
    });
    const deps = links === undefined ? setup.deps : { ...setup.deps, links };
    const record = sampleRecord(fields);
    const { journal } = setup.deps;
    await journal.create(record);
    if (endsAs === 'saved' || endsAs === 'expired')
      await journal.update(record.localId, { state: 'completed' });
    if (endsAs !== undefined) await journal.update(record.localId, { state: endsAs });
    if (locked !== undefined) await journal.lock(locked, 0);
    const outcomes = await resumeRecords([record], {
      waitTimeoutMs: 0,
      signal: new AbortController().signal,
      concurrency: 1,
      decision,
      forRecord: () => deps,
      onOutcome: () => undefined,
    });
    return { ...setup, record, outcome: outcomes[0] };
  }

  it('sends an uncertain request not again whose uploads have ended', async () => {
    const asked: string[] = [];
    const links: LinkClient = {
      open: async (url) => {
        asked.push(url);
        return { status: 404, headers: {}, body: (async function* () {})(), close: () => undefined };
      },
    };
    const url = 'https://files.evolink.ai/uploads/a.png?signature=secret';
    const body = withImage(url);
    const { outcome, api, deps, record } = await resume([], { state: 'unknown', body }, RESUBMIT, { links });
    expect(outcome).toMatchObject({
      kind: 'failed',
      error: {
        kind: 'usage',
        facts: { charged: 'unknown', hint: expect.stringContaining('uploads the files again') },
      },
    });
    expect(JSON.stringify(outcome)).toContain('https://files.evolink.ai/uploads/a.png?***');
    expect([asked, api.submits]).toEqual([[url], []]);
    expect((await deps.journal.find(record.localId))?.state).toBe('unknown');
  });

  it.each([
    ['a refusal', [rejected]],
    ['no connection', [notSent, notSent, notSent]],
  ])('leaves an uncertain request uncertain after %s', async (_what, submits) => {
    const { outcome, deps, record } = await resume(submits, { state: 'sent' }, RESUBMIT);
    expect(outcome).toMatchObject({ kind: 'failed', error: { facts: { charged: 'unknown' } } });
    expect(await deps.journal.find(record.localId)).toMatchObject({ state: 'unknown' });
  });

  const TASK = 'task-unified-1774857405-abc123';
  const CLAIM: Decision = { kind: 'claim', taskId: TASK };
  const sentAtMs = Date.UTC(2026, 10, 21, 9, 15, 3);

  it.each(['sent', 'unknown'] as const)(
    'takes the task that a person names for one in state %s',
    async (state) => {
      const reading = {
        model: 'seedance-2.0-text-to-video',
        createdAtMs: sentAtMs + 1000,
        serverNowMs: undefined,
      };
      const { outcome, api, deps, record } = await resume([], { state, sentAtMs }, CLAIM, { reading });
      expect(outcome).toMatchObject({ kind: 'failed', error: { kind: 'pending', facts: { taskId: TASK } } });
      expect(api.submits).toEqual([]);
      expect(await deps.journal.find(record.localId)).toMatchObject({ state: 'accepted', taskId: TASK });
    },
  );

  it.each([
    ['was never sent', { state: 'intent' }, {}, 'was never sent'],
    [
      'asked for another model',
      {},
      { model: 'seedance-2.0-image-to-video' },
      'was made by seedance-2.0-image-to-video',
    ],
  ] as const)('gives no task to a request that %s', async (_what, fields, reading, says) => {
    const { outcome, deps, record } = await resume([], { state: 'unknown', sentAtMs, ...fields }, CLAIM, {
      reading,
    });
    expect(outcome).toMatchObject({
      kind: 'failed',
      error: { kind: 'usage', message: expect.stringContaining(says) },
    });
    expect(await deps.journal.find(record.localId)).not.toHaveProperty('taskId');
  });

  it.each([
    ['does not know the task', 'usage', 'usage'],
    ['can not be reached', 'network', 'network'],
  ] as const)('stays uncertain where the service %s', async (_what, kind, ends) => {
    const reading = new EvolinkError(kind, 'trouble', { charged: 'no' });
    const { outcome, deps, record } = await resume([], { state: 'unknown' }, CLAIM, { reading });
    expect(outcome).toMatchObject({ kind: 'failed', error: { kind: ends, facts: { charged: 'unknown' } } });
    expect(await deps.journal.find(record.localId)).toMatchObject({ state: 'unknown' });
  });

  it.each([-60_000, 3_600_000])(
    'doubts, and takes, a task of another time: clocks are set right (%i ms)',
    async (ms) => {
      const reading = { createdAtMs: sentAtMs + ms };
      const { events, deps, record } = await resume([], { state: 'unknown', sentAtMs }, CLAIM, { reading });
      expect(JSON.stringify(events)).toContain('is it the right one?');
      expect(await deps.journal.find(record.localId)).toMatchObject({ state: 'accepted', taskId: TASK });
    },
  );

  it('refuses another task for a request that has one, and goes on with its own', async () => {
    const fields = { state: 'accepted', taskId: 'task-unified-1-other', sentAtMs } as const;
    const { outcome } = await resume([], fields, CLAIM);
    expect(outcome).toMatchObject({ kind: 'failed', error: { kind: 'usage', facts: { charged: 'yes' } } });
    const own = await resume([], { ...fields, taskId: TASK }, CLAIM);
    expect(own.outcome).toMatchObject({ kind: 'failed', error: { kind: 'pending' } });
  });

  it.each(['saved', 'failed', 'expired'] as const)(
    'refuses its own task too for a request that is %s',
    async (state) => {
      const { outcome } = await resume([], { state: 'accepted', taskId: TASK, sentAtMs }, CLAIM, {
        endsAs: state,
      });
      expect(outcome).toMatchObject({
        kind: 'failed',
        error: { kind: 'usage', message: expect.stringContaining(state) },
      });
    },
  );

  it('says that it is unknown what was charged where another process claims the task just now', async () => {
    const name = createHash('sha256').update(`task ${TASK}`).digest('hex');
    const { outcome } = await resume([], { state: 'unknown', sentAtMs }, CLAIM, { locked: name });
    expect(outcome).toMatchObject({
      kind: 'failed',
      error: { kind: 'locked', facts: { charged: 'unknown' } },
    });
  });
});
