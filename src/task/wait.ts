import type { TaskSnapshot } from '../api/answers.ts';
import { ApiReadError } from '../api/errors.ts';
import { decideRead } from '../api/retry.ts';
import { type EvolinkError, isEvolinkError } from '../errors.ts';
import type { GenerateDependencies } from './events.ts';
import { recordFacts, stillPending, taskFailed, withoutLink } from './failures.ts';
import { expectedTotalMs, nextPollDelayMs } from './poll-schedule.ts';
import type { RecordChange, TaskRecord } from './record.ts';

/** What the service says of tasks; one that can't be read is told with the reason. */
export interface TaskStates {
  readonly snapshots: ReadonlyMap<string, TaskSnapshot>;
  readonly troubles: ReadonlyMap<string, EvolinkError>;
}

/**
 * Reads many tasks, together where the service has a way to.
 * @throws EvolinkError `auth`, which no other task would fare better with
 */
export async function readStates(
  { api }: Pick<GenerateDependencies, 'api'>,
  taskIds: readonly string[],
  signal: AbortSignal,
): Promise<TaskStates> {
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
      const { retryAfterMs } = error;
      await clock.sleep(decideRead({ attempt, retryAfterMs, random: clock.random() }).delayMs, signal);
    }
  }
}

interface Waiting {
  record: TaskRecord;
  /** On the clock that never runs backwards, as all spans here. */
  readonly startedMs: number;
  readonly deadlineMs: number;
  /** When the service accepted the task, on the same clock: by its own times once they are known. */
  acceptedMs: number;
  /** Accepted right before this wait, so that our clock knows it best. */
  readonly isFresh: boolean;
  /** Since when the progress has been read as what it is. */
  progressSinceMs: number;
  readonly signal: AbortSignal;
  snapshot: TaskSnapshot | undefined;
  /** How many reads have failed in a row, and why the last one did. */
  trouble: number;
  troubleReason: string | undefined;
  hasWarnedStatus: boolean;
  completedSinceMs: number | undefined;
  /** The service's clock minus ours, from its `Date` header. */
  serverAheadMs: number;
}

/**
 * Reads a task until it ends, with a deadline and an abortable sleep; unknown states and passing trouble survive.
 * @param timeoutMs how long to wait at most; 0 looks once
 * @returns the record in state `completed`
 * @throws EvolinkError `pending` at the deadline, `task-failed`, `auth`, `local-io`; the signal's reason when aborted
 */
export async function waitForTask(
  deps: GenerateDependencies,
  record: TaskRecord,
  options: {
    readonly timeoutMs: number;
    readonly signal: AbortSignal;
    /** A reading that was made right before: the wait begins with it. */
    readonly reading?: TaskSnapshot | undefined;
  },
): Promise<TaskRecord> {
  const startedMs = deps.clock.monotonicMs();
  const ageMs = deps.clock.now() - (record.acceptedAtMs ?? Number.POSITIVE_INFINITY);
  const waiting: Waiting = {
    record,
    startedMs,
    deadlineMs: startedMs + options.timeoutMs,
    // A wall clock that was set back since says nothing.
    acceptedMs: startedMs - Math.max(0, ageMs),
    isFresh: ageMs >= 0 && ageMs < 1_000,
    progressSinceMs: startedMs,
    signal: options.signal,
    snapshot: undefined,
    trouble: 0,
    troubleReason: undefined,
    hasWarnedStatus: false,
    completedSinceMs: undefined,
    serverAheadMs: 0,
  };
  // A task that was accepted before this wait began may be finished, and one without an estimate tells it: read at once.
  if (options.timeoutMs > 0 && waiting.isFresh && record.estimatedSeconds !== undefined)
    await pause(deps, waiting, scheduledDelayMs(deps, waiting));
  let { reading } = options;
  for (;;) {
    const delayMs = await readOnce(deps, waiting, reading);
    reading = undefined;
    if (delayMs === undefined) return waiting.record;
    const nowMs = deps.clock.monotonicMs();
    if (waiting.trouble > 0 && options.timeoutMs === 0) {
      await deps.clock.sleep(delayMs, waiting.signal);
      continue;
    }
    if (nowMs >= waiting.deadlineMs) throw atDeadline(waiting, nowMs);
    await pause(deps, waiting, delayMs);
  }
}

async function pause(deps: GenerateDependencies, waiting: Waiting, delayMs: number): Promise<void> {
  const untilDeadlineMs = waiting.deadlineMs - deps.clock.monotonicMs();
  await deps.clock.sleep(Math.max(0, Math.min(delayMs, untilDeadlineMs)), waiting.signal);
}

