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
  if (record.state === 'intent') record = await submitTask(deps, record, options);
  else if (record.state === 'sent' || record.state === 'unknown')
    record = await settleInTurn(deps, record, options.signal);
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

/** Looked for while no other request of this run is under way, so that its task is not taken for this one's. */
async function settleInTurn(
  deps: GenerateDependencies,
  record: TaskRecord,
  signal: AbortSignal,
): Promise<TaskRecord> {
  const endTurn = await deps.takeSubmitTurn?.(signal);
  try {
    return await settleOrFail(deps, record);
  } finally {
    endTurn?.();
  }
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
