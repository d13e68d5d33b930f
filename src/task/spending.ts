import { join } from 'node:path';
import * as z from 'zod/mini';
import { EvolinkError } from '../errors.ts';
import { replaceDurably } from '../platform/durable-file.ts';
import { fsErrorCode } from '../platform/fs-error.ts';
import { readSmallFile } from '../platform/read-file.ts';
import type { RecordState, TaskRecord } from './record.ts';

/** What a group of tasks cost. */
export interface SpentCredits {
  readonly tasks: number;
  /** Sum of what the service said was charged. */
  readonly used: number;
  /** Sum of what was reserved where what was charged is not known. */
  readonly reserved: number;
  /** Tasks that were paid for, of which neither is known. */
  readonly unpricedTasks: number;
}

export interface JournalCredits {
  /** Tasks that have ended: saved or expired; and failed ones that were charged all the same. */
  readonly ended: SpentCredits;
  /** Tasks that are still to be finished or saved. */
  readonly open: SpentCredits;
  /** Requests that a person has dismissed: whether they were charged is not confirmed. */
  readonly dismissed: SpentCredits;
  /** Submissions of which nobody knows whether they were accepted. */
  readonly uncertainTasks: number;
}

const PRUNED = z.object({
  schema_version: z.literal(1),
  /** What the records cost that were removed, by day (UTC) and model. */
  days: z.array(
    z.object({
      day: z.string(),
      model: z.nullable(z.string()),
      tasks: z.number(),
      used: z.number(),
      reserved: z.number(),
      unpriced_tasks: z.number(),
    }),
  ),
  /** Which tasks these sums hold: a record of one of them is not counted again. */
  task_ids: z.array(z.string()),
});
export type PrunedSpending = z.infer<typeof PRUNED>;

const NOTHING: SpentCredits = { tasks: 0, used: 0, reserved: 0, unpricedTasks: 0 };
const FILE_NAME = 'spending.json';
const MAX_FILE_BYTES = 64_000_000;

type Group = 'ended' | 'open' | 'dismissed';

const GROUPS: Readonly<Partial<Record<RecordState, Group>>> = {
  saved: 'ended',
  expired: 'ended',
  accepted: 'open',
  completed: 'open',
  dismissed: 'dismissed',
};

/** Failed and rejected tasks are normally refunded, so they count only with what the service said they were charged. */
function groupOf({ state, usedCredits = 0 }: TaskRecord): Group | undefined {
  return GROUPS[state] ?? (usedCredits > 0 ? 'ended' : undefined);
}

/** Adds up what the records, and those that were removed, cost. A task counts once, however many records it has. */
export async function sumSpending(
  records: AsyncIterable<TaskRecord>,
  pruned: PrunedSpending,
): Promise<JournalCredits> {
  const tasks = new Map<string, TaskRecord>();
  const counted = new Set(pruned.task_ids);
  let uncertainTasks = 0;
  for await (const record of records) {
    if (record.state === 'sent' || record.state === 'unknown') uncertainTasks += 1;
    else if (groupOf(record) !== undefined && !counted.has(record.taskId ?? '')) {
      const key = record.taskId ?? record.localId;
      tasks.set(key, merge(tasks.get(key), record));
    }
  }
  const sums = { ended: NOTHING, open: NOTHING, dismissed: NOTHING };
  for (const record of tasks.values()) {
    const group = groupOf(record);
    if (group !== undefined) sums[group] = add(sums[group], record);
  }
  for (const { tasks: count, used, reserved, unpriced_tasks } of pruned.days) {
    const { ended } = sums;
    sums.ended = {
      tasks: ended.tasks + count,
      used: ended.used + used,
      reserved: ended.reserved + reserved,
      unpricedTasks: ended.unpricedTasks + unpriced_tasks,
    };
  }
  return { ...sums, uncertainTasks };
}

/** One task in two records: what either knows, and the end where one has it. */
function merge(known: TaskRecord | undefined, record: TaskRecord): TaskRecord {
  if (known === undefined) return record;
  const state = groupOf(known) === 'ended' ? known.state : record.state;
  return {
    ...record,
    state,
    usedCredits: known.usedCredits ?? record.usedCredits,
    reservedCredits: known.reservedCredits ?? record.reservedCredits,
  };
}

function add(sum: SpentCredits, { usedCredits, reservedCredits }: TaskRecord): SpentCredits {
  const reserved = usedCredits === undefined ? (reservedCredits ?? 0) : 0;
  return {
    tasks: sum.tasks + 1,
    used: sum.used + (usedCredits ?? 0),
    reserved: sum.reserved + reserved,
    unpricedTasks: sum.unpricedTasks + (usedCredits === undefined && reservedCredits === undefined ? 1 : 0),
  };
}

/** The sums with those of records that are about to be removed. Pure. */
export function addPruned(pruned: PrunedSpending, records: readonly TaskRecord[]): PrunedSpending {
  const counted = new Set(pruned.task_ids);
  const tasks = new Map<string, TaskRecord>();
  for (const record of records) {
    const { taskId } = record;
    if (taskId === undefined || counted.has(taskId) || groupOf(record) !== 'ended') continue;
    tasks.set(taskId, merge(tasks.get(taskId), record));
  }
  const days = new Map(pruned.days.map((row) => [`${row.day} ${row.model}`, row]));
  for (const record of tasks.values()) {
    const day = new Date(record.createdAtMs).toISOString().slice(0, 10);
    const model = record.body?.model ?? null;
    const row = days.get(`${day} ${model}`);
    const before = row === undefined ? NOTHING : { ...row, unpricedTasks: row.unpriced_tasks };
    const { unpricedTasks, ...sum } = add(before, record);
    const { tasks: count, used, reserved } = sum;
    days.set(`${day} ${model}`, { day, model, tasks: count, used, reserved, unpriced_tasks: unpricedTasks });
  }
  return { schema_version: 1, days: [...days.values()], task_ids: [...counted, ...tasks.keys()] };
}

/** @throws EvolinkError `local-io` where there is a file that is not whole */
export function readPruned(stateFolder: string): PrunedSpending {
  const path = join(stateFolder, FILE_NAME);
  try {
    const bytes = readSmallFile(path, MAX_FILE_BYTES);
    return PRUNED.parse(JSON.parse(bytes.toString('utf8')));
  } catch (error) {
    if (fsErrorCode(error) === 'ENOENT') return { schema_version: 1, days: [], task_ids: [] };
    throw new EvolinkError('local-io', `"${path}", the sums of removed records, can't be read`, {
      hint: `move it away: mv ${path} ${path}.bad`,
    });
  }
}

export async function writePruned(stateFolder: string, pruned: PrunedSpending): Promise<void> {
  await replaceDurably(join(stateFolder, FILE_NAME), `${JSON.stringify(pruned)}\n`);
}
