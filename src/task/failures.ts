import type { TaskSnapshot } from '../api/answers.ts';
import { EvolinkError } from '../errors.ts';
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

/** Exit 8: the submission may or may not have been taken; what is known, and what a person can do. */
export function unknownOutcome(record: TaskRecord, found: string): EvolinkError {
  const sentAt = new Date(record.sentAtMs ?? record.createdAtMs).toISOString();
  return new EvolinkError('unknown', 'it is unknown whether the service has taken this request', {
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

/** Exit 7: the deadline came, the task still runs. */
export function stillPending(record: TaskRecord, waitedMs: number): EvolinkError {
  const startMs = record.acceptedAtMs ?? record.createdAtMs;
  const steps = record.timeline.map(
    ({ atMs, status }) => `${status} after ${Math.max(0, Math.round((atMs - startMs) / 1000))} s`,
  );
  return new EvolinkError(
    'pending',
    `task ${record.taskId} still runs after ${Math.round(waitedMs / 1000)} s of waiting`,
    {
      details: steps.length > 0 ? [`timeline: ${steps.join(', ')}`] : [],
      hint: 'generation and billing go on; nothing is lost by waiting longer',
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

/** Codes that mean the same request would fail again (list of the service's documents). */
const NOT_WORTH_REPEATING: ReadonlySet<string> = new Set([
  'content_policy_violation',
  'invalid_parameters',
  'image_processing_error',
  'image_dimension_mismatch',
  'request_cancelled',
  'resource_not_found',
]);

/** Says whether a task that failed with this code may succeed when it is bought again. */
export function isWorthRepeating(code: string | undefined): boolean {
  return code !== undefined && !NOT_WORTH_REPEATING.has(code);
}

/** Exit 5: the service ended the task without a clip. */
export function taskFailed(record: TaskRecord, task: TaskSnapshot): EvolinkError {
  const code = task.error?.code;
  const reason =
    task.error?.message ?? (task.state === 'cancelled' ? 'the task was cancelled' : 'no reason was given');
  return new EvolinkError(
    'task-failed',
    `task ${task.id} ended as ${task.status}${code ? ` (${code})` : ''}: ${reason}`,
    {
      details: ['failed tasks are normally refunded: evolink credits shows the balance'],
      hint: isWorthRepeating(code)
        ? 'this may pass with the same request later; running it again is a new paid task'
        : 'the same request would fail again: change the prompt or the media',
      charged: 'unknown',
      retryable: false,
      serviceCode: code,
      ...recordFacts(record),
      requestId: task.requestId ?? record.requestId,
      resume: undefined,
    },
  );
}
