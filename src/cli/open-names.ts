import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Says that there is something to go on with in the sandbox, for who has left out `--sandbox`; undefined where there is not. */
export function sandboxHint(stateFolder: string): string | undefined {
  const count = openNames(join(stateFolder, 'sandbox')).length;
  if (count === 0) return undefined;
  return `${count === 1 ? 'a task' : `${count} tasks`} of the sandbox can be continued: evolink resume --sandbox`;
}

/** The names of open records in a state folder. @throws the system's error, unless there is no such folder */
export function openNames(stateFolder: string): readonly string[] {
  try {
    return readdirSync(join(stateFolder, 'tasks', 'open')).filter((name) => !name.startsWith('.'));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}
