import type { SubmitOutcome } from '../api/answers.ts';
import { resubmitDelayMs } from '../api/submit-outcome.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import type { WireBody } from '../request/fields.ts';
import type { GenerateDependencies } from './events.ts';
import { recordFacts } from './failures.ts';
import type { TaskRecord } from './record.ts';
import { acceptTask, settleOrFail } from './settle.ts';

/** How long the answer to a submission is still waited for once a signal has asked to stop. */
const STOP_GRACE_MS = 5_000;
/** Bound on all waits for a service that says it did not accept the request. */
const SUBMIT_PATIENCE_MS = 5 * 60_000;

/**
 * Sends the paid request of a record in state `intent` (or, as a person decided, `unknown`), at most once unless it is
 * certain that the service did not take it, and writes each step to the journal before the next. The only caller of
 * `api.submit`.
 * @param onRecord told of every state on the way, so that a crash report can name the record
 * @returns the record in state `accepted`
 * @throws EvolinkError `unknown` when nobody can tell whether it was accepted; `local-io` when the state folder fails
 * (before the POST: nothing was sent); the service's refusal otherwise; the signal's reason
 */
export async function submitTask(
  deps: GenerateDependencies,
  record: TaskRecord,
  signal: AbortSignal,
  onRecord: (record: TaskRecord) => void,
): Promise<TaskRecord> {
  const { body, idempotencyKey } = record;
  if (body === undefined || idempotencyKey === undefined) {
    throw new EvolinkError('internal', `record ${record.localId} holds no request`, recordFacts(record));
  }
  // Loading code takes far longer than sending: a process that dies in between would leave its request uncertain.
  await deps.api.prepare?.();
  let startedMs: number | undefined;
  let sent = record;
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    const endTurn = await deps.takeSubmitTurn?.(signal);
    let delayMs: number;
    try {
      startedMs ??= deps.clock.monotonicMs();
      sent = await markSent(deps, sent, attempt);
      onRecord(sent);
      if (signal.aborted) onRecord(await takeBack(deps, sent));
      signal.throwIfAborted();
      await requireLock(deps, sent);
      const answer = await sendRequest(deps, { body, idempotencyKey }, signal);
      const outcome = await withDoubt(deps, sent, answer);
      if (outcome.kind === 'accepted')
        return await acceptTask(
          deps,
          sent,
          { ...outcome.task, requestId: outcome.requestId ?? outcome.task.requestId },
          deps.clock.now(),
        );
      if (outcome.kind === 'unknown') {
        sent = await markUnknown(deps, sent, outcome);
        onRecord(sent);
        return await settleOrFail(deps, sent, signal);
      }
      if (outcome.kind === 'rejected') throw await reject(deps, sent, outcome.error);
      const againMs = resubmitDelayMs({
        attempt,
        outcome,
        elapsedMs: deps.clock.monotonicMs() - startedMs,
        patienceMs: SUBMIT_PATIENCE_MS,
        random: deps.clock.random(),
      });
      if (againMs === undefined) throw await reject(deps, sent, outcome.error);
      sent = await takeBack(deps, sent);
      onRecord(sent);
      deps.emit({ kind: 'submit-retry', reason: outcome.error.message, delayMs: againMs });
      delayMs = againMs;
    } finally {
      endTurn?.();
    }
    await deps.clock.sleep(delayMs, signal);
  }
}

/** A state folder that fails here fails before the POST: the caller's promise "nothing was sent" holds. */
async function markSent(
  { journal, clock, emit }: GenerateDependencies,
  record: TaskRecord,
  attempt: number,
): Promise<TaskRecord> {
  // A new request gets onto the disk as it is sent, the record and its name before anything leaves.
  const isRecorded = attempt > 1 || mayBeAccepted(record);
  emit({ kind: 'submitting', localId: record.localId });
  const nowMs = clock.now();
  // Of a request that is sent again on purpose the task may be that of the first sending or of this one.
  const times = mayBeAccepted(record) ? { resentAtMs: nowMs } : { sentAtMs: nowMs };
  const change = { state: 'sent', ...times } as const;
  try {
    if (isRecorded) return await journal.update(record.localId, change);
    const sent = { ...record, ...change, updatedAtMs: nowMs };
    await journal.create(sent);
    return sent;
  } catch (error) {
    // The new state may have reached the disk before the failure: a later run would believe the worst.
    const isOthers = isEvolinkError(error) && error.kind === 'locked';
    if (isRecorded && !isOthers) await takeBack({ journal }, record).catch(() => undefined);
    throw mayBeAccepted(record) ? error : nothingSent(error);
  }
}

/**
 * `sent` is on the disk by now, so whoever takes this lock from here on sees it and sends nothing. The record is left as it
 * is: it may be in the hands of the other process.
 * @throws EvolinkError `locked`; nothing was sent by this process
 */
