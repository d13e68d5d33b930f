import pMap from 'p-map';
import type { TaskSnapshot } from '../api/answers.ts';
import type { OutputPlan } from '../config/output.ts';
import { checkTarget } from '../download/target.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import { isStillThere } from '../media/check-url.ts';
import { isLoopbackUrl } from '../platform/address-class.ts';
import { createKeyedTurns } from '../platform/lock.ts';
import type { GenerateDependencies, TaskResult } from './events.ts';
import { named, unreadable } from './failures.ts';
import { closeUnsent, continueRecord, mediaUrls, placeRecord } from './generate.ts';
import { chargedIn, isUncertain, type TaskRecord } from './record.ts';
import { fieldsOf, savedResult } from './save.ts';
import { adoptTask, claimTask, settleOrFail } from './settle.ts';
import { submitTask } from './submit.ts';
import { readPatiently } from './wait.ts';

/**
 * The record of an id: one that the journal knows, or a new one for a bare task id of the service (made on another
 * machine, or forgotten here); then also what the service said of it, so that nobody has to ask again.
 * @param how.placeClip where the clip goes, by what an earlier record of the task says
 * @param how.isAgain saved tasks are saved once more
 * @throws EvolinkError `usage` for an id that is neither
 */
export async function findTask(
  deps: GenerateDependencies,
  id: string,
  how: {
    readonly placeClip: (known?: TaskRecord) => Promise<OutputPlan>;
    readonly hasSidecar: boolean;
    readonly isAgain: boolean;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<{ readonly record: TaskRecord; readonly reading?: TaskSnapshot | undefined }> {
  const earlier = await deps.journal.find(id);
  const { state } = earlier ?? {};
  // A record that is closed can't be continued; its task may still be there to be saved again.
  const isOver = state === 'failed' || state === 'expired' || (state === 'saved' && how.isAgain);
  if (earlier !== undefined && !(isOver && earlier.taskId !== undefined)) return { record: earlier };
  const taskId = earlier?.taskId ?? requireTaskId(id);
  // Read before a record is made: a wrong id makes none.
  const reading =
    earlier === undefined
      ? await readPatiently(deps, taskId, how.signal).catch((error: unknown) => {
          throw isEvolinkError(error) ? unreadable(error, taskId) : error;
        })
      : undefined;
  const place = { output: await how.placeClip(earlier), hasSidecar: how.hasSidecar };
  return { record: await adoptTask(deps, taskId, place, earlier), reading };
}

/** @throws EvolinkError `usage` for what is no task id of the service */
export function requireTaskId(id: string): string {
  if (!/^task-[A-Za-z0-9_-]{4,}$/.test(id)) throw unknownId(id);
  return id;
}

/**
 * The record that a decision is about: one that the journal knows, as it is.
 * @throws EvolinkError `usage` for any other id
 */
export async function findRequest(
  { journal }: Pick<GenerateDependencies, 'journal'>,
  id: string,
): Promise<TaskRecord> {
  const known = await journal.find(id);
  if (known === undefined) throw unknownId(id);
  return known;
}

function unknownId(id: string): EvolinkError {
  return new EvolinkError('usage', `"${id}" is neither a task id nor the id of a request on this machine`, {
    hint: 'task ids look like task-unified-1774857405-abc123; to list yours: evolink status',
    charged: 'no',
  });
}

interface ResumeOptions {
  /** Where the clip of a record goes now; absent = where its record says. */
  readonly placeClip?: ((record: TaskRecord) => Promise<OutputPlan>) | undefined;
  readonly waitTimeoutMs: number;
  readonly signal: AbortSignal;
  /** What was read of tasks right before, by the local ids of their records. */
  readonly readings?: ReadonlyMap<string, TaskSnapshot> | undefined;
  readonly concurrency: number;
  /** What a person has decided of an uncertain request; absent = it is settled by looking. */
  readonly decision?: Decision | undefined;
  /** Dependencies of one record, so that its events are not mixed with those of others. */
  readonly forRecord: (record: TaskRecord) => GenerateDependencies;
  readonly onOutcome: (outcome: ResumeOutcome) => void;
}

export type Decision =
  /** Send it again, with the same key and body. */
  | { readonly kind: 'resubmit' }
  /** This task of the service is its own. */
  | { readonly kind: 'claim'; readonly taskId: string };

type ResumeOutcome = { readonly record: TaskRecord } & (
  | { readonly kind: 'done'; readonly result: TaskResult }
  /** Never sent, so nothing was bought: the record is closed, nothing is sent now either. */
  | { readonly kind: 'dropped' }
  | { readonly kind: 'failed'; readonly error: EvolinkError }
);

/**
 * Continues records to their end, several at once, each under its own lock; one that fails does not stop the others.
 * Spends nothing: a record that was never sent is closed, an uncertain one is settled by looking.
 * @throws the signal's reason when aborted
 */
export async function resumeRecords(
  records: readonly TaskRecord[],
  options: ResumeOptions,
): Promise<readonly ResumeOutcome[]> {
  // Identical requests have one lock.
  const inTurn = createKeyedTurns();
  const one = async (record: TaskRecord): Promise<ResumeOutcome> => {
    const outcome = await inTurn(record.identity, () => resumeOne(record, options));
    options.onOutcome(outcome);
    return outcome;
  };
  return pMap(records, one, { concurrency: options.concurrency, stopOnError: true });
}

async function resumeOne(stale: TaskRecord, options: ResumeOptions): Promise<ResumeOutcome> {
  const deps = options.forRecord(stale);
  const { journal, lockWaitMs } = deps;
  try {
    const lock = await journal.lock(stale.identity, lockWaitMs, options.signal);
    try {
      // Whoever held the lock before may have moved the record on.
      const record = (await journal.find(stale.localId)) ?? stale;
      if (record.state === 'intent' && options.decision === undefined)
        return { kind: 'dropped', record: await closeUnsent(deps, record) };
      return { kind: 'done', record, result: await resumeHeld(deps, record, options) };
    } finally {
      await lock.release().catch(() => undefined);
    }
  } catch (error) {
    const known = named(error, stale);
    if (!isEvolinkError(known)) throw known;
    return { kind: 'failed', record: stale, error: known };
  }
}

async function resumeHeld(
  deps: GenerateDependencies,
  record: TaskRecord,
  { decision, placeClip, readings, waitTimeoutMs, signal }: ResumeOptions,
): Promise<TaskResult> {
  const { state, taskId, localId } = record;
  const place = async (each: TaskRecord) => placeRecord(deps, each, (await placeClip?.(each)) ?? each.output);
  const finish = async (each: TaskRecord) => {
    const how = { isWaiting: true, waitTimeoutMs, signal, onRecord: () => undefined };
    return continueRecord(deps, await place(each), { ...how, reading: readings?.get(each.localId) });
  };
  const isRunning = state === 'accepted' || state === 'completed';
  const isClaimed = decision?.kind === 'claim' && decision.taskId === taskId && isRunning;
  if (decision !== undefined && !isClaimed) {
    if (!isUncertain(record) && !(state === 'dismissed' && decision.kind === 'claim'))
      throw new EvolinkError('usage', `request ${localId} is not uncertain: it is ${state}`, {
        hint: taskId && `evolink resume ${taskId}`,
        charged: chargedIn(record),
      });
    if (decision.kind === 'claim') return finish(await claimTask(deps, record, decision.taskId, signal));
    const placed = await place(record);
    await requirePlace(placed);
    return finish(await sendAgain(deps, placed, signal));
  }
  if (isRunning || isUncertain(record)) return finish(record);
  if (state === 'saved') return savedResult(record);
  if (state !== 'dismissed') {
    // With the exit code of what ended it.
    const { kind = 'usage', message } = record.error ?? {};
    const reason = message === undefined ? '' : `: ${message}`;
    const facts = { charged: chargedIn(record), retryable: false, localId, taskId };
    throw new EvolinkError(kind, `request ${localId} has ended, it is ${state}${reason}`, facts);
  }
  // A task that turns up again leaves the state `dismissed`.
  if (taskId === undefined) return finish(await settleOrFail(deps, record, signal));
  await readPatiently(deps, taskId, signal);
  return finish(await deps.journal.update(localId, { state: 'accepted' }));
}

/** What is sent may be paid for: there must be a place for what comes of it. */
async function requirePlace(record: TaskRecord): Promise<void> {
  const { output } = record;
  if (output.kind !== 'file') return;
  const onExisting = output.onExisting === 'skip' ? 'refuse' : output.onExisting;
  await checkTarget({ ...output, onExisting }, fieldsOf(record)).catch((error: unknown) => {
    throw isEvolinkError(error) ? error.insisting({ charged: chargedIn(record) }) : error;
  });
}

/** A look comes first: a task that is found by now is used, and nothing is sent. */
async function sendAgain(deps: GenerateDependencies, record: TaskRecord, signal: AbortSignal) {
  try {
    return await settleOrFail(deps, record, signal);
  } catch (error) {
    if (!isEvolinkError(error) || error.kind !== 'unknown') throw error;
  }
  await requireLiveMedia(deps, record, signal);
  const unknown = record.unknown ?? { reason: 'the process ended before the answer was read' };
  const uncertain = await deps.journal.update(record.localId, { state: 'unknown', unknown });
  return submitTask(deps, uncertain, signal, () => undefined);
}

/**
 * Looks whether the media of a recorded request are still there before it is sent again: uploads live for 72 hours, and a
 * record does not know the files that they were made of. Against an API on this machine nothing else is asked.
 * @throws EvolinkError `usage` where one is certainly gone; then nothing was sent
 */
async function requireLiveMedia(
  { api, links, clock }: GenerateDependencies,
  { body }: TaskRecord,
  signal: AbortSignal,
): Promise<void> {
  const urls = mediaUrls(body).filter((url) => !isLoopbackUrl(api.baseUrl) || isLoopbackUrl(url));
  const there = await Promise.all(urls.map((url) => isStillThere(url, { links, clock, signal })));
  if (!there.includes(false)) return;
  throw new EvolinkError('usage', 'the request was not sent again: its reference media are gone', {
    charged: 'unknown',
    hint: 'run the command that made it again: it uploads the files again',
  });
}
