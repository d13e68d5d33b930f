import type { TaskSnapshot } from '../api/answers.ts';
import type { ApiClient } from '../api/client.ts';
import { ApiReadError } from '../api/errors.ts';
import { isEvolinkError } from '../errors.ts';
import type { Clock } from '../platform/clock.ts';

/** The service reads and lists at most this many tasks at once. */
const BATCH = 50;
const MAX_LIST_PAGES = 10;
const SLOWEST_SPACING_MS = 10_000;

interface Reading {
  readonly taskId: string;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (task: TaskSnapshot) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * One reader for all tasks of a process, behind the `getTask` and `listTasks` that everybody calls. Readings that wait
 * for their turn become one request: a batch, a look through the task list where the service has no batch, single reads
 * where it has neither. A task that the answer leaves out, or shows as ended without its links, is asked about alone.
 * @param readsPerMinute requests of all kinds together; fewer for a while after a 429
 */
export function createTaskPoller(
  api: Pick<ApiClient, 'getTask' | 'getTasks' | 'listTasks'>,
  clock: Clock,
  readsPerMinute: number,
): Pick<ApiClient, 'getTask' | 'listTasks'> {
  const shortestSpacingMs = 60_000 / readsPerMinute;
  const waiting: Reading[] = [];
  const ways = [readBatch, readList];
  let spacingMs = shortestSpacingMs;
  let nextAtMs = 0;
  let isDraining = false;

  /** The turn of one request. */
  async function pass(signal?: AbortSignal): Promise<void> {
    const nowMs = clock.monotonicMs();
    const atMs = Math.max(nowMs, nextAtMs);
    nextAtMs = atMs + spacingMs;
    if (atMs > nowMs) await clock.sleep(atMs - nowMs, signal);
  }

  async function ask<T>(request: Promise<T>): Promise<T> {
    try {
      const answer = await request;
      spacingMs = Math.max(shortestSpacingMs, spacingMs * 0.9);
      return answer;
    } catch (error) {
      if (error instanceof ApiReadError && error.facts.httpStatus === 429)
        spacingMs = Math.min(SLOWEST_SPACING_MS, spacingMs * 2);
      throw error;
    }
  }

  async function drain(): Promise<void> {
    if (isDraining) return;
    isDraining = true;
    while (waiting.length > 0) {
      await pass();
      const [way] = ways;
      const count = way === readList ? waiting.length : BATCH;
      // Not waited for: a slow answer must not hold up the next reading.
      void readTogether(waiting.splice(0, way === undefined ? 1 : count));
    }
    isDraining = false;
  }

  const readAlone = ({ taskId, signal, resolve, reject }: Reading): Promise<void> =>
    ask(api.getTask(taskId, signal)).then(resolve, reject);

  /** In a turn that has come. */
  async function readTogether(readings: readonly Reading[]): Promise<void> {
    const live = readings.filter(({ signal }) => signal?.aborted !== true);
    const [only] = live;
    const [way] = ways;
    if (only === undefined) return;
    if (way === undefined || live.length === 1) return readAlone(only);
    let tasks: Map<string, TaskSnapshot> | undefined;
    try {
      tasks = await way(live.map(({ taskId }) => taskId));
    } catch (error) {
      // The service refuses a whole batch for one id that it does not take: each is asked about alone.
      const isRefused = isEvolinkError(error) && error.kind === 'usage';
      if (!isRefused) for (const { reject } of live) reject(error);
      if (!isRefused) return;
      tasks = new Map();
    }
    if (tasks === undefined) {
      if (ways[0] === way) ways.shift();
      waiting.push(...live);
      return drain();
    }
    for (const reading of live) {
      const task = tasks.get(reading.taskId);
      if (task === undefined) void pass().then(() => readAlone(reading));
      else reading.resolve(task);
    }
  }

  async function readBatch(taskIds: readonly string[]) {
    const tasks = await ask(api.getTasks(taskIds));
    const isWhole = ({ state, links }: TaskSnapshot) => state !== 'completed' || links.length > 0;
    return tasks && new Map(tasks.filter(isWhole).map((task) => [task.id, task]));
  }

  /** The newest tasks of the account, as far back as those that are waited for; of these only the running ones. */
  async function readList(taskIds: readonly string[]) {
    const wanted = new Set(taskIds);
    const running = new Map<string, TaskSnapshot>();
    for (let page = 1; page <= MAX_LIST_PAGES && wanted.size > 0; page += 1) {
      if (page > 1) await pass();
      const listed = await ask(api.listTasks({ page, pageSize: BATCH }));
      if (listed === undefined) return undefined;
      const { tasks, serverNowMs } = listed;
      for (const task of tasks)
        if (wanted.delete(task.id) && task.state === 'running')
          running.set(task.id, { ...task, links: [], serverNowMs });
      if (tasks.length < BATCH) break;
    }
    return running;
  }

  return {
    /** A wait that is aborted ends at once; the reading itself may be shared, and goes on. */
    async getTask(taskId, signal) {
      signal?.throwIfAborted();
      let abort = (): void => undefined;
      try {
        return await new Promise<TaskSnapshot>((resolve, reject) => {
          abort = () => reject(signal?.reason);
          signal?.addEventListener('abort', abort);
          waiting.push({ taskId, signal, resolve, reject });
          void drain();
        });
      } finally {
        signal?.removeEventListener('abort', abort);
      }
    },
    async listTasks(query, signal) {
      await pass(signal);
      return ask(api.listTasks(query, signal));
    },
  };
}

/** What is known when the next read of a task is planned. */
export interface PollFacts {
  /** Since the service accepted the task. */
  readonly elapsedMs: number;
  /** The service's `estimated_time`. */
  readonly estimatedMs?: number | undefined;
  /** 0 to 100, as last read. */
  readonly progressPercent?: number | undefined;
  /** How long the progress has been read as what it is now. */
  readonly unchangedMs?: number | undefined;
  /** In [0, 1). */
  readonly random: number;
}
type Known = Omit<PollFacts, 'random'>;

/** Without an estimate: between what clips of 4 s were seen to take (109 to 156 s). */
const DEFAULT_TOTAL_MS = 130_000;
/** What one read is worth in lateness. */
const READ_COST_MS = 192;
const MIN_DELAY_MS = 250;
const SMALLEST_SHARE = 1 / 200;
/** Steps in which the density is added up over the expected whole. */
const STEPS = 1_000;

/** How long a task is likely to run on, ms: 0 where it takes longer than was estimated. */
export function remainingMs({ elapsedMs, estimatedMs = 0, progressPercent = 0 }: Known): number {
  const estimateMs = estimatedMs > 0 ? estimatedMs : DEFAULT_TOTAL_MS;
  // What is done says how much is left; it may have waited in a queue first.
  const leftMs = progressPercent > 0 ? estimateMs * (1 - progressPercent / 100) : estimateMs - elapsedMs;
  return Math.max(0, leftMs);
}

/**
 * When the end may come, the most likely guess first: around the estimate, with a wide tail for a wrong one, until
 * progress says more. A guess is a log-logistic distribution; `spread` is that of the logarithm.
 */
function believe({ elapsedMs, estimatedMs = 0, progressPercent: percent = 0, unchangedMs = 0 }: Known) {
  const estimateMs = estimatedMs > 0 ? estimatedMs : DEFAULT_TOTAL_MS;
  if (percent < 1)
    return [
      { weight: 0.65, medianMs: estimateMs, spread: estimatedMs > 0 ? 0.16 : 0.28 },
      { weight: 0.35, medianMs: estimateMs, spread: 0.4 },
    ];
  const left = 1 - percent / 100;
  // Progress that stands still for longer than one percent takes says less and less.
  const isStill = unchangedMs * percent > 2 * elapsedMs;
  const spread = 0.004 + 0.05 / percent + (isStill ? unchangedMs / elapsedMs / 2 : 0);
  return [
    // Many services move in steps of ten.
    {
      weight: percent % 10 === 0 ? 2.5 : 0,
      medianMs: (elapsedMs * 100) / (percent + 5),
      spread: 1.7 / percent,
    },
    // Whole percents are rounded down.
    { weight: 0.9, medianMs: (elapsedMs * 100) / (percent + 0.5), spread },
    // It waited in a queue first: what is left takes its share of the estimate.
    { weight: 0.1, medianMs: elapsedMs + left * estimateMs, spread: 0.02 + 0.2 * left },
  ].filter(({ weight }) => weight > 0);
}

/**
 * Delay before the next read, ms. A read costs the service, lateness costs the person: the schedule with the least of
 * `cost · reads + lateness` reads with density `√(hazard / (2 · cost))` (Barlow, Hunter and Proschan 1963; Keller 1974).
 * The next read is due where that density has added up to one. Never closer than 250 ms, or a 200th of the expected whole.
 */
export function nextPollDelayMs(facts: PollFacts): number {
  const { elapsedMs, random } = facts;
  const guesses = believe(facts);
  const totalMs = guesses[0]?.medianMs ?? DEFAULT_TOTAL_MS;
  const stepMs = Math.max(MIN_DELAY_MS / 5, totalMs / STEPS);
  const limitMs = Math.max(totalMs, elapsedMs);
  let delayMs = 0;
  for (let reads = 0; reads < 1 && delayMs < limitMs; ) {
    delayMs += stepMs;
    reads += Math.sqrt(hazardAt(elapsedMs + delayMs, guesses) / (2 * READ_COST_MS)) * stepMs;
  }
  const closestMs = Math.max(MIN_DELAY_MS, totalMs * SMALLEST_SHARE);
  return Math.round(Math.max(closestMs, delayMs * (0.95 + random * 0.1)));
}

/** Probability a millisecond that a task which runs at `atMs` ends there. */
function hazardAt(atMs: number, guesses: ReturnType<typeof believe>): number {
  let density = 0;
  let survival = Number.MIN_VALUE;
  for (const { weight, medianMs, spread } of guesses) {
    const tail = 1 / (1 + (atMs / medianMs) ** (1 / spread));
    density += (weight * tail * (1 - tail)) / (spread * atMs);
    survival += weight * tail;
  }
  return density / survival;
}
