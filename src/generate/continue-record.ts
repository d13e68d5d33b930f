import { EvolinkError } from '../errors.ts';
import type { TaskRecord } from '../journal/record.ts';
import type { GenerateDependencies } from './dependencies.ts';
import type { TaskResult } from './events.ts';
import { recordFacts } from './failures.ts';
import { saveTask } from './save-task.ts';
import { settleOrFail, submitTask } from './submit-task.ts';
import { waitForTask } from './wait-for-task.ts';

export interface ContinueOptions {
  /** False: stop as soon as the task is taken. */
  readonly isWaiting: boolean;
  readonly waitTimeoutMs: number;
  readonly signal: AbortSignal;
  readonly onRecord: (record: TaskRecord) => void;
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
  let record = start;
  options.onRecord(record);
  if (record.state === 'intent') record = await submitTask(deps, record, options.signal);
  else if (record.state === 'sent' || record.state === 'unknown') record = await settleOrFail(deps, record);
  options.onRecord(record);
  if (!options.isWaiting) return submitted(record);
  if (record.state === 'accepted') {
    const { waitTimeoutMs: timeoutMs, signal } = options;
    record = await waitForTask(deps, record, { timeoutMs, signal });
  }
  if (record.state !== 'completed') {
    throw new EvolinkError(
      'internal',
      `record ${record.localId} can't be continued from state ${record.state}`,
      recordFacts(record),
    );
  }
  return saveTask(deps, record, options.signal);
}

function submitted(record: TaskRecord): TaskResult {
  return {
    localId: record.localId,
    taskId: record.taskId,
    state: 'submitted',
    operation: record.operation,
    model: record.body?.model,
    estimatedCredits: record.estimatedCredits,
    reservedCredits: record.reservedCredits,
    warnings: [],
  };
}
