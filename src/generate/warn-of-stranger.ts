import { exists } from '../download/has-content.ts';
import type { TaskRecord } from '../journal/record.ts';
import { numberedPaths } from '../platform/publish-file.ts';
import { quoteCommand } from '../ui/quote-command.ts';
import type { GenerateDependencies } from './dependencies.ts';
import { downloadCommand } from './failures.ts';

/** Says that a file which is none of the task's was kept, and how the clip that was paid for is saved beside it. */
export async function warnOfStranger(
  { emit }: Pick<GenerateDependencies, 'emit'>,
  record: TaskRecord,
  path: string,
): Promise<void> {
  const command = quoteCommand([...downloadCommand(record), '-o', await freeName(path)]);
  const message = `"${path}" is another file and was left alone; the clip of task ${record.taskId} is paid for and not saved yet; to save it beside: ${command}`;
  emit({ kind: 'warning', code: 'not-saved', message });
}

/** The first of `clip-2.mp4`, `clip-3.mp4`, … that is free. */
async function freeName(path: string): Promise<string> {
  for (const name of numberedPaths(path)) if (!(await exists(name))) return name;
  return path;
}