/** One read. Returns the delay before the next one, or `undefined` when the record is completed. */
async function readOnce(
  deps: GenerateDependencies,
  waiting: Waiting,
  reading: TaskSnapshot | undefined,
): Promise<number | undefined> {
  let snapshot = reading;
  try {
    snapshot ??= await deps.api.getTask(waiting.record.taskId ?? '', waiting.signal);
    noteReading(deps, waiting, snapshot);
  } catch (error) {
    return afterTrouble(deps, waiting, error);
  }
  return afterReading(deps, waiting, snapshot);
}

function noteReading({ clock }: GenerateDependencies, waiting: Waiting, snapshot: TaskSnapshot): void {
  const nowMs = clock.monotonicMs();
  const { serverNowMs, createdAtMs } = snapshot;
  if (waiting.snapshot?.progressPercent !== snapshot.progressPercent) waiting.progressSinceMs = nowMs;
  waiting.snapshot = snapshot;
  waiting.trouble = 0;
  waiting.troubleReason = undefined;
  if (serverNowMs === undefined) return;
  waiting.serverAheadMs = serverNowMs - clock.now();
  if (!waiting.isFresh && createdAtMs !== undefined && createdAtMs <= serverNowMs)
    waiting.acceptedMs = nowMs - (serverNowMs - createdAtMs);
}

async function afterReading(
  deps: GenerateDependencies,
  waiting: Waiting,
  snapshot: TaskSnapshot,
): Promise<number | undefined> {
  const status = noteStatus(deps, waiting, snapshot);
  if (snapshot.state === 'completed' && snapshot.links.length > 0)
    return complete(deps, waiting, { snapshot, status });
  // A status word alone is kept with the next state: each write is several waits for the disk.
  const isNews = status?.reservedCredits !== undefined || status?.estimatedSeconds !== undefined;
  if (isNews) waiting.record = await deps.journal.update(waiting.record.localId, status);
  else if (status !== undefined) waiting.record = { ...waiting.record, timeline: status.timeline ?? [] };
  switch (snapshot.state) {
    case 'completed':
      return awaitLink(deps, waiting);
    case 'failed':
    case 'cancelled':
      throw await fail(deps, waiting, snapshot);
    case 'running':
      emitProgress(deps, waiting, snapshot);
      return scheduledDelayMs(deps, waiting);
  }
}

/** What a new status word changes in the record; undefined where the service says what it said before. */
function noteStatus(
  deps: GenerateDependencies,
  waiting: Waiting,
  snapshot: TaskSnapshot,
): RecordChange | undefined {
  if (!snapshot.isKnownStatus && !waiting.hasWarnedStatus) {
    waiting.hasWarnedStatus = true;
    const message = `the service reports the unknown state "${snapshot.status}": waiting goes on`;
    deps.emit({ kind: 'warning', code: 'unknown-status', message });
  }
  if (waiting.record.timeline.at(-1)?.status === snapshot.status) return undefined;
  return {
    timeline: [...waiting.record.timeline, { atMs: deps.clock.now(), status: snapshot.status }],
    reservedCredits: waiting.record.reservedCredits === undefined ? snapshot.reservedCredits : undefined,
    estimatedSeconds: waiting.record.estimatedSeconds === undefined ? snapshot.estimatedSeconds : undefined,
  };
}

/** The status and the state in one write: each write is several waits for the disk. */
async function complete(
  deps: GenerateDependencies,
  waiting: Waiting,
  { snapshot, status }: { readonly snapshot: TaskSnapshot; readonly status: RecordChange | undefined },
): Promise<undefined> {
  const nowMs = deps.clock.now();
  const { record } = waiting;
  const lastRunningMs = (status?.timeline ?? record.timeline).at(-2)?.atMs;
  const linkExpiresAtMs =
    record.linkExpiresAtMs ?? linkExpiryMs(snapshot, { ...waiting, lastRunningMs }, nowMs);
  waiting.record = await deps.journal.update(record.localId, {
    ...status,
    state: 'completed',
    timeline: status?.timeline ?? record.timeline,
    completedAtMs: record.completedAtMs ?? nowMs,
    links: snapshot.links,
    linkExpiresAtMs,
    serverAheadMs: record.linkExpiresAtMs === undefined ? waiting.serverAheadMs : record.serverAheadMs,
    usedCredits: snapshot.usedCredits,
  });
  deps.emit({
    kind: 'completed',
    taskId: snapshot.id,
    elapsedMs: deps.clock.monotonicMs() - waiting.acceptedMs,
    usedCredits: snapshot.usedCredits,
    linkExpiresAtMs: waiting.record.linkExpiresAtMs,
  });
  return undefined;
}

/**
 * When the link dies, on our clock. Completion lies between the last read that saw the task running and this one; the
 * earliest of what is possible counts. For a task that is first seen completed, that is its creation.
 */
