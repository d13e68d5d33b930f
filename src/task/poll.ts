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
 * @param options.readsPerMinute requests of all kinds together; fewer for a while after a 429
 */
export function createTaskPoller({
  api,
  clock,
  readsPerMinute,
}: {
  readonly api: Pick<ApiClient, 'getTask' | 'getTasks' | 'listTasks'>;
  readonly clock: Clock;
  readonly readsPerMinute: number;
}): Pick<ApiClient, 'getTask' | 'listTasks'> {
  const shortestSpacingMs = 60_000 / readsPerMinute;
  const waiting: Reading[] = [];
  const ways = ['batch', 'list', 'single'];
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

  async function ask<T>(request: () => Promise<T>): Promise<T> {
    try {
      const answer = await request();
      spacingMs = Math.max(shortestSpacingMs, spacingMs * 0.9);
      return answer;
    } catch (error) {
      if (error instanceof ApiReadError && error.facts.httpStatus === 429)
        spacingMs = Math.min(SLOWEST_SPACING_MS, spacingMs * 2);
      throw error;
    }
  }

  function queue(...readings: readonly Reading[]): void {
    waiting.push(...readings);
    if (!isDraining) void drain();
  }

  async function drain(): Promise<void> {
    isDraining = true;
    while (waiting.length > 0) {
      await pass();
      const count = { batch: BATCH, list: waiting.length }[ways[0] ?? ''] ?? 1;
      // Not waited for: a slow answer must not hold up the next reading.
      void readTogether(waiting.splice(0, count));
    }
    isDraining = false;
  }

  const readAlone = ({ taskId, signal, resolve, reject }: Reading): Promise<void> =>
    ask(() => api.getTask(taskId, signal)).then(resolve, reject);
  const readAloneLater = (reading: Reading): void => void pass().then(() => readAlone(reading));

  /** In a turn that has come. */
  async function readTogether(readings: readonly Reading[]): Promise<void> {
    for (const { signal, reject } of readings) if (signal?.aborted) reject(signal.reason);
    const live = readings.filter(({ signal }) => signal?.aborted !== true);
    const [only] = live;
    if (only !== undefined && live.length === 1) return readAlone(only);
    if (only === undefined) return;
    try {
      const tasks = await (ways[0] === 'batch' ? readBatch(live) : readList(live));
      if (tasks === undefined) {
        ways.shift();
        return queue(...live);
      }
      for (const reading of live) {
        const task = tasks.get(reading.taskId);
        if (task === undefined) readAloneLater(reading);
        else reading.resolve(task);
      }
    } catch (error) {
      // The service refuses a whole batch for one id that it does not take.
      const isAboutOne = isEvolinkError(error) && error.kind === 'usage';
      for (const reading of live) {
        if (isAboutOne) readAloneLater(reading);
        else reading.reject(error);
      }
    }
  }

  async function readBatch(readings: readonly Reading[]): Promise<Map<string, TaskSnapshot> | undefined> {
    const tasks = await ask(() => api.getTasks(readings.map(({ taskId }) => taskId)));
    const isWhole = ({ state, links }: TaskSnapshot) => state !== 'completed' || links.length > 0;
    return tasks && new Map(tasks.filter(isWhole).map((task) => [task.id, task]));
  }

  /** The newest tasks of the account, as far back as those that are waited for; of these only the running ones. */
  async function readList(readings: readonly Reading[]): Promise<Map<string, TaskSnapshot> | undefined> {
    const wanted = new Set(readings.map(({ taskId }) => taskId));
    const running = new Map<string, TaskSnapshot>();
    for (let page = 1; page <= MAX_LIST_PAGES && wanted.size > 0; page += 1) {
      if (page > 1) await pass();
      const listed = await ask(() => api.listTasks({ page, pageSize: BATCH }));
      if (listed === undefined) return undefined;
      for (const task of listed.tasks) {
        if (!wanted.delete(task.id) || task.state !== 'running') continue;
        running.set(task.id, { ...task, links: [], serverNowMs: listed.serverNowMs });
      }
      if (listed.tasks.length < BATCH) break;
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
          queue({ taskId, signal, resolve, reject });
        });
      } finally {
        signal?.removeEventListener('abort', abort);
      }
    },
    async listTasks(query, signal) {
      await pass(signal);
      return ask(() => api.listTasks(query, signal));
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
  /** True before the first read. */
  readonly isFirst: boolean;
  /** In [0, 1). */
  readonly random: number;
}

