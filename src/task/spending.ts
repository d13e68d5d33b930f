import { join } from 'node:path';
import * as z from 'zod/mini';
import { EvolinkError } from '../errors.ts';
import { replaceDurably } from '../platform/durable-file.ts';
import { fsErrorCode } from '../platform/fs-error.ts';
import { readSmallFile } from '../platform/read-file.ts';
import { chargedIn, isOpen, isUncertain, type TaskRecord } from './record.ts';

const SUM = {
  tasks: z.number(),
  /** Sum of what the service said was charged. */
  used: z.number(),
  /** Sum of what was reserved where what was charged is not known. */
  reserved: z.number(),
  /** Tasks that were paid for, of which neither is known. */
  unpriced_tasks: z.number(),
};

const PRUNED = z.object({
  schema_version: z.literal(1),
  /** What the records cost that were removed, by day (UTC) and model. */
  days: z.array(z.object({ day: z.string(), model: z.nullable(z.string()), ...SUM })),
  /** Which tasks these sums hold: a record of one of them is not counted again. */
  task_ids: z.array(z.string()),
});
export type PrunedSpending = z.infer<typeof PRUNED>;
/** What a group of tasks cost. */
export type SpentCredits = Pick<PrunedSpending['days'][number], keyof typeof SUM>;

const NOTHING: SpentCredits = { tasks: 0, used: 0, reserved: 0, unpriced_tasks: 0 };
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
function toTasks(records: Iterable<TaskRecord>, counted: ReadonlySet<string>): Iterable<TaskRecord> {
  const tasks = new Map<string, TaskRecord>();
  for (const record of records) {
    const key = record.taskId ?? record.localId;
    if (groupOf(record) === undefined || counted.has(key)) continue;
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
  const sums = { ended: pruned.days.reduce(add, NOTHING), open: NOTHING, dismissed: NOTHING };
  /** Of these submissions nobody knows whether they were accepted. */
  let uncertain_tasks = 0;
  function* counting() {
    for (const record of records) {
      if (isUncertain(record)) uncertain_tasks += 1;
      yield record;
    }
  }
  for (const task of toTasks(counting(), new Set(pruned.task_ids))) {
    const group = groupOf(task) ?? 'ended';
    sums[group] = add(sums[group], costOf(task));
  }
  return { ...sums, uncertain_tasks };
}

/** The sums with those of records that are about to be removed. Pure. */
export function addPruned(pruned: PrunedSpending, records: readonly TaskRecord[]): PrunedSpending {
  const counted = new Set(pruned.task_ids);
  const days = new Map(pruned.days.map((row) => [`${row.day} ${row.model}`, row]));
  for (const task of toTasks(records, counted)) {
    if (task.taskId === undefined || groupOf(task) !== 'ended') continue;
    const day = new Date(task.createdAtMs).toISOString().slice(0, 10);
    const model = task.body?.model ?? null;
    const key = `${day} ${model}`;
    days.set(key, { day, model, ...add(days.get(key) ?? NOTHING, costOf(task)) });
    counted.add(task.taskId);
  }
  return { schema_version: 1, days: [...days.values()], task_ids: [...counted] };
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
