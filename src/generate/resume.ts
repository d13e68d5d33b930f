import pMap from 'p-map';
import { checkTarget } from '../download/check-target.ts';
import type { OutputPlan } from '../download/types.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import type { RecordState, TaskRecord } from '../journal/record.ts';
import { claimTask } from './claim-task.ts';
import { continueRecord } from './continue-record.ts';
import type { GenerateDependencies } from './dependencies.ts';
import type { TaskResult } from './events.ts';
import { recordFacts } from './failures.ts';
import { placeRecord } from './place-record.ts';
import { requireLiveMedia } from './require-live-media.ts';
import { fieldsOf } from './save-task.ts';
import { settleOrFail, submitTask } from './submit-task.ts';

export interface ResumeOptions {
  /** Where the clip of a record goes now; absent = where its record says. */
  readonly placeClip?: ((record: TaskRecord) => Promise<OutputPlan>) | undefined;
  readonly waitTimeoutMs: number;
  readonly signal: AbortSignal;
  /** How many records are worked on at once. */
  readonly concurrency: number;
  /** What a person has decided of an uncertain request; absent = it is settled by looking. */
  readonly decision?: Decision | undefined;
  /** Dependencies of one record, so that its events can be told from those of others. */
  readonly forRecord: (record: TaskRecord) => GenerateDependencies;
  readonly onOutcome: (outcome: ResumeOutcome) => void;
}

export type Decision =
  /** Send it again, with the same key and body. */
  | { readonly kind: 'resubmit' }
  /** This task of the service is its own. */
  | { readonly kind: 'claim'; readonly taskId: string };

export type ResumeOutcome =
  | { readonly kind: 'done'; readonly record: TaskRecord; readonly result: TaskResult }
  /** Never sent, so nothing was bought: the record is closed, nothing is sent now either. */
  | { readonly kind: 'dropped'; readonly record: TaskRecord }
  | { readonly kind: 'failed'; readonly record: TaskRecord; readonly error: EvolinkError };

/**
 * Continues records to their end, several at once, each under its own lock; one that fails does not stop the others.
 * Spends nothing: a record that was never sent is closed, an uncertain one is settled by looking.
 * @throws the signal's reason when aborted
 */
export async function resumeRecords(
  records: readonly TaskRecord[],
  options: ResumeOptions,
): Promise<readonly ResumeOutcome[]> {
  const one = async (record: TaskRecord): Promise<ResumeOutcome> => {
    const outcome = await resumeOne(record, options);
    options.onOutcome(outcome);
    return outcome;
  };
  return pMap(records, one, { concurrency: options.concurrency, stopOnError: true });
}

async function resumeOne(record: TaskRecord, options: ResumeOptions): Promise<ResumeOutcome> {
  const deps = options.forRecord(record);
  try {
    const lock = await deps.journal.lock(record.identity, {
      waitMs: deps.lockWaitMs,
      signal: options.signal,
    });
    try {
      return await underLock(deps, record, options);
    } finally {
      await lock.release().catch(() => undefined);
    }
  } catch (error) {
    if (!isEvolinkError(error)) throw error;
    // An error that names the record says also whether it can be continued: what is gone for good can't.
    const isNamed = error.facts.localId !== undefined;
    const facts = { ...recordFacts(record), charged: CHARGED[record.state] };
    return { kind: 'failed', record, error: isNamed ? error : error.with(facts) };
  }
}

async function underLock(
  deps: GenerateDependencies,
  stale: TaskRecord,
  options: ResumeOptions,
): Promise<ResumeOutcome> {
  // Whoever held the lock before may have moved the record on.
  const record = (await deps.journal.find(stale.localId)) ?? stale;
  const { decision } = options;
  const isRunning = record.state === 'accepted' || record.state === 'completed';
  const isClaimed = decision?.kind === 'claim' && decision.taskId === record.taskId && isRunning;
  if (decision !== undefined && !isClaimed) return decide(deps, record, { ...options, decision });
  if (record.state === 'saved') return { kind: 'done', record, result: savedResult(record) };
  if (record.state === 'intent') {
    const error = {
      kind: 'usage',
      message: 'never sent: the command was stopped before the submission',
    } as const;
    return {
      kind: 'dropped',
      record: await deps.journal.update(record.localId, { state: 'rejected', error }),
    };
  }
  return finish(deps, record, options);
}

