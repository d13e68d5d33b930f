import type { TaskSnapshot } from '../api/answers.ts';
import { ApiReadError } from '../api/errors.ts';
import { type Charged, EvolinkError, isEvolinkError } from '../errors.ts';
import { isLoopbackUrl } from '../platform/address-class.ts';
import { chargedIn, type TaskRecord } from './record.ts';

type Ids = Pick<TaskRecord, 'taskId' | 'localId'>;

/** The id that continues a record: the service's where there is one, as it also works on another machine. */
export function continueId(record: Ids): string {
  return record.taskId ?? record.localId;
}

/** The command that continues a record, as an argument array. */
export function resumeCommand(record: Ids): readonly string[] {
  return ['evolink', 'resume', continueId(record)];
}

/** The command that saves the clip of a record once it is finished, without waiting for it. */
export function downloadCommand(record: Ids): readonly string[] {
  return ['evolink', 'download', continueId(record)];
}

/** What every message that ends the program must name once a record exists. */
export function recordFacts(record: TaskRecord) {
  const { localId, taskId, requestId } = record;
  return { localId, taskId, requestId, resume: resumeCommand(record) };
}

/** An error that names the record, what it cost as far as that is known, and what continues it. */
export function named(error: unknown, record: TaskRecord): unknown {
  const isBare = isEvolinkError(error) && error.facts.localId === undefined;
  return isBare ? error.with({ ...recordFacts(record), charged: chargedIn(record) }) : error;
}

/** Of a file among the open records that is none. */
export function leftAlone({ path, reason }: { readonly path: string; readonly reason: string }): string {
  return `left alone in the state folder: ${path} (${reason})`;
}

/** Exit 8: the request may or may not have been accepted; what is known, and what a person can do. */
export function unknownOutcome(record: TaskRecord, found: string): EvolinkError {
  const sentAt = new Date(record.sentAtMs ?? record.createdAtMs).toISOString();
  // A service on this machine has no dashboard.
  const isLocal = isLoopbackUrl(record.apiBaseUrl);
  return new EvolinkError('unknown', "can't tell whether the service accepted this request", {
    details: [
      `sent at ${sentAt}: ${record.unknown?.reason ?? 'the process ended before the answer was read'}`,
      found,
      'the request may have been charged; it is never sent again by itself',
      `if ${isLocal ? 'you know its task' : 'the dashboard shows its task'}: evolink resume ${record.localId} --task TASK_ID`,
      `to send it again on purpose, with the same idempotency key: evolink resume --resubmit ${record.localId}`,
    ],
    hint: 'looking for the task again costs nothing',
    charged: 'unknown',
    httpStatus: record.unknown?.httpStatus,
    ...recordFacts(record),
  });
}

/**
 * Exit 7: the deadline came before the end.
 * @param trouble why the last read failed: whether the task still runs is not known then
 */
export function stillPending(record: TaskRecord, waitedMs: number, trouble?: string): EvolinkError {
  const { taskId, timeline, acceptedAtMs = record.createdAtMs } = record;
  const steps = timeline.map(
    ({ atMs, status }) => `${status} after ${Math.max(0, Math.round((atMs - acceptedAtMs) / 1000))} s`,
  );
  const waited = `after ${Math.round(waitedMs / 1000)} s of waiting`;
  const message =
    trouble === undefined
      ? `task ${taskId} still runs ${waited}`
      : `the state of task ${taskId} is not known ${waited}: the last read failed (${trouble})`;
  return new EvolinkError('pending', message, {
    details: steps.length > 0 ? [`timeline: ${steps.join(', ')}`] : [],
    hint: 'the task goes on at the service and will be billed; waiting longer costs nothing more',
  });
}

/** Exit 9: the task is done, but what the service says of it has no link that can be used. */
export function withoutLink(record: TaskRecord): EvolinkError {
  const resume = downloadCommand(record);
  const message = `task ${record.taskId} is completed, but the service names no usable link to its clip`;
  const hint = `ask again in a while, it costs nothing: ${resume.join(' ')}`;
  return new EvolinkError('download', message, { hint, resume });
}

/** Says whether the API itself does not know the task; a page of something in between says nothing. */
export function isUnknownTask(error: unknown): error is ApiReadError {
  return error instanceof ApiReadError && error.isUnknownTask;
}

/** Why a task that is known by its id alone can't be read: what a person has typed is wrong where the service does not know it. */
export function unreadable(error: EvolinkError, taskId: string): EvolinkError {
  if (!isUnknownTask(error)) return error.with({ taskId });
  const hint =
    'tasks are visible to the account that made them: evolink config shows where the key comes from';
  return new EvolinkError('usage', error.message, { ...error.facts, hint, charged: 'no' });
}

/** Codes of the service's documents that are known to pass by themselves; the list is open. */
const PASSES = /^(service_error|service_unavailable|generation_timeout|resource_exhausted|upstream_error)$/;
/** Codes that mean the same request would fail again. */
const STAYS =
  /^(content_policy_violation|invalid_parameters|image_processing_error|image_dimension_mismatch|resource_not_found)$/;

/** Says whether a task that failed with this code may be submitted again by itself. */
export function isWorthRepeating(code = ''): boolean {
  return PASSES.test(code);
}

/** What a repetition would come to. */
function hintFor(code = ''): string {
  const again = 'running it again is a new paid task';
  if (code === 'request_cancelled') return `it was cancelled at the service; ${again}`;
  if (STAYS.test(code)) return 'the same request would fail again: change the prompt or the media';
  return `${again}${isWorthRepeating(code) ? '; this may pass by itself' : ', and may fail again'}`;
}

/** What the service says of the money of a task that ended without a clip. */
function billingOf({ billing }: TaskSnapshot): readonly [text: string, charged: Charged] {
  const { chargedCredits, refundedCredits, refundStatus } = billing ?? {};
  if (refundStatus === 'completed') return [`the service refunded ${refundedCredits ?? 'its'} credits`, 'no'];
  if (refundStatus === 'pending') return ['the refund is pending', 'unknown'];
  if (refundStatus === 'failed') return ['the service says that the refund failed', 'yes'];
  if (refundStatus === undefined)
    return ['failed tasks are normally refunded: evolink credits shows the balance', 'unknown'];
  if (chargedCredits === 0) return ['nothing was charged', 'no'];
  return ['the service says that no refund is due', chargedCredits === undefined ? 'unknown' : 'yes'];
}

/** Exit 5: the service ended the task without a clip. */
export function taskFailed(record: TaskRecord, task: TaskSnapshot): EvolinkError {
  const { id, status, state, error, requestId = record.requestId } = task;
  const { code: serviceCode, message: reason } = error ?? {};
  const [billing, charged] = billingOf(task);
  const code = serviceCode ? ` (${serviceCode})` : '';
  const message = `task ${id} ended as ${status}${code}: ${reason ?? 'no reason was given'}`;
  return new EvolinkError('task-failed', message, {
    details: [billing],
    hint: hintFor(state === 'cancelled' ? 'request_cancelled' : serviceCode),
    charged,
    retryable: false,
    serviceCode,
    ...recordFacts(record),
    requestId,
    resume: undefined,
  });
}
