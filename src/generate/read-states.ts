import pMap from 'p-map';
import type { TaskSnapshot } from '../api/types.ts';
import { type EvolinkError, isEvolinkError } from '../errors.ts';
import type { GenerateDependencies } from './dependencies.ts';

const CONCURRENCY = 4;

/** What the service says of tasks; one that can't be read is told with the reason. */
export interface TaskStates {
  readonly snapshots: ReadonlyMap<string, TaskSnapshot>;
  readonly troubles: ReadonlyMap<string, EvolinkError>;
}

/**
 * Reads many tasks: in batches where the service has them, else one by one, a few at a time. Ids that a batch leaves out
 * are asked for singly, as only that says why.
 * @throws EvolinkError `auth`, which no other task would fare better with
 */
export async function readStates(
  { api }: Pick<GenerateDependencies, 'api'>,
  taskIds: readonly string[],
  signal: AbortSignal,
): Promise<TaskStates> {
  const snapshots = new Map<string, TaskSnapshot>();
  const troubles = new Map<string, EvolinkError>();
  if (taskIds.length > 1) {
    const batch = await api.getTasks(taskIds, signal).catch(ignoreUnlessAuth);
    for (const task of batch ?? []) snapshots.set(task.id, task);
  }
  const missing = taskIds.filter((id) => !snapshots.has(id));
  const readOne = async (id: string): Promise<void> => {
    try {
      snapshots.set(id, await api.getTask(id, signal));
    } catch (error) {
      if (!isEvolinkError(error) || error.kind === 'auth') throw error;
      troubles.set(id, error);
    }
  };
  await pMap(missing, readOne, { concurrency: CONCURRENCY });
  return { snapshots, troubles };
}

function ignoreUnlessAuth(error: unknown): undefined {
  if (!isEvolinkError(error) || error.kind === 'auth') throw error;
  return undefined;
}
