import { existsSync } from 'node:fs';
import type { TaskSnapshot } from '../api/answers.ts';
import { EvolinkError } from '../errors.ts';
import { quoteCommand } from '../platform/text.ts';
import { recordWord } from '../report/states.ts';
import { continueId, leftAlone } from '../task/failures.ts';
import type { TaskRecord } from '../task/record.ts';
import { LINK_LIFE_MS } from '../task/wait.ts';
import { fill, taskRow } from '../ui/documents.ts';
import { formatTasks, type TaskRow } from '../ui/tasks.ts';
import type { Frame } from './frame.ts';

/** What is known of a task by its record, and by what the service says of it now; by one of them at least. */
export function toTaskRow(record: TaskRecord | undefined, task?: TaskSnapshot, note?: string): TaskRow {
  const { body, saved, timeline = [] } = record ?? {};
  const { usedCredits, reservedCredits } = record ?? task ?? {};
  const path = saved?.at(-1)?.path;
  // The service is ahead of a record that waits for it.
  const known =
    task !== undefined && (record?.state ?? 'accepted') === 'accepted' ? task.state : record?.state;
  const status = task?.status ?? timeline.at(-1)?.status ?? known ?? '';
  const createdAtMs = record?.createdAtMs ?? task?.createdAtMs ?? 0;
  return fill(taskRow.shape, {
    ...body,
    aspectRatio: body?.aspect_ratio,
    id: record === undefined ? (task?.id ?? '') : continueId(record),
    localId: record?.localId,
    operation: record?.operation,
    state: recordWord(known === 'running' ? 'accepted' : (known ?? ''), status),
    status,
    createdAtMs,
    linkExpiresAtMs:
      record?.linkExpiresAtMs ?? (known === 'completed' ? createdAtMs + LINK_LIFE_MS : undefined),
    credits: usedCredits ?? reservedCredits,
    progressPercent: task?.progressPercent,
    path,
    isMissing: path !== undefined && !existsSync(path),
    note,
    error: record?.error?.message ?? task?.error?.message,
  });
}

/** The command that continues a record of another service. */
export function commandAtService(record: TaskRecord, verb: string): string {
  return `EVOLINK_BASE_URL=${quoteCommand([record.apiBaseUrl])} ${quoteCommand(['evolink', verb, continueId(record)])}`;
}

/** Exit 2: the id means nothing to the service that would be asked now. */
export function otherServiceError(record: TaskRecord, verb: string, baseUrl: string): EvolinkError {
  return new EvolinkError(
    'usage',
    `${continueId(record)} belongs to the service at ${record.apiBaseUrl}, but this command would contact ${baseUrl}; nothing was sent`,
    {
      hint: commandAtService(record, verb),
      taskId: record.taskId,
      localId: record.localId,
      charged: record.taskId === undefined ? 'unknown' : 'yes',
    },
  );
}

/** Everything the journal knows to be unfinished or unsaved; files that are no records are named, never touched. */
export async function openRecords({ session, warn }: Frame): Promise<readonly TaskRecord[]> {
  const { records, unusable } = await session.journal.readOpen();
  for (const file of unusable) warn(leftAlone(file));
  return records;
}

/** Shows tasks as a table, or as a document. */
export async function printTasks(
  { context, io, reporter }: Frame,
  name: 'status' | 'history',
  tasks: TaskRow[],
): Promise<void> {
  const width = io.stdout.isTty ? io.stdout.columns() : undefined;
  await reporter.print(name, { tasks }, formatTasks(tasks, name, context.clock.now(), width));
}
