import type { ApiClient, TaskSnapshot } from '../api/types.ts';
import type { Clock } from '../platform/clock.ts';

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
