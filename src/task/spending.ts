import { join } from 'node:path';
import * as z from 'zod/mini';
import { EvolinkError } from '../errors.ts';
import { replaceDurably } from '../platform/durable-file.ts';
import { fsErrorCode } from '../platform/fs-error.ts';
import { readSmallFile } from '../platform/read-file.ts';
import { all } from '../platform/text.ts';
import { chargedIn, isOpen, isUncertain, type TaskRecord } from './record.ts';

/**
 * What a group of tasks cost: the sum of what the service said was charged; of what was reserved where that is not known; and
 * how many were paid for of which neither is known.
 */
const NOTHING = { tasks: 0, used: 0, reserved: 0, unpriced_tasks: 0 };
export type SpentCredits = Readonly<typeof NOTHING>;

const PRUNED = z.object({
  schema_version: z.literal(1),
  /** What the records cost that were removed, by day (UTC) and model. */
  days: z.array(
    z.object({
      day: z.string(),
      model: z.nullable(z.string()),
      ...all(z.number(), 'tasks', 'used', 'reserved', 'unpriced_tasks'),
    }),
  ),
  /** Which tasks these sums hold: a record of one of them is not counted again. */
  task_ids: z.array(z.string()),
});
export type PrunedSpending = z.infer<typeof PRUNED>;

const FILE_NAME = 'spending.json';
const MAX_FILE_BYTES = 64_000_000;

/**
 * `ended`: saved or expired, and failed ones that were charged all the same (they are normally refunded). `open`: still to
 * be finished or saved. `dismissed` by a person: whether they were charged is not confirmed. Undefined: cost nothing.
 */
function groupOf(record: TaskRecord): 'ended' | 'open' | 'dismissed' | undefined {
  if (record.state === 'dismissed') return 'dismissed';
  const isPaid = chargedIn(record) === 'yes';
  if (isPaid && isOpen(record)) return 'open';
  return isPaid || (record.usedCredits ?? 0) > 0 ? 'ended' : undefined;
}

/** The tasks that cost something and are not counted yet, once each: what either of two records knows, and the end. */
function toTasks(records: readonly TaskRecord[], counted: readonly string[]): Iterable<TaskRecord> {
  const skipped = new Set(counted);
  const tasks = new Map<string, TaskRecord>();
  for (const record of records) {
    const key = record.taskId ?? record.localId;
    if (groupOf(record) === undefined || skipped.has(key)) continue;
    const known = tasks.get(key);
    tasks.set(key, {
      ...record,
      state: known !== undefined && groupOf(known) === 'ended' ? known.state : record.state,
      usedCredits: known?.usedCredits ?? record.usedCredits,
      reservedCredits: known?.reservedCredits ?? record.reservedCredits,
    });
  }
  return tasks.values();
}

function costOf({ usedCredits, reservedCredits }: TaskRecord): SpentCredits {
  const isPriced = (usedCredits ?? reservedCredits) !== undefined;
  const reserved = usedCredits === undefined ? (reservedCredits ?? 0) : 0;
  return { tasks: 1, used: usedCredits ?? 0, reserved, unpriced_tasks: isPriced ? 0 : 1 };
}

function add(a: SpentCredits, b: SpentCredits): SpentCredits {
  return {
    tasks: a.tasks + b.tasks,
    used: a.used + b.used,
    reserved: a.reserved + b.reserved,
    unpriced_tasks: a.unpriced_tasks + b.unpriced_tasks,
  };
}

/** Adds up what the records, and those that were removed, cost. A task counts once, however many records it has. */
export function sumSpending(records: Iterable<TaskRecord>, pruned: PrunedSpending) {
  const known = [...records];
  const sums = { ended: pruned.days.reduce(add, NOTHING), open: NOTHING, dismissed: NOTHING };
  for (const task of toTasks(known, pruned.task_ids)) {
    const group = groupOf(task) ?? 'ended';
    sums[group] = add(sums[group], costOf(task));
  }
  /** Of these submissions nobody knows whether they were accepted. */
  return { ...sums, uncertain_tasks: known.filter(isUncertain).length };
}

/** The sums with those of records that are about to be removed. Pure. */
export function addPruned(pruned: PrunedSpending, records: readonly TaskRecord[]): PrunedSpending {
  const task_ids = [...pruned.task_ids];
  const days = new Map(pruned.days.map((row) => [`${row.day} ${row.model}`, row]));
  for (const task of toTasks(records, pruned.task_ids)) {
    if (task.taskId === undefined || groupOf(task) !== 'ended') continue;
    const day = new Date(task.createdAtMs).toISOString().slice(0, 10);
    const model = task.body?.model ?? null;
    const key = `${day} ${model}`;
    days.set(key, { day, model, ...add(days.get(key) ?? NOTHING, costOf(task)) });
    task_ids.push(task.taskId);
  }
  return { schema_version: 1, days: [...days.values()], task_ids };
}

/** @throws EvolinkError `local-io` where there is a file that is not whole */
export function readPruned(stateFolder: string): PrunedSpending {
  const path = join(stateFolder, FILE_NAME);
  try {
    return PRUNED.parse(JSON.parse(readSmallFile(path, MAX_FILE_BYTES).toString('utf8')));
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
