import type { TaskSnapshot } from '../api/answers.ts';
import { ApiReadError } from '../api/errors.ts';
import { type Charged, EvolinkError } from '../errors.ts';
import type { TaskRecord } from './record.ts';

/** The id that continues a record: the service's where there is one, as it also works on another machine. */
export function continueId(record: Pick<TaskRecord, 'taskId' | 'localId'>): string {
  return record.taskId ?? record.localId;
}

/** The command that continues a record, as an argument array. */
export function resumeCommand(record: Pick<TaskRecord, 'taskId' | 'localId'>): readonly string[] {
  return ['evolink', 'resume', continueId(record)];
}

/** The command that saves the clip of a record once it is finished, without waiting for it. */
export function downloadCommand(record: Pick<TaskRecord, 'taskId' | 'localId'>): readonly string[] {
  return ['evolink', 'download', continueId(record)];
}

/** What every message that ends the program must name once a record exists. */
export function recordFacts(record: TaskRecord) {
  return {
    localId: record.localId,
    taskId: record.taskId,
    requestId: record.requestId,
    resume: resumeCommand(record),
  };
}

/** Exit 8: the request may or may not have been accepted; what is known, and what a person can do. */
export function unknownOutcome(record: TaskRecord, found: string): EvolinkError {
  const sentAt = new Date(record.sentAtMs ?? record.createdAtMs).toISOString();
  return new EvolinkError('unknown', "can't tell whether the service accepted this request", {
    details: [
      `sent at ${sentAt}: ${record.unknown?.reason ?? 'the process ended before the answer was read'}`,
      found,
      'the request may have been charged; it is never sent again by itself',
      `if the dashboard shows its task: evolink resume ${record.localId} --task TASK_ID`,
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
  const startMs = record.acceptedAtMs ?? record.createdAtMs;
  const steps = record.timeline.map(
    ({ atMs, status }) => `${status} after ${Math.max(0, Math.round((atMs - startMs) / 1000))} s`,
  );
  const waited = `after ${Math.round(waitedMs / 1000)} s of waiting`;
  return new EvolinkError(
    'pending',
    trouble === undefined
      ? `task ${record.taskId} still runs ${waited}`
      : `the state of task ${record.taskId} is not known ${waited}: the last read failed (${trouble})`,
    {
      details: steps.length > 0 ? [`timeline: ${steps.join(', ')}`] : [],
      hint:
        trouble === undefined
          ? 'the task keeps running and will be billed; waiting longer costs nothing more'
          : 'the task is safe at the service; reading it again costs nothing',
      charged: 'yes',
      ...recordFacts(record),
    },
  );
}

/** Exit 9: the task is done, but what the service says of it has no link that can be used. */
export function withoutLink(record: TaskRecord): EvolinkError {
  const command = downloadCommand(record);
  return new EvolinkError(
    'download',
    `task ${record.taskId} is completed, but the service names no usable link to its clip`,
    {
      hint: `ask again in a while, it costs nothing: ${command.join(' ')}`,
      charged: 'yes',
      ...recordFacts(record),
      resume: command,
    },
  );
}

/** Says whether the API itself does not know the task; a page of something in between says nothing. */
export function isUnknownTask(error: unknown): boolean {
  return error instanceof ApiReadError && error.isUnknownTask;
}

/** Codes that mean the same request would fail again (list of the service's documents). */
const NOT_WORTH_REPEATING: ReadonlySet<string> = new Set([
  'content_policy_violation',
  'invalid_parameters',
  'image_processing_error',
  'image_dimension_mismatch',
  'resource_not_found',
]);

/** Codes that are known to pass by themselves; the list of codes is open, and any other may fail again. */
const PASSING: ReadonlySet<string> = new Set([
  'service_error',
  'service_unavailable',
  'generation_timeout',
  'resource_exhausted',
  'upstream_error',
]);

/** Says whether a task that failed with this code may be submitted again by itself. */
export function isWorthRepeating(code: string | undefined): boolean {
  return code !== undefined && PASSING.has(code);
}

function hintFor(task: TaskSnapshot): string {
  const code = task.error?.code;
  if (task.state === 'cancelled' || code === 'request_cancelled')
    return 'it was cancelled at the service; the same command submits the request again, as a new paid task';
  if (isWorthRepeating(code))
    return 'this may pass with the same request later; running it again is a new paid task';
  if (code !== undefined && NOT_WORTH_REPEATING.has(code))
    return 'the same request would fail again: change the prompt or the media';
  return 'running it again is a new paid task, and may fail again';
}

/** What the service says of the money of a task that ended without a clip. */
function billingOf({ billing }: TaskSnapshot): { readonly text: string; readonly charged: Charged } {
  const { chargedCredits, refundedCredits, refundStatus } = billing ?? {};
  const amount = refundedCredits === undefined ? '' : ` ${refundedCredits} credits`;
  switch (refundStatus) {
    case 'completed':
      return { text: `the service refunded${amount}`, charged: 'no' };
    case 'pending':
      return { text: `the refund of${amount || ' this task'} is pending`, charged: 'unknown' };
    case 'failed':
      return { text: 'the service says that the refund failed', charged: 'yes' };
    case 'not_required':
      return chargedCredits === undefined || chargedCredits > 0
        ? {
            text: 'the service says that no refund is due',
            charged: chargedCredits === undefined ? 'unknown' : 'yes',
          }
        : { text: 'nothing was charged', charged: 'no' };
    default:
      return {
        text: 'failed tasks are normally refunded: evolink credits shows the balance',
        charged: 'unknown',
      };
  }
}

/** Exit 5: the service ended the task without a clip. */
export function taskFailed(record: TaskRecord, task: TaskSnapshot): EvolinkError {
  const code = task.error?.code;
  const billing = billingOf(task);
  const reason =
    task.error?.message ?? (task.state === 'cancelled' ? 'the task was cancelled' : 'no reason was given');
  return new EvolinkError(
    'task-failed',
    `task ${task.id} ended as ${task.status}${code ? ` (${code})` : ''}: ${reason}`,
    {
      details: [billing.text],
      hint: hintFor(task),
      charged: billing.charged,
      retryable: false,
      serviceCode: code,
      ...recordFacts(record),
      requestId: task.requestId ?? record.requestId,
      resume: undefined,
    },
  );
}