/** What is known of the money of a request. */
const CHARGED: Readonly<Record<RecordState, 'no' | 'yes' | 'unknown'>> = {
  intent: 'no',
  sent: 'unknown',
  unknown: 'unknown',
  accepted: 'yes',
  completed: 'yes',
  saved: 'yes',
  expired: 'yes',
  failed: 'unknown',
  rejected: 'no',
};

async function decide(
  deps: GenerateDependencies,
  record: TaskRecord,
  options: ResumeOptions & { readonly decision: Decision },
): Promise<ResumeOutcome> {
  const { decision, signal } = options;
  if (record.state !== 'sent' && record.state !== 'unknown' && record.state !== 'intent') {
    throw new EvolinkError('usage', `request ${record.localId} is not uncertain: it is ${record.state}`, {
      hint: record.taskId === undefined ? undefined : nextCommand(record),
      charged: CHARGED[record.state],
    });
  }
  if (decision.kind === 'claim')
    return finish(deps, await claimTask(deps, record, { taskId: decision.taskId, signal }), options);
  const placed = await placeNow(deps, record, options);
  await requirePlace(placed);
  if (placed.state === 'intent') await requireLiveMedia(deps, placed, signal);
  const taken = placed.state === 'intent' ? placed : await sendAgain(deps, placed, signal);
  return finish(deps, taken, options);
}

function nextCommand({ state, taskId }: TaskRecord): string {
  return `evolink ${state === 'saved' ? 'download' : 'resume'} ${taskId}`;
}

/** What is sent may be paid for: there must be a place for what comes of it. */
async function requirePlace(record: TaskRecord): Promise<void> {
  if (record.output.kind !== 'file') return;
  const charged = CHARGED[record.state];
  const check = checkTarget(record.output, fieldsOf(record)).catch((error: unknown) => {
    if (!isEvolinkError(error)) throw error;
    throw new EvolinkError(error.kind, error.message, { ...error.facts, charged });
  });
  const { action, path } = await check;
  if (action !== 'skip') return;
  throw new EvolinkError('local-io', `the output "${path}" exists already; nothing was sent again`, {
    hint: 'name another file with -o, or leave out --skip-existing',
    charged,
  });
}

async function placeNow(
  deps: GenerateDependencies,
  record: TaskRecord,
  { placeClip }: ResumeOptions,
): Promise<TaskRecord> {
  return placeRecord(deps, record, (await placeClip?.(record)) ?? record.output);
}

/** A look comes first: a task that is found by now is taken as it is, and nothing is sent. */
async function sendAgain(
  deps: GenerateDependencies,
  record: TaskRecord,
  signal: AbortSignal,
): Promise<TaskRecord> {
  try {
    return await settleOrFail(deps, record, signal);
  } catch (error) {
    if (!isEvolinkError(error) || error.kind !== 'unknown') throw error;
  }
  await requireLiveMedia(deps, record, signal);
  const unknown = record.unknown ?? { reason: 'the process ended before the answer was read' };
  const uncertain = await deps.journal.update(record.localId, { state: 'unknown', unknown });
  return submitTask(deps, uncertain, { signal, onRecord: () => undefined });
}

async function finish(
  deps: GenerateDependencies,
  record: TaskRecord,
  options: ResumeOptions,
): Promise<ResumeOutcome> {
  const { waitTimeoutMs, signal } = options;
  const result = await continueRecord(deps, await placeNow(deps, record, options), {
    isWaiting: true,
    waitTimeoutMs,
    signal,
    onRecord: () => undefined,
  });
  return { kind: 'done', record, result };
}

/** The result of a record that is saved already. */
export function savedResult(record: TaskRecord): TaskResult {
  const [file] = record.saved ?? [];
  return {
    localId: record.localId,
    taskId: record.taskId,
    state: 'skipped',
    operation: record.operation,
    model: record.body?.model,
    path: file?.path,
    paths: (record.saved ?? []).map(({ path }) => path),
    sizeBytes: file?.sizeBytes,
    sha256: file?.sha256,
    estimatedCredits: record.estimatedCredits,
    reservedCredits: record.reservedCredits,
    usedCredits: record.usedCredits,
    linkExpiresAtMs: record.linkExpiresAtMs,
    warnings: [],
  };
}