/** A guess of the whole duration: lognormal, with this median. */
interface Guess {
  readonly weight: number;
  readonly medianMs: number;
  /** Of the logarithm. */
  readonly spread: number;
}

type Known = Pick<PollFacts, 'elapsedMs' | 'estimatedMs' | 'progressPercent' | 'unchangedMs'>;

/** Without an estimate: between what clips of 4 s were seen to take (109 to 156 s). */
const DEFAULT_TOTAL_MS = 130_000;
/** What one read is worth in lateness. */
const READ_COST_MS = 190;
const MIN_DELAY_MS = 250;
const SMALLEST_SHARE = 1 / 200;
/** Steps in which the density is added up over the expected whole. */
const STEPS = 1_500;
const ROOT_OF_TWO_PI = Math.sqrt(2 * Math.PI);

/** Expected length of the whole generation, ms: the most likely of what is believed. */
export function expectedTotalMs(known: Known): number {
  const percent = known.progressPercent ?? 0;
  const extrapolatedMs = percent > 0 ? (known.elapsedMs * 100) / percent : 0;
  const estimatedMs = estimateOf(known);
  // The more is done, the more the progress is believed.
  return extrapolatedMs * (percent / 100) + estimatedMs * (1 - percent / 100);
}

function estimateOf({ estimatedMs }: Known): number {
  return hasEstimate(estimatedMs) ? estimatedMs : DEFAULT_TOTAL_MS;
}

function hasEstimate(estimatedMs: number | undefined): estimatedMs is number {
  return estimatedMs !== undefined && estimatedMs > 0;
}

/** When the end may come: around the estimate, with a wide tail for a wrong one, until progress says more. */
function believe(known: Known): readonly Guess[] {
  const { elapsedMs, progressPercent: percent = 0, unchangedMs = 0 } = known;
  const estimateMs = estimateOf(known);
  if (!(percent >= 1 && percent <= 100)) {
    const spread = hasEstimate(known.estimatedMs) ? 0.29 : 0.5;
    return [
      { weight: 0.65, medianMs: estimateMs, spread },
      { weight: 0.35, medianMs: estimateMs * 1.1, spread: 0.65 },
    ];
  }
  const left = 1 - percent / 100;
  // Whole percents are rounded down; many services move in steps of ten.
  const linearMs = (elapsedMs * 100) / (percent + 0.5);
  // Progress that stands still for longer than one percent takes says less and less.
  const isStill = unchangedMs * percent > 2 * elapsedMs;
  const linear = {
    medianMs: linearMs,
    spread: 0.006 + 0.1 / percent + (isStill ? unchangedMs / elapsedMs : 0),
  };
  const isRound = percent % 10 === 0 && percent < 100;
  return [
    { ...linear, weight: isRound ? 0.22 : 0.88 },
    { weight: isRound ? 0.66 : 0, medianMs: (elapsedMs * 100) / (percent + 5), spread: 3 / percent },
    // It waited in a queue first: what is left takes its share of the estimate.
    { weight: 0.06, medianMs: elapsedMs + left * estimateMs, spread: Math.max(0.01, 0.2 * left) },
    { weight: 0.06, medianMs: linearMs, spread: 0.03 + 0.5 * left },
  ];
}

/**
 * Delay before the next read, ms. A read costs the service, lateness costs the person: the schedule with the least of
 * `cost · reads + lateness` reads with density `√(hazard / (2 · cost))` (Barlow, Hunter and Proschan 1963; Keller 1974).
 * The next read is due where that density has added up to one. Never closer than 250 ms, or a 200th of the expected whole.
 */
export function nextPollDelayMs(facts: PollFacts): number {
  const { elapsedMs, random } = facts;
  const guesses = believe(facts);
  const totalMs = guesses.reduce((best, guess) => (guess.weight > best.weight ? guess : best)).medianMs;
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
function hazardAt(atMs: number, guesses: readonly Guess[]): number {
  let density = 0;
  let survival = Number.MIN_VALUE;
  for (const { weight, medianMs, spread } of guesses) {
    const z = Math.log(atMs / medianMs) / spread;
    density += (weight * Math.exp((-z * z) / 2)) / (ROOT_OF_TWO_PI * spread * atMs);
    survival += weight * normalTail(z);
  }
  return density / survival;
}

/** The part of a normal distribution above z (Abramowitz and Stegun 26.2.17). */
function normalTail(z: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(z));
  const series =
    t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  const tail = (Math.exp((-z * z) / 2) / ROOT_OF_TWO_PI) * series;
  return z > 0 ? tail : 1 - tail;
}
