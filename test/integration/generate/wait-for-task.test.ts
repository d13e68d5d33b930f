import { expect, it } from 'vitest';
import { ApiReadError } from '../../../src/api/errors.ts';
import { continueRecord } from '../../../src/task/generate.ts';
import { nextPollDelayMs } from '../../../src/task/poll.ts';

import { setUpGenerate } from '../../helpers/generate-setup.ts';
import { sampleRecord } from '../../helpers/sample-record.ts';
import type { Reading } from '../../helpers/scripted-api.ts';

const running: Reading = { status: 'processing', progressPercent: 30 };
const empty: Reading = { state: 'completed', status: 'completed', links: [] };
const completed: Reading = { ...empty, links: ['https://files.example.com/a.mp4'] };
const facts = { httpStatus: 404 };
const notFound = new ApiReadError('task-failed', 'task not found', { isTransient: false, facts });
const busy = new ApiReadError('network', 'too many requests', { isTransient: true, retryAfterMs: 47_000 });

async function wait(readings: readonly Reading[], timeoutMs = 1_800_000, acceptedAgoMs = 0) {
  const setup = await setUpGenerate({ readings });
  const acceptedAtMs = setup.clock.now() - acceptedAgoMs;
  const task = { state: 'accepted', taskId: 'task-unified-1-abc', estimatedSeconds: 165 } as const;
  const record = sampleRecord({ ...task, acceptedAtMs });
  await setup.deps.journal.create(record);
  const outcome = continueRecord(setup.deps, record, {
    isWaiting: true,
    waitTimeoutMs: timeoutMs,
    signal: new AbortController().signal,
    onRecord: () => undefined,
  });
  const error = await outcome.catch((reason: unknown) => reason);
  const after = await setup.deps.journal.find(record.localId);
  // The links lead nowhere here.
  return { ...setup, outcome: after?.state === 'completed' ? after : error };
}

it('waits for the end, records it, and says when the link dies', async () => {
  const { outcome, deps, clock, events } = await wait([running, running, completed]);
  expect(outcome).toMatchObject({ state: 'completed', links: ['https://files.example.com/a.mp4'] });
  const record = await deps.journal.find(sampleRecord().localId);
  expect(record).toMatchObject({ state: 'completed' });
  expect((record?.linkExpiresAtMs ?? 0) - clock.now()).toBeLessThanOrEqual(86_400_000);
  expect(events.map(({ kind }) => kind)).toEqual(['progress', 'progress', 'completed']);
});

it('sleeps before the first read of a task that was just taken, not before that of an older one', async () => {
  expect((await wait([completed])).clock.sleeps[0]).toBeGreaterThan(40_000);
  expect((await wait([completed], 1_800_000, 60_000)).clock.sleeps).toEqual([]);
});

it('reads exactly when the schedule says, as it is simulated', async () => {
  // Twelve, so that the jitter of the clock, a cycle of four, begins anew in the simulation.
  const readings = [...Array.from({ length: 11 }, () => ({ status: 'processing' })), completed];
  const { clock, api } = await wait(readings);
  let elapsedMs = 0;
  const simulated = readings.map(() => {
    const known = { elapsedMs, estimatedMs: 165_000, unchangedMs: elapsedMs };
    const delayMs = nextPollDelayMs({ ...known, random: clock.random() });
    elapsedMs += delayMs;
    return delayMs;
  });
  expect(clock.sleeps).toEqual(simulated);
  expect(api.reads.length).toBe(readings.length);
});

it('ends at the deadline with the timeline and the command that continues', async () => {
  const { outcome } = await wait([{ status: 'pending' }, running], 400_000);
  const resume = ['evolink', 'resume', 'task-unified-1-abc'];
  expect(outcome).toMatchObject({ kind: 'pending', facts: { charged: 'yes', resume } });
  expect(JSON.stringify(outcome)).toMatch(/timeline: pending after \d+ s, processing after \d+ s/);
});

it('waits as long as the service asks', async () => {
  const { clock } = await wait([busy, completed], 1_800_000, 60_000);
  expect(clock.sleeps[0]).toBeGreaterThanOrEqual(47_000);
});

it.each([
  ['tolerates "not found" for a minute', [notFound, running, completed], 2_000, { state: 'completed' }],
  [
    'tolerates it no longer',
    [notFound],
    61_000,
    { kind: 'task-failed', facts: { taskId: 'task-unified-1-abc' } },
  ],
  ['asks again for a link that comes late', [empty, empty, completed], 0, { state: 'completed' }],
  ['asks for a minute', [empty], 0, { kind: 'download', facts: { charged: 'yes' } }],
])('%s', async (_what, readings, acceptedAgoMs, expected) => {
  expect((await wait(readings, 1_800_000, acceptedAgoMs)).outcome).toMatchObject(expected);
});
