import type { TaskSnapshot } from '../api/answers.ts';
import { ApiReadError } from '../api/errors.ts';
import { type EvolinkError, isEvolinkError } from '../errors.ts';
import { backoffDelayMs } from '../platform/clock.ts';
import type { GenerateDependencies } from './events.ts';
import { recordFacts, stillPending, taskFailed, withoutLink } from './failures.ts';
import { expectedTotalMs, nextPollDelayMs } from './poll.ts';
import type { RecordChange, TaskRecord } from './record.ts';

/**
 * Reads many tasks, together where the service has a way to; for one that can't be read, the reason.
 * @throws EvolinkError `auth`, which no other task would fare better with
 */
export async function readStates(
  { api }: Pick<GenerateDependencies, 'api'>,
  taskIds: readonly string[],
  signal: AbortSignal,
) {
  const snapshots = new Map<string, TaskSnapshot>();
  const troubles = new Map<string, EvolinkError>();
  const readOne = async (id: string): Promise<void> => {
    try {
      snapshots.set(id, await api.getTask(id, signal));
    } catch (error) {
      if (!isEvolinkError(error) || error.kind === 'auth') throw error;
      troubles.set(id, error);
    }
  };
  await Promise.all(taskIds.map(readOne));
  return { snapshots, troubles };
}

/** A read may not know a task that was just made (eventual consistency). */
const NOT_FOUND_GRACE_MS = 60_000;
/** A completed task may list its link a little later. */
const LINK_GRACE_MS = 60_000;
/** A read that is not part of a wait is tried this often. */
const MAX_READ_TRIES = 5;
/** Result links live this long from completion (the service's documents). */
export const LINK_LIFE_MS = 24 * 60 * 60_000;

function delayAfter({ retryAfterMs }: ApiReadError, attempt: number, random: number): number {
  return backoffDelayMs(attempt, random, { retryAfterMs }) ?? 0;
}

/**
 * One reading of a task, repeated a few times while the trouble may pass.
 * @throws what `getTask` throws in the end; the signal's reason
 */
export async function readPatiently(
  { api, clock }: Pick<GenerateDependencies, 'api' | 'clock'>,
  taskId: string,
  signal?: AbortSignal,
): Promise<TaskSnapshot> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await api.getTask(taskId, signal);
    } catch (error) {
      if (!(error instanceof ApiReadError) || !error.isTransient || attempt >= MAX_READ_TRIES) throw error;
      await clock.sleep(delayAfter(error, attempt, clock.random()), signal);
    }
  }
}

/**
 * Reads a task until it ends, with a deadline and an abortable sleep; unknown states and passing trouble survive. All spans
 * are on the clock that never runs backwards.
 * @param timeoutMs how long to wait at most; 0 looks once
 * @param reading one that was made right before: the wait begins with it
 * @returns the record in state `completed`
 * @throws EvolinkError `pending` at the deadline, `task-failed`, `auth`, `local-io`; the signal's reason when aborted
 */
