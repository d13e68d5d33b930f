import type { TaskSnapshot } from '../api/answers.ts';
import { ApiReadError } from '../api/errors.ts';
import { backoffDelayMs } from '../platform/clock.ts';
import type { GenerateDependencies } from './events.ts';
import { stillPending, taskFailed, withoutLink } from './failures.ts';
import { nextPollDelayMs, remainingMs } from './poll.ts';
import type { TaskRecord } from './record.ts';

/** A read may not know a task that was just made (eventual consistency). */
const NOT_FOUND_GRACE_MS = 60_000;
/** A completed task may list its link a little later. */
const LINK_GRACE_MS = 60_000;
/** A read that is not part of a wait is tried this often. */
const MAX_READ_TRIES = 5;
/** Result links live this long from completion (the service's documents). */
export const LINK_LIFE_MS = 24 * 60 * 60_000;

/**
 * One reading of a task, repeated while the trouble may pass: a few times, or until `sleepAfter` throws.
 * @throws what `getTask` throws in the end; the signal's reason
 */
export async function readPatiently(
  { api, clock }: Pick<GenerateDependencies, 'api' | 'clock'>,
  taskId: string,
  signal?: AbortSignal,
  sleepAfter = async (error: ApiReadError, tries: number, delayMs: number): Promise<void> => {
    if (!error.isTransient || tries >= MAX_READ_TRIES) throw error;
    await clock.sleep(delayMs, signal);
  },
): Promise<TaskSnapshot> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await api.getTask(taskId, signal);
    } catch (error) {
      if (!(error instanceof ApiReadError)) throw error;
      const { retryAfterMs } = error;
      await sleepAfter(error, tries, backoffDelayMs(tries, clock.random(), { retryAfterMs }) ?? 0);
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
  const { clock, emit, journal } = deps;
  const { localId, taskId = '' } = start;
  const startedMs = clock.monotonicMs();
  const deadlineMs = startedMs + timeoutMs;
  const isOnlyLook = timeoutMs === 0;
  const ageMs = clock.now() - (start.acceptedAtMs ?? Number.POSITIVE_INFINITY);
  /** Accepted right before this wait, so that our clock knows it best. */
  const isFresh = ageMs >= 0 && ageMs < 1_000;
  let record = start;
  /** When the service accepted the task: by its own times once they are known. A clock that was set back says nothing. */
  let acceptedMs = startedMs - Math.max(0, ageMs);
  let progressPercent: number | undefined;
  /** Since when the progress has been read as what it is. */
  let progressSinceMs = startedMs;
  let hasWarnedStatus = false;
  let completedSinceMs: number | undefined;
  /** The service's clock minus ours, from its `Date` header. */
  let serverAheadMs = 0;

  const sleep = (delayMs: number): Promise<void> =>
    clock.sleep(Math.max(0, Math.min(delayMs, deadlineMs - clock.monotonicMs())), signal);

  function pollFacts() {
    const nowMs = clock.monotonicMs();
    const { estimatedSeconds } = record;
    const estimatedMs = estimatedSeconds && estimatedSeconds * 1000;
    return {
      elapsedMs: nowMs - acceptedMs,
      estimatedMs,
      progressPercent,
      unchangedMs: nowMs - progressSinceMs,
    };
  }

  const scheduledDelayMs = (): number => nextPollDelayMs({ ...pollFacts(), random: clock.random() });

  function requireTime(trouble?: string): void {
    const nowMs = clock.monotonicMs();
    if (nowMs < deadlineMs) return;
    if (completedSinceMs !== undefined) throw withoutLink(record);
    throw stillPending(record, nowMs - startedMs, trouble);
  }

  /** What passes by itself is waited out up to the deadline; what does not ends the wait, the task stays safe. */
  async function afterTrouble(error: ApiReadError, tries: number, delayMs: number): Promise<void> {
    const isTooEarly =
      error.facts.httpStatus === 404 && clock.monotonicMs() - acceptedMs < NOT_FOUND_GRACE_MS;
    // Who looks once wants to know why there was nothing to see; that the task still runs is not known at all.
    const isOver = isOnlyLook && (isTooEarly || tries >= MAX_READ_TRIES);
    if (isOver || !(error.isTransient || isTooEarly)) throw error;
    if (!isOnlyLook) requireTime(error.message);
    // Once an outage: the wait goes on anyway, and a line a try would bury the rest.
    if (tries === 1) emit({ kind: 'poll-trouble', taskId, reason: error.message, retryInMs: delayMs });
    // Who looks once still wants an answer: passing trouble is waited out.
    await (isOnlyLook ? clock.sleep(delayMs, signal) : sleep(delayMs));
  }

  // A task that was accepted before this wait began may be finished, and one without an estimate tells it: read at once.
  if (!isOnlyLook && isFresh && record.estimatedSeconds !== undefined) await sleep(scheduledDelayMs());
  for (let given = reading; ; given = undefined) {
    const next = given ?? (await readPatiently(deps, taskId, signal, afterTrouble));
    const { state, status, links, usedCredits, createdAtMs, serverNowMs } = next;
    const nowMs = clock.now();
    if (progressPercent !== next.progressPercent) progressSinceMs = clock.monotonicMs();
    progressPercent = next.progressPercent;
    if (serverNowMs !== undefined) {
      serverAheadMs = serverNowMs - nowMs;
      if (!isFresh && createdAtMs !== undefined && createdAtMs <= serverNowMs)
        acceptedMs = clock.monotonicMs() - (serverNowMs - createdAtMs);
    }
    const { reservedCredits = next.reservedCredits, estimatedSeconds = next.estimatedSeconds } = record;
    const { timeline: known, linkExpiresAtMs } = record;
    const timeline = known.at(-1)?.status === status ? known : [...known, { atMs: nowMs, status }];
    const news = { timeline, reservedCredits, estimatedSeconds };
    if (state === 'completed' && links.length > 0) {
      // Completion lies between the last read that saw the task running and this one; the earliest of what is possible
      // counts. For a task that is first seen completed, that is its creation.
      const createdMs = createdAtMs === undefined ? nowMs : createdAtMs - serverAheadMs;
      const end = { linkExpiresAtMs: (timeline.at(-2)?.atMs ?? createdMs) + LINK_LIFE_MS, serverAheadMs };
      record = await journal.update(localId, {
        ...news,
        state,
        completedAtMs: record.completedAtMs ?? nowMs,
        links,
        ...(linkExpiresAtMs === undefined ? end : {}),
        usedCredits,
      });
      const { elapsedMs } = pollFacts();
      emit({ kind: 'completed', taskId, elapsedMs, usedCredits, linkExpiresAtMs: record.linkExpiresAtMs });
      return record;
    }
    if (state === 'failed' || state === 'cancelled') {
      const failure = taskFailed(record, next);
      const error = { kind: failure.kind, message: failure.message, code: next.error?.code };
      await journal.update(localId, { ...news, state: 'failed', usedCredits: finalCredits(next), error });
      throw failure;
    }
    if (!next.isKnownStatus && !hasWarnedStatus) {
      hasWarnedStatus = true;
      const message = `the service reports the unknown state "${status}": waiting goes on`;
      emit({ kind: 'warning', code: 'unknown-status', message });
    }
    // A status word alone is kept with the next state: each write is several waits for the disk.
    const isDue = reservedCredits !== record.reservedCredits || estimatedSeconds !== record.estimatedSeconds;
    record = isDue ? await journal.update(localId, news) : { ...record, ...news };
    let delayMs: number;
    if (state === 'completed') {
      completedSinceMs ??= clock.monotonicMs();
      const sinceMs = clock.monotonicMs() - completedSinceMs;
      if (sinceMs >= LINK_GRACE_MS) throw withoutLink(record);
      delayMs = Math.min(5_000, 500 + sinceMs);
    } else {
      const facts = pollFacts();
      const { elapsedMs } = facts;
      const leftMs = remainingMs(facts);
      emit({ kind: 'progress', taskId, status, progressPercent, elapsedMs, remainingMs: leftMs });
      delayMs = scheduledDelayMs();
    }
    requireTime();
    await sleep(delayMs);
  }
}

/** What a task without a clip cost in the end, where the service says so. */
function finalCredits({ billing }: TaskSnapshot): number | undefined {
  const { chargedCredits, refundedCredits = 0, refundStatus } = billing ?? {};
  if (refundStatus !== 'completed' && refundStatus !== 'not_required') return undefined;
  return chargedCredits === undefined ? undefined : Math.max(0, chargedCredits - refundedCredits);
}
