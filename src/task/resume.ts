import { isDeepStrictEqual } from 'node:util';
import pMap from 'p-map';
import type { TaskSnapshot } from '../api/answers.ts';
import type { OutputPlan } from '../config/output.ts';
import { checkTarget } from '../download/target.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import { isStillThere } from '../media/check-url.ts';
import { isLoopbackHost } from '../platform/address-class.ts';
import type { WireBody } from '../request/fields.ts';
import { redactAddress } from '../request/public-url.ts';
import type { GenerateDependencies, TaskResult } from './events.ts';
import { downloadCommand, recordFacts } from './failures.ts';
import { chargedIn, isUncertain, type TaskRecord } from './record.ts';
import { fieldsOf, resultOf, savedResult, saveTask } from './save.ts';
import { claimTask, settleOrFail } from './settle.ts';
import { submitTask } from './submit.ts';
import { readPatiently, waitForTask } from './wait.ts';

export interface ContinueOptions {
  /** False: stop as soon as the task is accepted. */
  readonly isWaiting: boolean;
  readonly waitTimeoutMs: number;
  readonly signal: AbortSignal;
  readonly onRecord: (record: TaskRecord) => void;
  /** A reading of the task that was made right before. */
  readonly reading?: TaskSnapshot | undefined;
}

/**
 * The life of a task, entered in whatever state its record is in: submitted, or settled where the answer was lost; waited
 * for; saved. A record in `sent` belongs to a process that died during the call (the caller holds the lock), so its outcome
 * is as unknown as that of `unknown`.
 * @throws EvolinkError of every kind; the signal's reason when aborted
 */
export async function continueRecord(
  deps: GenerateDependencies,
  start: TaskRecord,
  { isWaiting, waitTimeoutMs, signal, reading, ...options }: ContinueOptions,
): Promise<TaskResult> {
  let record = start;
  const onRecord = (next: TaskRecord): void => {
    record = next;
    options.onRecord(next);
  };
  try {
    // A new request, too, though it gets onto the disk only when it is sent: a run looks at its budget in between.
    onRecord(start);
    if (start.state === 'intent') onRecord(await submitTask(deps, start, signal, onRecord));
    if (isUncertain(start)) onRecord(await settleInTurn(deps, start, signal));
    if (!isWaiting) return { ...resultOf(record, 'pending'), next: downloadCommand(record) };
    if (record.state === 'accepted') record = await waitForTask(deps, record, waitTimeoutMs, signal, reading);
    if (record.state !== 'completed')
      throw new EvolinkError(
        'internal',
        `can't continue a record that is ${record.state}`,
        recordFacts(record),
      );
    return await saveTask(deps, await withLiveLinks(deps, record), signal);
  } catch (error) {
    // A disk that fails on the way knows nothing of the task: from here every message names it.
    const isBare = isEvolinkError(error) && error.kind === 'local-io' && error.facts.taskId === undefined;
    throw isBare && record.state !== 'intent'
      ? error.with({ charged: record.taskId === undefined ? 'unknown' : 'yes', ...recordFacts(record) })
      : error;
  }
}

/** Looked for while no other request of this run is under way, so that its task is not mistaken for this one's. */
async function settleInTurn(deps: GenerateDependencies, record: TaskRecord, signal: AbortSignal) {
  const endTurn = await deps.takeSubmitTurn?.(signal);
  try {
    return await settleOrFail(deps, record, signal);
  } finally {
    endTurn?.();
  }
}

/** Links of an API at another address (a sandbox that was restarted) lead nowhere: this one is asked for its own. */
async function withLiveLinks(deps: GenerateDependencies, record: TaskRecord): Promise<TaskRecord> {
  const { taskId, apiBaseUrl, localId } = record;
  if (apiBaseUrl === deps.api.baseUrl || taskId === undefined) return record;
  try {
    const { links } = await readPatiently(deps, taskId);
    return links.length === 0
      ? record
      : await deps.journal.update(localId, { links, apiBaseUrl: deps.api.baseUrl });
  } catch {
    // What is known may still work, and says best what is wrong if it does not.
    return record;
  }
}

/** Gives a record the place that the present command names for its clip, and a sidecar if it wants one. The caller holds the lock. */
export async function placeRecord(
  { journal }: Pick<GenerateDependencies, 'journal'>,
  record: TaskRecord,
  output: OutputPlan,
  wantsSidecar = false,
): Promise<TaskRecord> {
  const hasSidecar = record.hasSidecar || wantsSidecar;
  const isPlaced = isDeepStrictEqual(record.output, output) && record.hasSidecar === hasSidecar;
  return isPlaced ? record : journal.update(record.localId, { output, hasSidecar });
}

/** All media of a body: images, videos, sounds. */
export function mediaUrls(body: WireBody | undefined): readonly string[] {
  return [body?.image_urls, body?.video_urls, body?.audio_urls].flatMap((urls) => urls ?? []);
}

