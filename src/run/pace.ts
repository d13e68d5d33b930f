import type { ApiClient, TaskSnapshot } from '../api/answers.ts';
import type { Clock } from '../platform/clock.ts';

/** What the service answered to a submission. */
export type SubmitSignal = 'accepted' | 'throttled';

export interface LimitState {
  /** Tasks at the same time; a fraction is progress towards the next whole one. */
  readonly limit: number;
  /** Submissions since the last cut. */
  readonly sinceCut: number;
}

/** The state at the start of a run. */
export function initialLimit(max: number): LimitState {
  return { limit: max, sinceCut: Number.POSITIVE_INFINITY };
}

/**
 * How many tasks may run after one more answer: additive increase, multiplicative decrease (as TCP, RFC 5681 §3.1). Halved
 * when the service says that it is too much, once for a burst of such answers; one more for as many accepted tasks as
 * run. Never below 1 or above `max`. Pure.
 */
export function nextLimit(state: LimitState, signal: SubmitSignal, max: number): LimitState {
  if (signal === 'accepted') {
    return { limit: Math.min(max, state.limit + 1 / state.limit), sinceCut: state.sinceCut + 1 };
  }
  // Refusals that come before anything was accepted belong to the cut that was made already.
  if (state.sinceCut < 1) return state;
  return { limit: Math.max(1, Math.floor(state.limit / 2)), sinceCut: 0 };
}

/** Runs work of one key one after the other, in the order of asking; what the earlier came to does not matter. */
export type KeyedTurns = <T>(key: string, work: () => Promise<T>) => Promise<T>;

/** Turns within this process, where a lock between processes would refuse the second. */
export function createKeyedTurns(): KeyedTurns {
  const last = new Map<string, Promise<unknown>>();
  return async (key, work) => {
    const before = last.get(key);
    const mine = (async () => {
      await before;
      return work();
    })();
    const ended = mine.catch(() => undefined);
    last.set(key, ended);
    try {
      return await mine;
    } finally {
      if (last.get(key) === ended) last.delete(key);
    }
  };
}

/** Lets one submission be under way at a time. */
export interface SubmitTurns {
  /** Waits for the turn, and for a pause to end. The returned function ends the turn. @throws the signal's reason */
  take(signal: AbortSignal): Promise<() => void>;
  /** Nobody sends before: the service has said when it will listen again. */
  pause(durationMs: number): void;
}

/**
 * Submissions one after the other. A lost answer can be settled only where it is clear which task is whose: with one
 * submission at a time at most one record of this run is uncertain, and at most one new task is unclaimed. Waiting takes
 * minutes and a submission about a second, so nothing is lost by it.
 */
export function createSubmitTurns(clock: Clock): SubmitTurns {
  let last: Promise<void> = Promise.resolve();
  let openAtMs = 0;
  return {
    pause(durationMs) {
      openAtMs = Math.max(openAtMs, clock.monotonicMs() + durationMs);
    },
    async take(signal) {
      const before = last;
      let end = (): void => undefined;
      last = new Promise((resolve) => {
        end = resolve;
      });
      try {
        await before;
        for (let leftMs = openAtMs - clock.monotonicMs(); leftMs > 0; leftMs = openAtMs - clock.monotonicMs())
          await clock.sleep(leftMs, signal);
        signal.throwIfAborted();
        return end;
      } catch (error) {
        end();
        throw error;
      }
    },
  };
}

type TaskReader = Pick<ApiClient, 'getTask' | 'getTasks'>;

export interface TaskPollerOptions {
  readonly api: TaskReader;
  readonly clock: Clock;
}

interface Reading {
  readonly taskId: string;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (task: TaskSnapshot) => void;
  readonly reject: (reason: unknown) => void;
}

/** The service reads at most this many tasks at once. */
const BATCH = 50;
/** However many tasks run, one batch a second; and where there is no batch, four single reads a second. */
const BATCH_SPACING_MS = 1_000;
const SINGLE_SPACING_MS = 250;

/**
 * One reader for all tasks of a run, behind the `getTask` that each wait calls: readings that fall due together become one
 * request where the service has a batch read, else they are spaced out. A batch that leaves a task out, or shows it
 * completed without its links, is asked about that task alone.
 */
export function createTaskPoller({ api, clock }: TaskPollerOptions): ApiClient['getTask'] {
  const waiting: Reading[] = [];
  let hasBatch = true;
  let isRunning = false;
  let nextAtMs = 0;

  async function run(): Promise<void> {
    isRunning = true;
    while (waiting.length > 0) {
      const leftMs = nextAtMs - clock.monotonicMs();
      if (leftMs > 0) await clock.sleep(leftMs);
      nextAtMs = clock.monotonicMs() + (hasBatch ? BATCH_SPACING_MS : SINGLE_SPACING_MS);
      // Not waited for: a slow answer must not hold up the next reading.
      void read(waiting.splice(0, hasBatch ? BATCH : 1));
    }
    isRunning = false;
  }

  async function read(readings: readonly Reading[]): Promise<void> {
    const live = readings.filter(({ signal, reject }) => {
      if (signal?.aborted) reject(signal.reason);
      return signal?.aborted !== true;
    });
    const [only, ...others] = live;
    if (only === undefined) return;
    if (others.length === 0) return readAlone(only);
    try {
      const tasks = await api.getTasks(live.map(({ taskId }) => taskId));
      if (tasks === undefined) {
        hasBatch = false;
        waiting.push(...live);
        if (!isRunning) void run();
        return;
      }
      const byId = new Map(tasks.map((task) => [task.id, task]));
      for (const reading of live) answer(reading, byId.get(reading.taskId));
    } catch (error) {
      for (const { reject } of live) reject(error);
    }
  }

  function answer(reading: Reading, task: TaskSnapshot | undefined): void {
    const isWhole = task !== undefined && (task.state !== 'completed' || task.links.length > 0);
    if (isWhole) reading.resolve(task);
    else void readAlone(reading);
  }

  async function readAlone({ taskId, signal, resolve, reject }: Reading): Promise<void> {
    await api.getTask(taskId, signal).then(resolve, reject);
  }

  return async (taskId, signal) => {
    signal?.throwIfAborted();
    // The wait ends at once; the reading itself may be shared, and goes on.
    let abort = (): void => undefined;
    try {
      return await new Promise<TaskSnapshot>((resolve, reject) => {
        abort = () => reject(signal?.reason);
        signal?.addEventListener('abort', abort);
        waiting.push({ taskId, signal, resolve, reject });
        if (!isRunning) void run();
      });
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  };
}
