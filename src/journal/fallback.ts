import { join } from 'node:path';
import { replaceDurably } from '../platform/durable-file.ts';
import { formatRecord } from './parse-record.ts';
import type { TaskRecord } from './record.ts';

/**
 * Writes a record to `evolink-task-<id>.json` in the working directory: the way out when the service has taken a task
 * and the state folder fails. Returns the path, or undefined when that fails too. Never throws.
 */
export async function saveFallback(record: TaskRecord, cwd: string): Promise<string | undefined> {
  const id = (record.taskId ?? record.localId).replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, 64);
  const path = join(cwd, `evolink-task-${id}.json`);
  try {
    await replaceDurably(path, formatRecord(record));
    return path;
  } catch {
    return undefined;
  }
}
