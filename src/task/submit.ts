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
  const { api, journal, clock, emit } = deps;
  const { localId, body, idempotencyKey } = record;
  if (body === undefined || idempotencyKey === undefined)
    throw new EvolinkError('internal', `record ${localId} holds no request`);
  // What was uncertain stays so until it is accepted: an earlier POST of this record may have been.
  const isResent = record.unknown !== undefined;
  const unsent = (error: unknown): unknown => (isResent ? error : nothingSent(error));
  /** It was not accepted, for certain: the record is what it was before. */
  const takeBack = async (): Promise<void> => {
    const state = isResent ? 'unknown' : 'intent';
    const before = await journal.update(localId, { state }).catch((error: unknown) => {
      throw unsent(error);
    });
    onRecord(before);
  };
  /** A state folder that fails here fails before the POST: the caller's promise "nothing was sent" holds. */
  const markSent = async (isRecorded: boolean): Promise<TaskRecord> => {
    emit({ kind: 'submitting', localId });
    const nowMs = clock.now();
    // Of a request that is sent again on purpose the task may be that of the first sending or of this one.
    const change = { state: 'sent', ...(isResent ? { resentAtMs: nowMs } : { sentAtMs: nowMs }) } as const;
    try {
      if (isRecorded) return await journal.update(localId, change);
      // A new request gets onto the disk as it is sent, the record and its name before anything leaves.
      const sent = { ...record, ...change, updatedAtMs: nowMs };
      await journal.create(sent);
      return sent;
    } catch (error) {
      // The new state may have reached the disk before the failure: a later run would believe the worst.
      const isOthers = isEvolinkError(error) && error.kind === 'locked';
      if (isRecorded && !isOthers) await takeBack().catch(() => undefined);
      throw unsent(error);
    }
  };
  /** Records a refusal; the refusal itself is what the person must see, so a failing disk does not replace it. */
  const reject = async (error: EvolinkError): Promise<EvolinkError> => {
    const { kind, message, facts } = error;
    const reason = { kind, message, code: facts.serviceCode };
    const state = isResent ? 'unknown' : 'rejected';
    await journal.update(localId, { state, error: reason }).catch(() => undefined);
    if (!isResent) return error.with({ charged: 'no', localId });
    const doubt = `${message}; whether the first submission was accepted is still unknown`;
    return error.insisting({ ...recordFacts(record), charged: 'unknown' }, doubt);
  };
  /** Nobody knows what became of it; then a look at the list may tell. */
  const settle = async (sent: TaskRecord, lost: Omit<Lost, 'kind'>): Promise<TaskRecord> => {
    const { reason, httpStatus, rawBody, requestId } = lost;
    // The first failure is the one that tells most.
    const unknown = record.unknown ?? { reason, httpStatus, rawBody };
    const change = { state: 'unknown', unknown, requestId } as const;
    // Where the disk fails, the record on it still says `sent`, which a later run reads as unknown just the same.
    const uncertain = await journal.update(localId, change).catch(() => ({ ...sent, ...change }));
    onRecord(uncertain);
    return settleOrFail(deps, uncertain, signal);
  };

  // Loading code takes far longer than sending: a process that dies in between would leave its request uncertain.
  api.prepare();
  let giveUpAtMs: number | undefined;
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    const endTurn = await deps.takeSubmitTurn?.(signal);
    let delayMs: number | undefined;
    try {
      giveUpAtMs ??= clock.monotonicMs() + SUBMIT_PATIENCE_MS;
      const sent = await markSent(isResent || attempt > 1);
      onRecord(sent);
      // Whoever takes the lock from here on sees `sent`, and sends nothing. The record may be in the hands of another process.
      if (!(await journal.holds(record.identity)))
        throw new EvolinkError(
          'locked',
          'another process holds the lock of this request now; nothing was sent',
          {
            hint: 'wait until it ends, then run the command again',
            charged: isResent ? 'unknown' : 'no',
            ...recordFacts(sent),
          },
        );
      if (signal.aborted) await takeBack();
      signal.throwIfAborted();
      const outcome = await sendRequest(deps, { body, idempotencyKey }, signal);
      if (outcome.kind === 'accepted') {
        const { id, requestId } = outcome.task;
        const owner = await journal.ownerOf(id, localId).catch(() => localId);
        if (owner === localId) return await acceptTask(deps, sent, outcome.task, clock.now());
        // A task that is another request's leaves open what became of this one.
        const reason = `the answer names task ${id}, which is that of request ${owner}`;
        return await settle(sent, { reason, requestId });
      }
      if (outcome.kind === 'unknown') return await settle(sent, outcome);
      const leftMs = giveUpAtMs - clock.monotonicMs();
      delayMs = resubmitDelayMs(outcome, attempt, leftMs, clock.random());
      if (delayMs === undefined) throw await reject(outcome.error);
      await takeBack();
      emit({ kind: 'submit-retry', reason: outcome.error.message, delayMs });
    } finally {
      endTurn?.();
    }
    await clock.sleep(delayMs, signal);
  }
}

type Lost = Extract<SubmitOutcome, { readonly kind: 'unknown' }>;

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
  signal.addEventListener('abort', onStop);
  try {
    return await api.submit(body, { idempotencyKey, signal: cut.signal });
  } finally {
    signal.removeEventListener('abort', onStop);
    cancel();
  }
}

/** Adds to a local failure before the POST that no money is involved, unless an earlier request may have cost some. */
export function nothingSent(error: unknown): unknown {
  if (!isEvolinkError(error)) return error;
  const charged = error.facts.charged === 'unknown' ? 'unknown' : 'no';
  return error.insisting({ charged }, `${error.message}; nothing was sent`);
}