export interface ResumeOptions {
  /** Where the clip of a record goes now; absent = where its record says. */
  readonly placeClip?: ((record: TaskRecord) => Promise<OutputPlan>) | undefined;
  readonly waitTimeoutMs: number;
  readonly signal: AbortSignal;
  /** What was read of tasks right before, by the local ids of their records. */
  readonly readings?: ReadonlyMap<string, TaskSnapshot> | undefined;
  /** How many records are worked on at once. */
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
  // Identical requests have one lock: they go one after another, or they would find each other at work.
  const turns = new Map<string, Promise<unknown>>();
  const one = async (record: TaskRecord): Promise<ResumeOutcome> => {
    const before = turns.get(record.identity) ?? Promise.resolve();
    const turn = before.catch(() => undefined).then(() => resumeOne(record, options));
    turns.set(record.identity, turn);
    const outcome = await turn;
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
    if (!isEvolinkError(error)) throw error;
    // An error that names the record says also whether it can be continued: what is gone for good can't.
    const isNamed = error.facts.localId !== undefined;
    const facts = { ...recordFacts(stale), charged: chargedIn(stale) };
    return { kind: 'failed', record: stale, error: isNamed ? error : error.with(facts) };
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
    requireUncertain(record, decision);
    if (decision.kind === 'claim') return finish(await claimTask(deps, record, decision.taskId, signal));
    const placed = await place(record);
    await requirePlace(placed);
    return finish(await sendAgain(deps, placed, signal));
  }
  if (isRunning || isUncertain(record)) return finish(record);
  if (state === 'saved') return savedResult(record);
  if (state !== 'dismissed') throw ended(record);
  // A task that turns up again leaves the state `dismissed`.
  if (taskId === undefined) return finish(await settleOrFail(deps, record, signal));
  await readPatiently(deps, taskId, signal);
  return finish(await deps.journal.update(localId, { state: 'accepted' }));
}

/** Nothing is left to continue, with the exit code of what ended it. */
function ended(record: TaskRecord): EvolinkError {
  const { localId, taskId, state, error } = record;
  const reason = error === undefined ? '' : `: ${error.message}`;
  const message = `request ${localId} has ended, it is ${state}${reason}`;
  const charged = chargedIn(record);
  return new EvolinkError(error?.kind ?? 'usage', message, { charged, retryable: false, localId, taskId });
}

/** Nothing has left, so nothing was bought. The caller holds the lock. */
export function closeUnsent({ journal }: GenerateDependencies, { localId }: TaskRecord): Promise<TaskRecord> {
  const message = 'never sent: the command was stopped before the submission';
  return journal.update(localId, { state: 'rejected', error: { kind: 'usage', message } });
}

/** @throws EvolinkError `usage` where there is nothing left to decide */
function requireUncertain(record: TaskRecord, decision: Decision): void {
  const { state, taskId, localId } = record;
  if (isUncertain(record) || (state === 'dismissed' && decision.kind === 'claim')) return;
  const what = state === 'intent' ? 'was never sent' : `is not uncertain: it is ${state}`;
  throw new EvolinkError('usage', `request ${localId} ${what}`, {
    hint: taskId === undefined ? undefined : `evolink ${state === 'saved' ? 'download' : 'resume'} ${taskId}`,
    charged: chargedIn(record),
  });
}

/** What is sent may be paid for: there must be a place for what comes of it. */
async function requirePlace(record: TaskRecord): Promise<void> {
  if (record.output.kind !== 'file') return;
  const charged = chargedIn(record);
  const { action, path } = await checkTarget(record.output, fieldsOf(record)).catch((error: unknown) => {
    throw isEvolinkError(error) ? error.insisting({ charged }) : error;
  });
  if (action !== 'skip') return;
  throw new EvolinkError('local-io', `the output "${path}" exists already; nothing was sent again`, {
    hint: 'name another file with -o, or leave out --skip-existing',
    charged,
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
  { api, links, clock }: Pick<GenerateDependencies, 'api' | 'links' | 'clock'>,
  record: TaskRecord,
  signal: AbortSignal,
): Promise<void> {
  const isSandbox = isLoopbackHost(new URL(api.baseUrl).hostname);
  const urls = mediaUrls(record.body).filter(
    (url) => URL.canParse(url) && (!isSandbox || isLoopbackHost(new URL(url).hostname)),
  );
  const there = await Promise.all(urls.map((url) => isStillThere(url, { links, clock, signal })));
  const gone = urls.filter((_, index) => there[index] === false);
  if (gone.length === 0) return;
  throw new EvolinkError('usage', 'the request was not sent again: its reference media are gone', {
    charged: 'unknown',
    details: [...gone.map(redactAddress), 'uploads are kept for 72 hours'],
    hint: 'run the command that made it again: it uploads the files again',
  });
}
