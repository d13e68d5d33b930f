import type { ApiClient, ListedTask, TaskSnapshot } from '../api/answers.ts';
import type { GenerateDependencies } from './events.ts';
import type { Journal } from './journal.ts';
import type { TaskRecord } from './record.ts';

const PAGE_SIZE = 50;
/** Newest first, so a few pages reach back far enough; a busier account stays `unknown`, which is safe. */
const MAX_PAGES = 10;
/** The service's seconds are whole, and its clock is read from a header of one second's precision. */
const CLOCK_SLACK_MS = 5_000;

export type Settlement =
  | { readonly kind: 'found'; readonly taskId: string }
  /** `finding` says for people what the look-up saw. */
  | { readonly kind: 'unsettled'; readonly finding: string };

interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

async function listWindow(
  api: ApiClient,
  model: string,
  record: TaskRecord,
  deps: Pick<GenerateDependencies, 'clock' | 'submitWindowMs'> & { readonly signal: AbortSignal | undefined },
) {
  const matches: ListedTask[] = [];
  for (let page = 1; page <= MAX_PAGES; page += 1) {
    const listed = await api.listTasks({ model, page, pageSize: PAGE_SIZE }, deps.signal);
    if (listed === undefined) return undefined;
    const window = windowOf(
      record,
      (listed.serverNowMs ?? deps.clock.now()) - deps.clock.now(),
      deps.submitWindowMs,
    );
    const dated = listed.tasks.filter((task) => task.createdAtMs !== undefined);
    matches.push(
      ...dated.filter((task) => isInside(task, window) && (task.model === undefined || task.model === model)),
    );
    const oldestMs = Math.min(...dated.map((task) => task.createdAtMs ?? Number.POSITIVE_INFINITY));
    if (listed.tasks.length < PAGE_SIZE || oldestMs < window.fromMs) break;
  }
  return matches;
}

/**
 * Says whether a task can be that of a record by the time at which it was made; one that does not say when can.
 * @param serverNowMs the service's clock, where it is known
 */
export function fitsTime(
  record: TaskRecord,
  { createdAtMs, serverNowMs }: Pick<TaskSnapshot, 'createdAtMs' | 'serverNowMs'>,
  { nowMs, submitWindowMs }: { readonly nowMs: number; readonly submitWindowMs: number },
): boolean {
  if (createdAtMs === undefined) return true;
  return isInside({ createdAtMs }, windowOf(record, (serverNowMs ?? nowMs) - nowMs, submitWindowMs));
}

/** The time in which the lost task must have been made, on the service's clock. */
function windowOf(record: TaskRecord, serverAheadMs: number, submitWindowMs: number): Window {
  const { fromMs, toMs } = sendingSpan(record, submitWindowMs);
  return { fromMs: fromMs + serverAheadMs, toMs: toMs + serverAheadMs };
}

/** From the first sending to the last moment at which the last one can have made a task, on our clock. */
function sendingSpan(record: TaskRecord, submitWindowMs: number): Window {
  const firstMs = record.sentAtMs ?? record.createdAtMs;
  const lastMs = record.resentAtMs ?? firstMs;
  return { fromMs: firstMs - CLOCK_SLACK_MS, toMs: lastMs + submitWindowMs + CLOCK_SLACK_MS };
}

function isInside(task: Pick<ListedTask, 'createdAtMs'>, window: Window): boolean {
  return (
    task.createdAtMs !== undefined && task.createdAtMs >= window.fromMs && task.createdAtMs <= window.toMs
  );
}

async function unclaimed(journal: Journal, tasks: readonly ListedTask[]): Promise<readonly ListedTask[]> {
  const free = new Map<string, ListedTask>();
  // Tasks that come while the pages are read push others to the next page, where they are named again.
  for (const task of tasks) if ((await journal.findOfTask(task.id)).length === 0) free.set(task.id, task);
  return [...free.values()];
}

/**
 * Other requests for the same model whose outcome nobody knows yet, from the same time: a task that is found could be
 * theirs as well as ours. One that another process is just sending counts too.
 */
async function uncertainRivals(
  { journal, submitWindowMs }: Pick<GenerateDependencies, 'journal' | 'submitWindowMs'>,
  record: TaskRecord,
): Promise<readonly TaskRecord[]> {
  const own = sendingSpan(record, submitWindowMs);
  const overlaps = (other: Window): boolean => other.fromMs <= own.toMs && own.fromMs <= other.toMs;
  const { records } = await journal.readOpen();
  return records.filter(
    (other) =>
      other.localId !== record.localId &&
      (other.state === 'sent' || other.state === 'unknown') &&
      other.body?.model === record.body?.model &&
      overlaps(sendingSpan(other, submitWindowMs)),
  );
}

/**
 * Looks in the account's task list for the task that a lost answer may have made: same model, made in the window of
 * the call, claimed by no record. Exactly one is taken as ours; anything else settles nothing. Free of charge.
 * @throws EvolinkError `auth`, `network` from the look-up itself; the signal's reason
 */
export async function settleUnknown(
  deps: Pick<GenerateDependencies, 'api' | 'journal' | 'clock' | 'submitWindowMs'>,
  record: TaskRecord,
  signal?: AbortSignal,
): Promise<Settlement> {
  const model = record.body?.model;
  if (model === undefined)
    return { kind: 'unsettled', finding: 'the record does not say which model was asked for' };
  const rivals = await uncertainRivals(deps, record);
  if (rivals.length > 0) {
    const ids = rivals.map(({ localId }) => localId).join(', ');
    return {
      kind: 'unsettled',
      finding: `other requests of that time are uncertain as well (${ids}), so no task can be told to be this one's`,
    };
  }
  const listed = await listWindow(deps.api, model, record, { ...deps, signal });
  if (listed === undefined)
    return { kind: 'unsettled', finding: 'the service offers no task list to look through' };
  const [task, ...others] = await unclaimed(deps.journal, listed);
  if (task === undefined) {
    return { kind: 'unsettled', finding: `the task list shows no unclaimed ${model} task of that time` };
  }
  if (others.length > 0) {
    const ids = [task, ...others].map(({ id }) => id).join(', ');
    return { kind: 'unsettled', finding: `the task list shows several that could be it: ${ids}` };
  }
  return { kind: 'found', taskId: task.id };
}
