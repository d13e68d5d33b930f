import { createHash } from 'node:crypto';
import type { TaskSnapshot } from '../api/types.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import type { TaskRecord } from '../journal/record.ts';
import type { GenerateDependencies } from './dependencies.ts';
import { recordFacts } from './failures.ts';
import { fitsTime } from './settle-unknown.ts';
import { acceptTask } from './submit-task.ts';

/**
 * Takes a task that a person has found as that of an uncertain request. Sends nothing that costs.
 * @returns the record in state `accepted`
 * @throws EvolinkError `usage` where the task can't be the request's: it is another record's, or of another model; `locked`;
 * what reading the task throws
 */
export async function claimTask(
  deps: GenerateDependencies,
  record: TaskRecord,
  { taskId, signal }: { readonly taskId: string; readonly signal: AbortSignal },
): Promise<TaskRecord> {
  const refuse = (reason: string): EvolinkError =>
    new EvolinkError('usage', `task ${taskId} is not that of request ${record.localId}: ${reason}`, {
      hint: `look again, it costs nothing: evolink resume ${record.localId}`,
      charged: 'unknown',
      ...recordFacts(record),
    });
  if (record.state === 'intent') {
    throw new EvolinkError('usage', `request ${record.localId} was never sent, so no task is that of it`, {
      charged: 'no',
    });
  }
  const lock = await deps.journal
    .lock(taskLock(taskId), { waitMs: deps.lockWaitMs, signal })
    .catch((error: unknown) => {
      if (!isEvolinkError(error)) throw error;
      const facts = { ...error.facts, ...recordFacts(record), charged: 'unknown' } as const;
      throw new EvolinkError(error.kind, error.message, facts);
    });
  try {
    const owner = await ownerOf(deps, taskId);
    if (owner !== undefined && owner.localId !== record.localId)
      throw refuse(`it is that of request ${owner.localId}`);
    const task = await deps.api.getTask(taskId, signal).catch((error: unknown) => {
      if (!isEvolinkError(error)) throw error;
      if (error.kind === 'task-failed') throw refuse(error.message);
      throw new EvolinkError(error.kind, error.message, { ...error.facts, charged: 'unknown' });
    });
    const model = record.body?.model;
    if (task.model !== undefined && model !== undefined && task.model !== model)
      throw refuse(`it was made by ${task.model}, and ${model} was asked for`);
    warnOfTime(deps, record, task);
    return await acceptTask(deps, record, { task, atMs: record.sentAtMs ?? deps.clock.now() });
  } finally {
    await lock.release().catch(() => undefined);
  }
}

/** Clocks are set right now and then, so a time that does not fit is no proof. */
function warnOfTime(deps: GenerateDependencies, record: TaskRecord, task: TaskSnapshot): void {
  const { submitWindowMs, clock } = deps;
  if (task.createdAtMs === undefined || fitsTime(record, task, { nowMs: clock.now(), submitWindowMs }))
    return;
  const [made, sent] = [task.createdAtMs, record.sentAtMs ?? record.createdAtMs].map((atMs) =>
    new Date(atMs).toISOString(),
  );
  const message = `task ${task.id} was made at ${made}, and the request was sent at ${sent}: is it the right one?`;
  deps.emit({ kind: 'warning', code: 'claim', message });
}

/** Two requests must not be given one task at the same time. Locks have names of 64 hex digits. */
function taskLock(taskId: string): string {
  return createHash('sha256').update(`task ${taskId}`).digest('hex');
}

/** The record whose request made the task; one that was only saved by its id may be that of any. */
async function ownerOf({ journal }: GenerateDependencies, taskId: string): Promise<TaskRecord | undefined> {
  for await (const record of journal.readAll())
    if (record.taskId === taskId && record.sentAtMs !== undefined) return record;
  return undefined;
}
