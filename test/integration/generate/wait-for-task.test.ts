import { describe, expect, it } from 'vitest';
import { ApiReadError } from '../../../src/api/errors.ts';
import { nextPollDelayMs } from '../../../src/task/poll.ts';
import { waitForTask } from '../../../src/task/wait.ts';
import { setUpGenerate } from '../../helpers/generate-setup.ts';
import { sampleRecord } from '../../helpers/sample-record.ts';
import type { Reading } from '../../helpers/scripted-api.ts';

const running: Reading = { status: 'processing', progressPercent: 30 };
const completed: Reading = {
  state: 'completed',
  status: 'completed',
  links: ['https://files.example.com/a.mp4'],
};
const _trouble = new ApiReadError('network', 'connection reset', { isTransient: true });
const notFound = new ApiReadError('task-failed', 'task not found', {
  isTransient: false,
  facts: { httpStatus: 404 },
});

async function wait(readings: readonly Reading[], timeoutMs = 1_800_000, acceptedAgoMs = 0) {
  const setup = await setUpGenerate({ readings });
  const record = sampleRecord({
    state: 'accepted',
    taskId: 'task-unified-1-abc',
    acceptedAtMs: setup.clock.now() - acceptedAgoMs,
    estimatedSeconds: 165,
  });
  await setup.deps.journal.create(record);
  const { signal } = new AbortController();
  const outcome = waitForTask(setup.deps, record, timeoutMs, signal);
  return { ...setup, outcome };
}

const kinds = (events: readonly { kind: string }[]): string[] => events.map(({ kind }) => kind);

describe('waitForTask', () => {
  it('waits for the end, records it, and says when the link dies', async () => {
    const { outcome, deps, clock, events } = await wait([running, running, completed]);
    const record = await outcome;
    expect(record).toMatchObject({ state: 'completed', links: ['https://files.example.com/a.mp4'] });
    expect((record.linkExpiresAtMs ?? 0) - clock.now()).toBeLessThanOrEqual(86_400_000);
    expect(await deps.journal.find(record.localId)).toMatchObject({ state: 'completed' });
    expect(kinds(events)).toEqual(['progress', 'progress', 'completed']);
  });

  it('sleeps before the first read of a task that was just taken, not before that of an older one', async () => {
    const fresh = await wait([completed]);
    await fresh.outcome;
    expect(fresh.clock.sleeps[0]).toBeGreaterThan(40_000);
    const old = await wait([completed], 1_800_000, 60_000);
    await old.outcome;
    expect(old.clock.sleeps).toEqual([]);
  });

  it('reads exactly when the schedule says, as it is simulated', async () => {
    // Twelve, so that the jitter of the clock, a cycle of four, begins anew in the simulation.
    const readings = [...Array.from({ length: 11 }, () => ({ status: 'processing' })), completed];
    const { outcome, clock, api } = await wait(readings);
    await outcome;
    let elapsedMs = 0;
    const simulated = readings.map((_reading, index) => {
      const facts = { elapsedMs, estimatedMs: 165_000, isFirst: index === 0, unchangedMs: elapsedMs };
      const delayMs = nextPollDelayMs({ ...facts, random: clock.random() });
      elapsedMs += delayMs;
      return delayMs;
    });
    expect(clock.sleeps).toEqual(simulated);
    expect(api.reads.length).toBe(readings.length);
  });

  it('ends at the deadline with the timeline and the command that continues', async () => {
    const { outcome } = await wait([{ status: 'pending' }, running], 400_000);
    await expect(outcome).rejects.toMatchObject({
      kind: 'pending',
      facts: { charged: 'yes', resume: ['evolink', 'resume', 'task-unified-1-abc'] },
    });
    const error = await outcome.catch((reason: unknown) => reason);
    expect(JSON.stringify(error)).toMatch(/timeline: pending after \d+ s, processing after \d+ s/);
  });

  it('waits as long as the service asks', async () => {
    const busy = new ApiReadError('network', 'too many requests', {
      isTransient: true,
      retryAfterMs: 47_000,
    });
    const { outcome, clock } = await wait([busy, completed], 1_800_000, 60_000);
    await outcome;
    expect(clock.sleeps[0]).toBeGreaterThanOrEqual(47_000);
  });

  it('tolerates "not found" for a minute, no longer', async () => {
    const early = await wait([notFound, running, completed], 1_800_000, 2_000);
    expect((await early.outcome).state).toBe('completed');
    const late = await wait([notFound], 1_800_000, 61_000);
    await expect(late.outcome).rejects.toMatchObject({
      kind: 'task-failed',
      facts: { taskId: 'task-unified-1-abc' },
    });
  });

  it('asks again when a completed task names no link yet, for a minute', async () => {
    const empty: Reading = { state: 'completed', status: 'completed', links: [] };
    expect((await (await wait([empty, empty, completed])).outcome).state).toBe('completed');
    const never = await wait([empty]);
    await expect(never.outcome).rejects.toMatchObject({ kind: 'download', facts: { charged: 'yes' } });
  });
});
