import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isRecord } from './read-json-body.ts';
import type { SandboxTask } from './sandbox-task.ts';

/** Where tasks outlive the process: one file a task, so that several processes may share the folder. */
export interface TaskStore {
  load(): readonly SandboxTask[];
  read(id: string): SandboxTask | undefined;
  save(task: SandboxTask): void;
}

/** Without a folder nothing is kept. Files that do not fit are ignored. */
export function createTaskStore(stateFolder: string | undefined): TaskStore {
  if (stateFolder === undefined) return { load: () => [], read: () => undefined, save: () => {} };
  const folder = join(stateFolder, 'tasks');
  mkdirSync(folder, { recursive: true, mode: 0o700 });

  const read = (name: string): SandboxTask | undefined => {
    try {
      const value: unknown = JSON.parse(readFileSync(join(folder, name), 'utf8'));
      return isSandboxTask(value) ? value : undefined;
    } catch {
      return undefined; // Absent, or torn by a kill: this server then has no such task.
    }
  };

  return {
    load: () =>
      readdirSync(folder)
        .filter((name) => name.endsWith('.json'))
        .map(read)
        .filter((task) => task !== undefined),
    read: (id) => read(`${id}.json`),
    // Synchronous on purpose: the answer to a submit must not overtake its record.
    save: (task) => {
      const path = join(folder, `${task.id}.json`);
      const temporary = `${path}.${randomUUID()}.tmp`; // Another process may save the same task.
      writeFileSync(temporary, JSON.stringify(task), { mode: 0o600 });
      renameSync(temporary, path);
    },
  };
}

function isSandboxTask(value: unknown): value is SandboxTask {
  return (
    isRecord(value) &&
    value.schemaVersion === 1 &&
    typeof value.id === 'string' &&
    isRecord(value.spec) &&
    isRecord(value.fate)
  );
}
