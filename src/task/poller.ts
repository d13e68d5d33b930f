import type { ApiClient, TaskSnapshot } from '../api/answers.ts';
import { ApiReadError } from '../api/errors.ts';
import { isEvolinkError } from '../errors.ts';
import type { Clock } from '../platform/clock.ts';

export interface TaskPollerOptions {
  readonly api: Pick<ApiClient, 'getTask' | 'getTasks' | 'listTasks'>;
  readonly clock: Clock;
  /** Requests of all kinds together; fewer for a while after a 429. */
  readonly readsPerMinute: number;
}

interface Reading {
  readonly taskId: string;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (task: TaskSnapshot) => void;
  readonly reject: (reason: unknown) => void;
}

/** The service reads and lists at most this many tasks at once. */
const BATCH = 50;
const MAX_LIST_PAGES = 10;
const SLOWEST_SPACING_MS = 10_000;

/**
 * One reader for all tasks of a process, behind the `getTask` and `listTasks` that everybody calls. Readings that wait
 * for their turn become one request: a batch, a look through the task list where the service has no batch, single reads
 * where it has neither. A task that the answer leaves out, or shows as ended without its links, is asked about alone.
 */
export function createTaskPoller({
  api,
  clock,
  readsPerMinute,
}: TaskPollerOptions): Pick<ApiClient, 'getTask' | 'listTasks'> {
  const shortestSpacingMs = 60_000 / readsPerMinute;
  const waiting: Reading[] = [];
  let way: 'batch' | 'list' | 'single' = 'batch';
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

  async function drain(): Promise<void> {
    isDraining = true;
    while (waiting.length > 0) {
      await pass();
      const count = way === 'batch' ? BATCH : way === 'list' ? waiting.length : 1;
      // Not waited for: a slow answer must not hold up the next reading.
      void readTogether(waiting.splice(0, count));
    }
    isDraining = false;
  }

  /** In a turn that has come. */
  async function readTogether(readings: readonly Reading[]): Promise<void> {
    const live = readings.filter(({ signal, reject }) => {
      if (signal?.aborted) reject(signal.reason);
      return signal?.aborted !== true;
    });
    const [only, ...others] = live;
    if (only === undefined) return;
    if (others.length === 0) return readAlone(only);
    try {
      const tasks = await (way === 'batch' ? readBatch(live) : readList(live));
      if (tasks === undefined) {
        way = way === 'batch' ? 'list' : 'single';
        for (const reading of live) queue(reading);
        return;
      }
      for (const reading of live) {
        const task = tasks.get(reading.taskId);
        if (task !== undefined) reading.resolve(task);
        else void pass().then(() => readAlone(reading));
      }
    } catch (error) {
      // The service refuses a whole batch for one id that it does not take.
      const isAboutOne = isEvolinkError(error) && error.kind === 'usage';
      for (const reading of live) {
        if (isAboutOne) void pass().then(() => readAlone(reading));
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

  async function readAlone({ taskId, signal, resolve, reject }: Reading): Promise<void> {
    await ask(() => api.getTask(taskId, signal)).then(resolve, reject);
  }

  function queue(reading: Reading): void {
    waiting.push(reading);
    if (!isDraining) void drain();
  }

  async function getTask(taskId: string, signal?: AbortSignal): Promise<TaskSnapshot> {
    signal?.throwIfAborted();
    // The wait ends at once; the reading itself may be shared, and goes on.
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
  }

  return {
    getTask,
    async listTasks(query, signal) {
      await pass(signal);
      return ask(() => api.listTasks(query, signal));
    },
  };
}