async function requireLock({ journal }: GenerateDependencies, record: TaskRecord): Promise<void> {
  if (await journal.holds(record.identity)) return;
  throw new EvolinkError('locked', 'another process holds the lock of this request now; nothing was sent', {
    hint: 'wait until it ends, then run the command again',
    charged: mayBeAccepted(record) ? 'unknown' : 'no',
    ...recordFacts(record),
  });
}

/**
 * The paid call, once. A stop does not cut it at once, as its answer is what tells whether money was spent; nor is that
 * waited for without end.
 * @throws the signal's reason when no answer came in time: whether the request was accepted is not known then
 */
async function sendRequest(
  { api, clock, emit }: GenerateDependencies,
  { body, idempotencyKey }: { readonly body: WireBody; readonly idempotencyKey: string },
  signal: AbortSignal,
): Promise<SubmitOutcome> {
  const cut = new AbortController();
  let cancel = (): void => undefined;
  const onStop = (): void => {
    const message = `the request is under way: its answer is waited for, at most ${STOP_GRACE_MS / 1000} s`;
    emit({ kind: 'warning', code: 'stopping', message });
    cancel = clock.after(STOP_GRACE_MS, () => cut.abort(signal.reason));
  };
  signal.addEventListener('abort', onStop, { once: true });
  try {
    return await api.submit(body, { idempotencyKey, signal: cut.signal });
  } finally {
    signal.removeEventListener('abort', onStop);
    cancel();
  }
}

/**
 * Two answers leave open what became of the request: a refusal of a key that was seen before, which refuses nothing, and
 * a task that is another request's.
 */
async function withDoubt(
  { journal }: GenerateDependencies,
  { localId }: TaskRecord,
  outcome: SubmitOutcome,
): Promise<SubmitOutcome> {
  if (outcome.kind === 'rejected' && outcome.error.facts.charged === 'unknown') {
    const { message, facts } = outcome.error;
    return { kind: 'unknown', reason: message, httpStatus: facts.httpStatus, requestId: facts.requestId };
  }
  if (outcome.kind !== 'accepted') return outcome;
  const { id } = outcome.task;
  const owner = await journal.ownerOf(id, localId).catch(() => localId);
  if (owner === localId) return outcome;
  const reason = `the answer names task ${id}, which is that of request ${owner}`;
  return { kind: 'unknown', reason, requestId: outcome.requestId };
}

/** What was uncertain before stays so until it is accepted: an earlier POST of this record may have been accepted. */
function mayBeAccepted({ unknown }: TaskRecord): boolean {
  return unknown !== undefined;
}

/** This request was not accepted, for certain: the record is what it was before. */
async function takeBack(
  { journal }: Pick<GenerateDependencies, 'journal'>,
  record: TaskRecord,
): Promise<TaskRecord> {
  try {
    return await journal.update(record.localId, { state: mayBeAccepted(record) ? 'unknown' : 'intent' });
  } catch (error) {
    throw mayBeAccepted(record) ? error : nothingSent(error);
  }
}

/** Adds to a local failure before the POST that no money is involved, unless an earlier request may have cost some. */
export function nothingSent(error: unknown): unknown {
  if (!isEvolinkError(error)) return error;
  const charged = error.facts.charged === 'unknown' ? 'unknown' : 'no';
  return error.insisting({ charged }, `${error.message}; nothing was sent`);
}

async function markUnknown(
  { journal }: GenerateDependencies,
  record: TaskRecord,
  { reason, httpStatus, rawBody, requestId }: Extract<SubmitOutcome, { kind: 'unknown' }>,
): Promise<TaskRecord> {
  // The first failure is the one that tells most.
  const unknown = record.unknown ?? { reason, httpStatus, rawBody };
  const change = { state: 'unknown', unknown, requestId } as const;
  // Where the disk fails, the record on it still says `sent`, which a later run reads as unknown just the same.
  return journal.update(record.localId, change).catch(() => ({ ...record, ...change }));
}

/** Records a refusal; the refusal itself is what the person must see, so a failing disk does not replace it. */
async function reject(
  { journal }: GenerateDependencies,
  record: TaskRecord,
  error: EvolinkError,
): Promise<EvolinkError> {
  const { serviceCode } = error.facts;
  const reason = { kind: error.kind, message: error.message, ...(serviceCode ? { code: serviceCode } : {}) };
  const state = mayBeAccepted(record) ? 'unknown' : 'rejected';
  await journal.update(record.localId, { state, error: reason }).catch(() => undefined);
  if (state === 'rejected') return error.with({ charged: 'no', localId: record.localId });
  const message = `${error.message}; whether the first submission was accepted is still unknown`;
  return error.insisting({ ...recordFacts(record), charged: 'unknown' }, message);
}
