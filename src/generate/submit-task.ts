import { decideSubmit } from '../api/retry.ts';
import type { SubmitOutcome, TaskSnapshot } from '../api/types.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import { saveFallback } from '../journal/fallback.ts';
import type { RecordChange, TaskRecord } from '../journal/record.ts';
import type { GenerateDependencies } from './dependencies.ts';
import { recordFacts, unknownOutcome } from './failures.ts';
import { settleUnknown } from './settle-unknown.ts';

/** Bound on all waits for a service that says it has not taken the request. */
const SUBMIT_PATIENCE_MS = 5 * 60_000;

/**
 * Sends the paid request of a record in state `intent`, at most once unless it is certain that the service did not
 * take it, and writes each step to the journal before the next. The only caller of `api.submit`.
 * @returns the record in state `accepted`
 * @throws EvolinkError `unknown` when nobody can tell whether it was taken; `local-io` when the state folder fails
 * (before the POST: nothing was sent); the service's refusal otherwise
 */
export async function submitTask(
  deps: GenerateDependencies,
  record: TaskRecord,
  signal: AbortSignal,
): Promise<TaskRecord> {
  const { body, idempotencyKey } = record;
  if (body === undefined || idempotencyKey === undefined) {
    throw new EvolinkError('internal', `record ${record.localId} holds no request`, recordFacts(record));
  }
  let startedMs: number | undefined;
  let sent = record;
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    const endTurn = await deps.takeSubmitTurn?.(signal);
    let delayMs: number;
    try {
      startedMs ??= deps.clock.now();
      sent = await markSent(deps, sent);
      // From here to the answer an abort must not cut the call: the answer is what tells whether money was spent.
      const outcome = await deps.api.submit(body, { idempotencyKey });
      if (outcome.kind === 'accepted') return await accept(deps, sent, outcome.task, outcome.requestId);
      if (outcome.kind === 'unknown') return await settleOrFail(deps, await markUnknown(deps, sent, outcome));
      if (outcome.kind === 'rejected') throw await reject(deps, sent, outcome.error);
      const decision = decideSubmit({
        attempt,
        outcome,
        elapsedMs: deps.clock.now() - startedMs,
        patienceMs: SUBMIT_PATIENCE_MS,
        random: deps.clock.random(),
      });
      if (decision.kind === 'stop') throw await reject(deps, sent, outcome.error);
      sent = await deps.journal.update(sent.localId, { state: 'intent' });
      deps.emit({ kind: 'submit-retry', reason: outcome.error.message, delayMs: decision.delayMs });
      delayMs = decision.delayMs;
    } finally {
      endTurn?.();
    }
    await deps.clock.sleep(delayMs, signal);
  }
}

/** A state folder that fails here fails before the POST: the caller's promise "nothing was sent" holds. */
async function markSent(deps: GenerateDependencies, record: TaskRecord): Promise<TaskRecord> {
  deps.emit({ kind: 'submitting', localId: record.localId });
  try {
    return await deps.journal.update(record.localId, { state: 'sent', sentAtMs: deps.clock.now() });
  } catch (error) {
    throw nothingSent(error);
  }
}

/** Adds to a local failure before the POST that no money is involved. */
export function nothingSent(error: unknown): unknown {
  if (!isEvolinkError(error)) return error;
  return new EvolinkError(error.kind, `${error.message}; nothing was sent`, {
    ...error.facts,
    charged: 'no',
  });
}

/** What an accepted task adds to its record. */
export function acceptedChange(task: TaskSnapshot, nowMs: number): RecordChange {
  return {
    state: 'accepted',
    taskId: task.id,
    acceptedAtMs: nowMs,
    reservedCredits: task.reservedCredits,
    estimatedSeconds: task.estimatedSeconds,
    requestId: task.requestId,
    timeline: [{ atMs: nowMs, status: task.status }],
  };
}

