import { EvolinkError, isEvolinkError } from '../errors.ts';
import type { TaskRecord } from '../journal/record.ts';
import type { GenerateDependencies } from './dependencies.ts';
import type { TaskResult } from './events.ts';
import { downloadCommand, recordFacts } from './failures.ts';
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
  return saveTask(deps, await withLiveLinks(deps, record), options.signal);
}

/** Links of an API at another address (a sandbox that was started anew) lead nowhere: this one is asked for its own. */
async function withLiveLinks(deps: GenerateDependencies, record: TaskRecord): Promise<TaskRecord> {
  if (record.apiBaseUrl === deps.api.baseUrl || record.taskId === undefined) return record;
  try {
    const { links } = await deps.api.getTask(record.taskId);
    if (links.length === 0) return record;
    return await deps.journal.update(record.localId, { links, apiBaseUrl: deps.api.baseUrl });
  } catch {
    // What is known may still work, and says best what is wrong if it does not.
    return record;
  }
}

/** Looked for while no other request of this run is under way, so that its task is not taken for this one's. */
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

function submitted(record: TaskRecord): TaskResult {
  return {
    localId: record.localId,
    taskId: record.taskId,
    state: 'submitted',
    next: downloadCommand(record),
    operation: record.operation,
    model: record.body?.model,
    estimatedCredits: record.estimatedCredits,
    reservedCredits: record.reservedCredits,
    warnings: [],
  };
}
