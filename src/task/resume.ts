import pMap from 'p-map';
import type { TaskSnapshot } from '../api/answers.ts';
import type { OutputPlan } from '../config/output.ts';
import { checkTarget } from '../download/target.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import { isStillThere } from '../media/check-url.ts';
import { isLoopbackHost } from '../platform/address-class.ts';
import type { WireBody } from '../request/models.ts';
import { redactAddress } from '../request/public-url.ts';
import type { GenerateDependencies, TaskResult } from './events.ts';
import { downloadCommand, recordFacts } from './failures.ts';
import type { RecordState, TaskRecord } from './record.ts';
import { fieldsOf, resultOf, savedResult, saveTask } from './save.ts';
import { claimTask, settleOrFail } from './settle.ts';
import { submitTask } from './submit.ts';
import { readPatiently, waitForTask } from './wait.ts';

/** All media of a body: images, videos, sounds. */
export function mediaUrls(body: WireBody | undefined): readonly string[] {
  return [body?.image_urls, body?.video_urls, body?.audio_urls].flatMap((urls) => urls ?? []);
}

/** Gives a record the place that the present command names for its clip. The caller holds the lock of the record. */
export async function placeRecord(
  { journal }: Pick<GenerateDependencies, 'journal'>,
  record: TaskRecord,
  output: OutputPlan,
): Promise<TaskRecord> {
  if (isSamePlan(record.output, output)) return record;
  return journal.update(record.localId, { output });
}

function isSamePlan(one: OutputPlan, other: OutputPlan): boolean {
  if (one.kind !== 'file' || other.kind !== 'file') return one.kind === other.kind;
  return one.folder === other.folder && one.pattern === other.pattern && one.onExisting === other.onExisting;
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
    charged: record.state === 'intent' ? 'no' : 'unknown',
    details: [...gone.map(redactAddress), 'uploads are kept for 72 hours'],
    hint: 'run the command that made it again: it uploads the files again',
  });
}

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
 * Takes a record from whatever state it is in to its end. A record in `sent` belongs to a process that died during the
 * call (the caller holds the lock), so its outcome is as unknown as that of `unknown`.
 * @throws EvolinkError of every kind; the signal's reason when aborted
 */
export async function continueRecord(
  deps: GenerateDependencies,
  start: TaskRecord,
  options: ContinueOptions,
): Promise<TaskResult> {
  let latest = start;
  const onRecord = (record: TaskRecord): void => {
    latest = record;
    options.onRecord(record);
  };
  try {
    return await takeToEnd(deps, start, { ...options, onRecord });
  } catch (error) {
    // A disk that fails on the way knows nothing of the task: from here every message names it.
    const isBare = isEvolinkError(error) && error.kind === 'local-io' && error.facts.taskId === undefined;
    throw isBare && latest.state !== 'intent'
      ? error.with({ charged: latest.taskId === undefined ? 'unknown' : 'yes', ...recordFacts(latest) })
      : error;
  }
}

async function takeToEnd(
  deps: GenerateDependencies,
  start: TaskRecord,
  options: ContinueOptions,
): Promise<TaskResult> {
  let record = start;
  options.onRecord(record);
  if (record.state === 'intent') record = await submitTask(deps, record, options);
  else if (record.state === 'sent' || record.state === 'unknown')
    record = await settleInTurn(deps, record, options.signal);
  options.onRecord(record);
  if (!options.isWaiting) return { ...resultOf(record, 'pending'), next: downloadCommand(record) };
  if (record.state === 'accepted') {
    const { waitTimeoutMs: timeoutMs, signal, reading } = options;
    record = await waitForTask(deps, record, { timeoutMs, signal, reading });
  }
  if (record.state !== 'completed') {
    throw new EvolinkError(
      'internal',
      `record ${record.localId} can't be continued from state ${record.state}`,
      recordFacts(record),
    );
  }
  return saveTask(deps, await withLiveLinks(deps, record), options.signal);
}

/** Links of an API at another address (a sandbox that was restarted) lead nowhere: this one is asked for its own. */
async function withLiveLinks(deps: GenerateDependencies, record: TaskRecord): Promise<TaskRecord> {
  if (record.apiBaseUrl === deps.api.baseUrl || record.taskId === undefined) return record;
  try {
    const { links } = await readPatiently(deps, record.taskId);
    if (links.length === 0) return record;
    return await deps.journal.update(record.localId, { links, apiBaseUrl: deps.api.baseUrl });
  } catch {
    // What is known may still work, and says best what is wrong if it does not.
    return record;
  }
}

/** Looked for while no other request of this run is under way, so that its task is not mistaken for this one's. */
async function settleInTurn(
  deps: GenerateDependencies,
  record: TaskRecord,
  signal: AbortSignal,
): Promise<TaskRecord> {
  const endTurn = await deps.takeSubmitTurn?.(signal);
  try {
    return await settleOrFail(deps, record, signal);
  } finally {
    endTurn?.();
  }
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
    const turn = (turns.get(record.identity) ?? Promise.resolve()).then(() => resumeOne(record, options));
    turns.set(
      record.identity,
      turn.catch(() => undefined),
    );
    const outcome = await turn;
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
  if (record.state === 'dismissed')
    return finish(deps, await findAgain(deps, record, options.signal), options);
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

/** A task that turns up again leaves the state `dismissed`. */
async function findAgain(
  deps: GenerateDependencies,
  record: TaskRecord,
  signal: AbortSignal,
): Promise<TaskRecord> {
  if (record.taskId === undefined) return settleOrFail(deps, record, signal);
  await readPatiently(deps, record.taskId, signal);
  return deps.journal.update(record.localId, { state: 'accepted' });
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
  dismissed: 'unknown',
};

async function decide(
  deps: GenerateDependencies,
  record: TaskRecord,
  options: ResumeOptions & { readonly decision: Decision },
): Promise<ResumeOutcome> {
  const { decision, signal } = options;
  const isClaimable = record.state === 'dismissed' && decision.kind === 'claim';
  if (!isClaimable && record.state !== 'sent' && record.state !== 'unknown' && record.state !== 'intent') {
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
  const accepted = placed.state === 'intent' ? placed : await sendAgain(deps, placed, signal);
  return finish(deps, accepted, options);
}

function nextCommand({ state, taskId }: TaskRecord): string {
  return `evolink ${state === 'saved' ? 'download' : 'resume'} ${taskId}`;
}

/** What is sent may be paid for: there must be a place for what comes of it. */
async function requirePlace(record: TaskRecord): Promise<void> {
  if (record.output.kind !== 'file') return;
  const charged = CHARGED[record.state];
  const check = checkTarget(record.output, fieldsOf(record)).catch((error: unknown) => {
    throw isEvolinkError(error) ? error.insisting({ charged }) : error;
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

/** A look comes first: a task that is found by now is used, and nothing is sent. */
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
    reading: options.readings?.get(record.localId),
  });
  return { kind: 'done', record, result };
}