/** The task id is on the disk before anybody is told; if the disk fails now, the person is the last copy. */
async function accept(
  deps: GenerateDependencies,
  record: TaskRecord,
  task: TaskSnapshot,
  requestId: string | undefined,
): Promise<TaskRecord> {
  const change = { ...acceptedChange(task, deps.clock.now()), requestId: requestId ?? task.requestId };
  try {
    const accepted = await deps.journal.update(record.localId, change);
    emitAccepted(deps, accepted);
    return accepted;
  } catch (error) {
    throw await rescue(deps, { ...record, ...change }, error);
  }
}

function emitAccepted(deps: GenerateDependencies, record: TaskRecord): void {
  deps.emit({
    kind: 'accepted',
    localId: record.localId,
    taskId: record.taskId ?? '',
    reservedCredits: record.reservedCredits,
    estimatedCredits: record.estimatedCredits,
    estimatedSeconds: record.estimatedSeconds,
  });
}

async function rescue(deps: GenerateDependencies, record: TaskRecord, error: unknown): Promise<EvolinkError> {
  const path = await saveFallback(record, deps.workingFolder);
  const reason = isEvolinkError(error) ? error.message : 'the state folder failed';
  return new EvolinkError(
    'local-io',
    `the service took task ${record.taskId}, but its record could not be saved: ${reason}`,
    {
      details: [
        path === undefined
          ? 'no emergency record could be written: keep the task id'
          : `emergency record: ${path}`,
      ],
      hint: `after making room: evolink download ${record.taskId}`,
      charged: 'yes',
      ...recordFacts(record),
      resume: ['evolink', 'download', record.taskId ?? ''],
    },
  );
}

async function markUnknown(
  deps: GenerateDependencies,
  record: TaskRecord,
  outcome: Extract<SubmitOutcome, { kind: 'unknown' }>,
): Promise<TaskRecord> {
  const unknown = { reason: outcome.reason, httpStatus: outcome.httpStatus, rawBody: outcome.rawBody };
  const change = { state: 'unknown', unknown, requestId: outcome.requestId } as const;
  try {
    return await deps.journal.update(record.localId, change);
  } catch {
    // The record on disk still says `sent`, which a later run reads as unknown just the same.
    return { ...record, ...change };
  }
}

/**
 * Settles a record whose submission is uncertain, or says that it can't be.
 * @throws EvolinkError `unknown`
 */
export async function settleOrFail(deps: GenerateDependencies, record: TaskRecord): Promise<TaskRecord> {
  const settlement = await settleUnknown(deps, record).catch((error: unknown) => {
    if (!isEvolinkError(error)) throw error;
    return { kind: 'unsettled', finding: `the task list could not be read: ${error.message}` } as const;
  });
  if (settlement.kind === 'unsettled') throw unknownOutcome(record, settlement.finding);
  deps.emit({
    kind: 'warning',
    code: 'settled',
    message: `the answer to the submission was lost; task ${settlement.taskId} is the only one that fits and is taken as this request's`,
  });
  const nowMs = deps.clock.now();
  const task: TaskSnapshot = {
    id: settlement.taskId,
    state: 'running',
    status: 'pending',
    isKnownStatus: true,
    links: [],
  };
  const accepted = await deps.journal.update(record.localId, acceptedChange(task, record.sentAtMs ?? nowMs));
  emitAccepted(deps, accepted);
  return accepted;
}

/** Records a refusal; the refusal itself is what the person must see, so a failing disk does not replace it. */
async function reject(
  deps: GenerateDependencies,
  record: TaskRecord,
  error: EvolinkError,
): Promise<EvolinkError> {
  const change: RecordChange = {
    state: 'rejected',
    error: {
      kind: error.kind,
      message: error.message,
      ...(error.facts.serviceCode ? { code: error.facts.serviceCode } : {}),
    },
  };
  await deps.journal.update(record.localId, change).catch(() => undefined);
  return error.with({ charged: 'no', localId: record.localId });
}