function linkExpiryMs(
  snapshot: TaskSnapshot,
  {
    serverAheadMs,
    lastRunningMs,
  }: Pick<Waiting, 'serverAheadMs'> & { readonly lastRunningMs: number | undefined },
  nowMs: number,
): number {
  const createdMs = snapshot.createdAtMs === undefined ? undefined : snapshot.createdAtMs - serverAheadMs;
  return (lastRunningMs ?? createdMs ?? nowMs) + LINK_LIFE_MS;
}

function awaitLink(deps: GenerateDependencies, waiting: Waiting): number {
  const nowMs = deps.clock.monotonicMs();
  waiting.completedSinceMs ??= nowMs;
  if (nowMs - waiting.completedSinceMs >= LINK_GRACE_MS) throw withoutLink(waiting.record);
  return Math.min(5_000, 500 + (nowMs - waiting.completedSinceMs));
}

function atDeadline({ record, completedSinceMs, ...waiting }: Waiting, nowMs: number): EvolinkError {
  return completedSinceMs === undefined
    ? stillPending(record, nowMs - waiting.startedMs, waiting.troubleReason)
    : withoutLink(record);
}

async function fail(
  deps: GenerateDependencies,
  waiting: Waiting,
  snapshot: TaskSnapshot,
): Promise<EvolinkError> {
  const error = taskFailed(waiting.record, snapshot);
  const code = snapshot.error?.code;
  await deps.journal.update(waiting.record.localId, {
    state: 'failed',
    timeline: waiting.record.timeline,
    usedCredits: finalCredits(snapshot),
    error: { kind: error.kind, message: error.message, ...(code === undefined ? {} : { code }) },
  });
  return error;
}

/** What a task without a clip cost in the end, where the service says so. */
function finalCredits({ billing }: TaskSnapshot): number | undefined {
  const { chargedCredits, refundedCredits = 0, refundStatus } = billing ?? {};
  if (refundStatus !== 'completed' && refundStatus !== 'not_required') return undefined;
  return chargedCredits === undefined ? undefined : Math.max(0, chargedCredits - refundedCredits);
}

function emitProgress(deps: GenerateDependencies, waiting: Waiting, snapshot: TaskSnapshot): void {
  const elapsedMs = deps.clock.monotonicMs() - waiting.acceptedMs;
  deps.emit({
    kind: 'progress',
    taskId: snapshot.id,
    status: snapshot.status,
    progressPercent: snapshot.progressPercent,
    elapsedMs,
    remainingMs: Math.max(0, expectedTotalMs(pollFacts(deps, waiting)) - elapsedMs),
  });
}

function pollFacts({ clock }: GenerateDependencies, { record, snapshot, ...waiting }: Waiting) {
  const nowMs = clock.monotonicMs();
  const { estimatedSeconds } = record;
  return {
    elapsedMs: nowMs - waiting.acceptedMs,
    estimatedMs: estimatedSeconds === undefined ? undefined : estimatedSeconds * 1000,
    progressPercent: snapshot?.progressPercent,
    unchangedMs: nowMs - waiting.progressSinceMs,
  };
}

function scheduledDelayMs(deps: GenerateDependencies, waiting: Waiting): number {
  return nextPollDelayMs({
    ...pollFacts(deps, waiting),
    isFirst: waiting.snapshot === undefined,
    random: deps.clock.random(),
  });
}

/** What passes by itself is waited out up to the deadline; what does not ends the wait, the task stays safe. */
async function afterTrouble(deps: GenerateDependencies, waiting: Waiting, error: unknown): Promise<number> {
  if (!(error instanceof ApiReadError)) throw error;
  const nowMs = deps.clock.monotonicMs();
  const sinceAcceptedMs = nowMs - waiting.acceptedMs;
  const isTooEarly = error.facts.httpStatus === 404 && sinceAcceptedMs < NOT_FOUND_GRACE_MS;
  waiting.trouble += 1;
  waiting.troubleReason = error.message;
  // Who looks once wants to know why there was nothing to see; that the task still runs is not known at all.
  const isOnlyLook = waiting.deadlineMs === waiting.startedMs;
  const isOver = isOnlyLook ? waiting.trouble >= MAX_READ_TRIES : false;
  if ((!error.isTransient && !isTooEarly) || isOver || (isOnlyLook && isTooEarly))
    throw error.with({ ...recordFacts(waiting.record), charged: 'yes' });
  const decision = decideRead({
    attempt: waiting.trouble,
    retryAfterMs: error.retryAfterMs,
    random: deps.clock.random(),
  });
  if (nowMs >= waiting.deadlineMs && !isOnlyLook) throw atDeadline(waiting, nowMs);
  // Once an outage: the wait goes on anyway, and a line a try would bury the rest.
  if (waiting.trouble === 1) {
    deps.emit({
      kind: 'poll-trouble',
      taskId: waiting.record.taskId ?? '',
      reason: error.message,
      retryInMs: decision.delayMs,
    });
  }
  return decision.delayMs;
}
