import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClipStore } from './clip-store.ts';
import type { SeededRandom, ServerClock } from './clock.ts';
import type { FaultQueue } from './faults.ts';
import { isRecord } from './http.ts';
import { roundCredits } from './service.ts';
import { endsAtMs, type SandboxTask, type TaskEnd, type TaskFate } from './task-object.ts';

/** Where tasks outlive the process: one file a task, so that several processes may share the folder. */
export interface TaskStore {
  load(): readonly SandboxTask[];
  read(id: string): SandboxTask | undefined;
  save(task: SandboxTask): void;
}

/** Without a folder nothing is kept. Files that do not fit are ignored. */
export function createTaskStore(stateFolder: string | undefined): TaskStore {
  if (stateFolder === undefined) return { load: () => [], read: () => undefined, save: () => {} };
  const folder = join(stateFolder, 'tasks');
  mkdirSync(folder, { recursive: true, mode: 0o700 });

  const read = (name: string): SandboxTask | undefined => {
    try {
      const value: unknown = JSON.parse(readFileSync(join(folder, name), 'utf8'));
      return isSandboxTask(value) ? value : undefined;
    } catch {
      return undefined; // Absent, or torn by a kill: this server then has no such task.
    }
  };

  return {
    load: () =>
      readdirSync(folder)
        .filter((name) => name.endsWith('.json'))
        .map(read)
        .filter((task) => task !== undefined),
    read: (id) => read(`${id}.json`),
    // Synchronous on purpose: the answer to a submit must not overtake its record.
    save: (task) => {
      const path = join(folder, `${task.id}.json`);
      const temporary = `${path}.${randomUUID()}.tmp`; // Another process may save the same task.
      writeFileSync(temporary, JSON.stringify(task), { mode: 0o600 });
      renameSync(temporary, path);
    },
  };
}

function isSandboxTask(value: unknown): value is SandboxTask {
  return (
    isRecord(value) &&
    value.schemaVersion === 1 &&
    typeof value.id === 'string' &&
    isRecord(value.spec) &&
    isRecord(value.fate)
  );
}

/** What a submit knows of its task. */
export type TaskOrder = Pick<
  SandboxTask,
  'model' | 'fingerprint' | 'idempotencyKey' | 'reservedCredits' | 'searchCredits' | 'callbackUrl' | 'lifeMs'
> & { readonly toSpec: (taskId: string) => SandboxTask['spec'] };

export interface TaskBook {
  create(order: TaskOrder): SandboxTask;
  /** The task as it stands now; a clip that is due but not made yet is waited for, at most 2 s. */
  read(id: string): Promise<SandboxTask | undefined>;
  find(id: string): SandboxTask | undefined;
  findByKey(idempotencyKey: string): SandboxTask | undefined;
  /** Newest first. */
  all(): readonly SandboxTask[];
  /** Ends every task whose time has come. */
  settleDue(): void;
  /** Links given out so far stop working. */
  revokeLinks(id: string): void;
  changeClip(id: string): void;
  close(): void;
}

export interface TaskBookOptions {
  readonly clock: ServerClock;
  readonly random: SeededRandom;
  readonly clips: ClipStore;
  readonly faults: FaultQueue;
  readonly store: TaskStore;
  /** Called once, when a task has ended and is settled. */
  readonly onEnd: (task: SandboxTask) => void;
}

const CLIP_WAIT_MS = 2000;