export async function waitForTask(
  deps: GenerateDependencies,
  start: TaskRecord,
  timeoutMs: number,
  signal: AbortSignal,
  reading?: TaskSnapshot,
): Promise<TaskRecord> {
  const { api, clock, emit, journal } = deps;
  const taskId = start.taskId ?? '';
  const startedMs = clock.monotonicMs();
  const deadlineMs = startedMs + timeoutMs;
  const isOnlyLook = timeoutMs === 0;
  const ageMs = clock.now() - (start.acceptedAtMs ?? Number.POSITIVE_INFINITY);
  /** Accepted right before this wait, so that our clock knows it best. */
  const isFresh = ageMs >= 0 && ageMs < 1_000;
  let record = start;
  /** When the service accepted the task: by its own times once they are known. A clock that was set back says nothing. */
  let acceptedMs = startedMs - Math.max(0, ageMs);
  let snapshot: TaskSnapshot | undefined;
  /** Since when the progress has been read as what it is. */
  let progressSinceMs = startedMs;
  /** How many reads have failed in a row, and why the last one did. */
  let trouble = 0;
  let troubleReason: string | undefined;
  let hasWarnedStatus = false;
  let completedSinceMs: number | undefined;
  /** The service's clock minus ours, from its `Date` header. */
  let serverAheadMs = 0;

  const pause = (delayMs: number): Promise<void> =>
    clock.sleep(Math.max(0, Math.min(delayMs, deadlineMs - clock.monotonicMs())), signal);

  function pollFacts() {
    const nowMs = clock.monotonicMs();
    const { estimatedSeconds } = record;
    return {
      elapsedMs: nowMs - acceptedMs,
      estimatedMs: estimatedSeconds === undefined ? undefined : estimatedSeconds * 1000,
      progressPercent: snapshot?.progressPercent,
      unchangedMs: nowMs - progressSinceMs,
    };
  }

  const scheduledDelayMs = (): number =>
    nextPollDelayMs({ ...pollFacts(), isFirst: snapshot === undefined, random: clock.random() });

  function noteTimes(next: TaskSnapshot): void {
    const nowMs = clock.monotonicMs();
    const { serverNowMs, createdAtMs, progressPercent } = next;
    if (snapshot?.progressPercent !== progressPercent) progressSinceMs = nowMs;
    if (serverNowMs === undefined) return;
    serverAheadMs = serverNowMs - clock.now();
    if (!isFresh && createdAtMs !== undefined && createdAtMs <= serverNowMs)
      acceptedMs = nowMs - (serverNowMs - createdAtMs);
  }

  /** What a new status word changes in the record; nothing where the service says what it said before. */
  function noteStatus({
    status,
    isKnownStatus,
    reservedCredits,
    estimatedSeconds,
  }: TaskSnapshot): RecordChange {
    if (!isKnownStatus && !hasWarnedStatus) {
      hasWarnedStatus = true;
      const message = `the service reports the unknown state "${status}": waiting goes on`;
      emit({ kind: 'warning', code: 'unknown-status', message });
    }
    if (record.timeline.at(-1)?.status === status) return {};
    return {
      timeline: [...record.timeline, { atMs: clock.now(), status }],
      reservedCredits: record.reservedCredits ?? reservedCredits,
      estimatedSeconds: record.estimatedSeconds ?? estimatedSeconds,
    };
  }

  /** The delay before the next read, or `undefined` when the record is completed. */
  async function afterReading(next: TaskSnapshot): Promise<number | undefined> {
    noteTimes(next);
    const change = noteStatus(next);
    snapshot = next;
    trouble = 0;
    troubleReason = undefined;
    if (next.state === 'completed' && next.links.length > 0) return complete(next, change);
    // A status word alone is kept with the next state: each write is several waits for the disk.
    const isNews =
      change.reservedCredits !== record.reservedCredits ||
      change.estimatedSeconds !== record.estimatedSeconds;
    if (change.timeline !== undefined)
      record = isNews
        ? await journal.update(record.localId, change)
        : { ...record, timeline: change.timeline };
    if (next.state === 'failed' || next.state === 'cancelled') throw await fail(next);
    if (next.state === 'completed') return awaitLink();
    const facts = pollFacts();
    const { id, status, progressPercent } = next;
    const { elapsedMs } = facts;
    const remainingMs = Math.max(0, expectedTotalMs(facts) - elapsedMs);
    emit({ kind: 'progress', taskId: id, status, progressPercent, elapsedMs, remainingMs });
    return scheduledDelayMs();
  }

  /** The status and the state in one write. */
  async function complete({ usedCredits, ...next }: TaskSnapshot, change: RecordChange): Promise<undefined> {
    const nowMs = clock.now();
    const timeline = change.timeline ?? record.timeline;
    // Completion lies between the last read that saw the task running and this one; the earliest of what is possible
    // counts. For a task that is first seen completed, that is its creation.
    const createdMs = next.createdAtMs === undefined ? undefined : next.createdAtMs - serverAheadMs;
    const expiresAtMs = (timeline.at(-2)?.atMs ?? createdMs ?? nowMs) + LINK_LIFE_MS;
    record = await journal.update(record.localId, {
      ...change,
      state: 'completed',
      timeline,
      completedAtMs: record.completedAtMs ?? nowMs,
      links: next.links,
      linkExpiresAtMs: record.linkExpiresAtMs ?? expiresAtMs,
      serverAheadMs: record.linkExpiresAtMs === undefined ? serverAheadMs : record.serverAheadMs,
      usedCredits,
    });
    const { linkExpiresAtMs } = record;
    emit({ kind: 'completed', taskId, elapsedMs: pollFacts().elapsedMs, usedCredits, linkExpiresAtMs });
    return undefined;
  }

  function awaitLink(): number {
    const nowMs = clock.monotonicMs();
    completedSinceMs ??= nowMs;
    if (nowMs - completedSinceMs >= LINK_GRACE_MS) throw withoutLink(record);
    return Math.min(5_000, 500 + (nowMs - completedSinceMs));
  }

  async function fail(next: TaskSnapshot): Promise<EvolinkError> {
    const error = taskFailed(record, next);
    const { kind, message } = error;
    const code = next.error?.code;
    await journal.update(record.localId, {
      state: 'failed',
      timeline: record.timeline,
      usedCredits: finalCredits(next),
      error: { kind, message, ...(code === undefined ? {} : { code }) },
    });
    return error;
  }

  function requireTime(nowMs: number): void {
    if (nowMs < deadlineMs) return;
    throw completedSinceMs === undefined
      ? stillPending(record, nowMs - startedMs, troubleReason)
      : withoutLink(record);
  }

  /** What passes by itself is waited out up to the deadline; what does not ends the wait, the task stays safe. */
  function afterTrouble(error: unknown): number {
    if (!(error instanceof ApiReadError)) throw error;
    const nowMs = clock.monotonicMs();
    const isTooEarly = error.facts.httpStatus === 404 && nowMs - acceptedMs < NOT_FOUND_GRACE_MS;
    trouble += 1;
    troubleReason = error.message;
    // Who looks once wants to know why there was nothing to see; that the task still runs is not known at all.
    const isOver = isOnlyLook && (isTooEarly || trouble >= MAX_READ_TRIES);
    if (isOver || !(error.isTransient || isTooEarly))
      throw error.with({ ...recordFacts(record), charged: 'yes' });
    if (!isOnlyLook) requireTime(nowMs);
    const delayMs = delayAfter(error, trouble, clock.random());
    // Once an outage: the wait goes on anyway, and a line a try would bury the rest.
    if (trouble === 1) emit({ kind: 'poll-trouble', taskId, reason: error.message, retryInMs: delayMs });
    return delayMs;
  }

  // A task that was accepted before this wait began may be finished, and one without an estimate tells it: read at once.
  if (!isOnlyLook && isFresh && record.estimatedSeconds !== undefined) await pause(scheduledDelayMs());
  for (let given = reading; ; given = undefined) {
    const next = given ?? (await api.getTask(taskId, signal).catch(afterTrouble));
    const delayMs = typeof next === 'number' ? next : await afterReading(next);
    if (delayMs === undefined) return record;
    // Who looks once still wants an answer: passing trouble is waited out.
    if (trouble > 0 && isOnlyLook) await clock.sleep(delayMs, signal);
    else {
      requireTime(clock.monotonicMs());
      await pause(delayMs);
    }
  }
}

/** What a task without a clip cost in the end, where the service says so. */
function finalCredits({ billing }: TaskSnapshot): number | undefined {
  const { chargedCredits, refundedCredits = 0, refundStatus } = billing ?? {};
  if (refundStatus !== 'completed' && refundStatus !== 'not_required') return undefined;
  return chargedCredits === undefined ? undefined : Math.max(0, chargedCredits - refundedCredits);
}
