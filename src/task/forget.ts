import { EvolinkError, isEvolinkError } from '../errors.ts';
import type { GenerateDependencies } from './events.ts';
import { downloadCommand, isUnknownTask, recordFacts, resumeCommand } from './failures.ts';
import type { TaskRecord } from './record.ts';
import { settleUnknown } from './settle.ts';
import { readPatiently } from './wait.ts';

/** What a last look found of a record that is to be dismissed. */
export interface LastLook {
  readonly record: TaskRecord;
  /** For people. */
  readonly finding: string;
}

/**
 * Looks once more for what a record may stand for: its task, or one of the task list. Costs nothing.
 * @throws EvolinkError `usage` where there is something to save, or nothing to dismiss; what the look itself throws
 */
export async function lookOnceMore(
  deps: GenerateDependencies,
  record: TaskRecord,
  signal: AbortSignal,
): Promise<LastLook> {
  const { state, taskId, localId } = record;
  if (state === 'saved' || state === 'rejected' || state === 'failed' || state === 'expired')
    throw refuse(record, `${localId} is ${state}: there is nothing to dismiss`, downloadCommand(record));
  if (state === 'intent')
    throw refuse(record, `${localId} was never submitted; resume closes it`, resumeCommand(record));
  if (taskId === undefined) {
    const settlement = await settleUnknown(deps, record, signal);
    if (settlement.kind === 'unsettled') return { record, finding: settlement.finding };
    throw refuse(record, `its task was found: ${settlement.taskId}`, resumeCommand(record));
  }
  try {
    const { status } = await readPatiently(deps, taskId, signal);
    throw refuse(record, `task ${taskId} exists, its status is ${status}`, resumeCommand(record));
  } catch (error) {
    if (!isEvolinkError(error) || !isUnknownTask(error)) throw error;
    return { record, finding: `the service does not know task ${taskId}` };
  }
}

function refuse(record: TaskRecord, message: string, command: readonly string[]): EvolinkError {
  const isPaid = record.state === 'saved' || record.taskId !== undefined;
  return new EvolinkError('usage', message, {
    ...recordFacts(record),
    hint: command.join(' '),
    charged: isPaid ? 'yes' : 'unknown',
    resume: command,
  });
}

/**
 * Notes that a person has judged a record: the same request is new from now on. The caller has looked once more.
 * @throws EvolinkError `locked` while a process works on it; `usage` where it went on meanwhile
 */
export async function dismiss(
  deps: GenerateDependencies,
  seen: TaskRecord,
  signal: AbortSignal,
): Promise<void> {
  const lock = await deps.journal.lock(seen.identity, { waitMs: deps.lockWaitMs, signal });
  try {
    const record = await deps.journal.find(seen.localId);
    if (record === undefined || record.state !== seen.state || record.taskId !== seen.taskId)
      throw refuse(seen, `${seen.localId} has changed meanwhile; nothing was dismissed`, resumeCommand(seen));
    await deps.journal.update(record.localId, { state: 'dismissed' });
  } finally {
    await lock.release().catch(() => undefined);
  }
}