/** Holds every task and ends each when its time has come: by a timer, or at the next look at it. */
export function createTaskBook(options: TaskBookOptions): TaskBook {
  const { clock, clips, store } = options;
  const tasks = new Map<string, SandboxTask>(store.load().map((task) => [task.id, task]));
  const timers = new Map<string, () => void>();
  let isClosed = false;

  const put = (task: SandboxTask): SandboxTask => {
    tasks.set(task.id, task);
    store.save(task);
    return task;
  };

  const settle = (task: SandboxTask): SandboxTask => {
    const isDue = task.end === undefined && clock.now() >= endsAtMs(task);
    const end = isDue ? toEnd(task, clips.stateOf(task.spec), clock.now()) : undefined;
    if (end === undefined || isClosed) return task;
    timers.get(task.id)?.();
    timers.delete(task.id);
    const ended = put({ ...task, end });
    options.onEnd(ended);
    return ended;
  };

  const find = (id: string): SandboxTask | undefined => {
    const task = tasks.get(id) ?? store.read(id);
    return task === undefined ? undefined : settle(task);
  };

  const watch = (task: SandboxTask): void => {
    const look = (): void => {
      // A clip that is still being made ends the task once it is there.
      clips.get(task.spec).then(
        () => find(task.id),
        () => find(task.id),
      );
    };
    if (task.end !== undefined || endsAtMs(task) === Number.POSITIVE_INFINITY) return;
    timers.set(task.id, clock.after(Math.max(0, endsAtMs(task) - clock.now()), look));
  };

  const newId = (): string => {
    const id = `task-unified-${Math.floor(clock.now() / 1000)}-${options.random.letters(8)}`;
    return tasks.has(id) ? newId() : id;
  };

  const change = (id: string, field: 'linkRevision' | 'clipVersion'): void => {
    const task = find(id);
    if (task !== undefined) put({ ...task, [field]: task[field] + 1 });
  };

  for (const task of tasks.values()) watch(task);

  return {
    create: (order) => {
      const task = put(toTask(order, newId(), options));
      clips.get(task.spec).catch(() => {});
      watch(task);
      return task;
    },
    read: async (id) => {
      const task = find(id);
      const isLate = task !== undefined && task.end === undefined && clock.now() >= endsAtMs(task);
      if (!isLate) return task;
      const stop = new AbortController();
      const timeout = clock.sleep(CLIP_WAIT_MS, stop.signal).catch(() => {});
      await Promise.race([clips.get(task.spec).catch(() => {}), timeout]);
      stop.abort();
      return find(id);
    },
    find,
    findByKey: (key) => [...tasks.values()].find((task) => task.idempotencyKey === key),
    all: () =>
      [...tasks.keys()]
        .map(find)
        .filter((task) => task !== undefined)
        .sort((a, b) => b.createdAtMs - a.createdAtMs),
    settleDue: () => {
      for (const id of tasks.keys()) find(id);
    },
    revokeLinks: (id) => change(id, 'linkRevision'),
    changeClip: (id) => change(id, 'clipVersion'),
    close: () => {
      isClosed = true;
      for (const cancel of timers.values()) cancel();
      timers.clear();
    },
  };
}

function toTask(order: TaskOrder, id: string, { clock, faults }: TaskBookOptions): SandboxTask {
  const { toSpec, ...facts } = order;
  const struck = new Map(faults.take('task').map((fault) => [fault.kind, fault]));
  const slowness = struck.has('instant') ? 0 : (struck.get('slow')?.amount ?? 1);
  return {
    ...facts,
    schemaVersion: 1,
    id,
    createdAtMs: clock.now(),
    lifeMs: Math.round(order.lifeMs * slowness),
    fate: toFate(struck),
    linkCount: struck.get('links')?.amount ?? 1,
    isResultDataOnly: struck.has('result-data'),
    spec: toSpec(id),
    linkRevision: 0,
    clipVersion: 0,
  };
}

function toFate(
  struck: ReadonlyMap<string, { readonly options: Readonly<Record<string, string>> }>,
): TaskFate {
  const failure = struck.get('fail')?.options;
  if (failure !== undefined) {
    const message = failure.message ?? 'The task could not be completed.';
    return {
      kind: 'failed',
      code: failure.code ?? 'service_error',
      message: message.replaceAll('\\n', '\n'),
    };
  }
  if (struck.has('cancel')) return { kind: 'cancelled' };
  if (struck.has('never')) return { kind: 'stuck', word: 'processing' };
  const word = struck.get('word')?.options.word;
  return word === undefined ? { kind: 'completed' } : { kind: 'stuck', word };
}

/** The end of a task that is due; `undefined` while its clip is still being made. */
function toEnd(
  task: SandboxTask,
  clipState: 'making' | 'ready' | 'failed',
  nowMs: number,
): TaskEnd | undefined {
  const { fate } = task;
  const atMs = endsAtMs(task);
  if (fate.kind === 'failed') {
    return { status: 'failed', atMs, chargedCredits: 0, error: { code: fate.code, message: fate.message } };
  }
  if (fate.kind === 'cancelled') return { status: 'cancelled', atMs, chargedCredits: 0 };
  if (clipState === 'making') return undefined;
  if (clipState === 'failed') {
    const error = { code: 'service_error', message: 'the sandbox could not make the video' };
    return { status: 'failed', atMs: nowMs, chargedCredits: 0, error };
  }
  return {
    status: 'completed',
    atMs,
    chargedCredits: roundCredits(task.reservedCredits + task.searchCredits),
  };
}
