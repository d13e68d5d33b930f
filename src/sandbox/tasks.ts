import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ClipStore, VideoSpec } from './clip-store.ts';
import type { ServerClock } from './clock.ts';
import type { Fault } from './fault-plan.ts';
import { isRecord, readJsonFile, writeWhole } from './http.ts';
import { roundCredits } from './service-tables.ts';

/** What a submit knows of its task. */
interface TaskFacts {
  readonly model: string;
  /** Wall milliseconds from submit to end, speed applied. */
  readonly lifeMs: number;
  readonly fingerprint: string;
  readonly idempotencyKey?: string | undefined;
  readonly reservedCredits: number;
  readonly searchCredits: number;
  readonly callbackUrl?: string | undefined;
}

/** How a task ends; one that is stuck never does, and shows this status word. */
interface Fate {
  readonly status: string;
  readonly error?: { readonly code: string; readonly message: string };
  readonly isStuck?: boolean;
}

/** One task. Plain data: it is what the state folder holds. */
export interface SandboxTask extends TaskFacts {
  readonly schemaVersion: 2;
  readonly id: string;
  readonly createdAtMs: number;
  /** Decided when it is made. */
  readonly fate: Fate;
  readonly linkCount: number;
  readonly isResultDataOnly: boolean;
  readonly spec: VideoSpec;
  readonly end?: (Fate & { readonly atMs: number; readonly chargedCredits: number }) | undefined;
  /** Raised when the links given out so far stop working. */
  readonly linkRevision: number;
  /** Raised when the clip becomes another one. */
  readonly clipVersion: number;
}

const CLIP_WAIT_MS = 2000;

/**
 * Holds every task and ends each when its time has come: by a timer, or at the next look at it.
 * @param stateFolder where tasks outlive the process: one file a task, so that several processes may share the folder
 * @param onEnd called once, when a task has ended and is settled
 */
export function createTaskBook(
  clock: ServerClock,
  letters: (length: number) => string,
  stateFolder: string | undefined,
  findClip: ClipStore,
  onEnd: (task: SandboxTask) => void,
) {
  const folder = stateFolder === undefined ? undefined : join(stateFolder, 'tasks');
  if (folder !== undefined) mkdirSync(folder, { recursive: true, mode: 0o700 });
  const tasks = new Map<string, SandboxTask>();
  let isClosed = false;

  const load = (id: string): SandboxTask | undefined => {
    const value = folder === undefined ? undefined : readJsonFile(join(folder, `${id}.json`));
    return isSandboxTask(value) ? value : undefined;
  };
  // Synchronous on purpose: the answer to a submit must not overtake its record.
  const put = (task: SandboxTask): SandboxTask => {
    tasks.set(task.id, task);
    if (folder === undefined) return task;
    writeWhole(join(folder, `${task.id}.json`), JSON.stringify(task));
    return task;
  };
  const isDue = (task: SandboxTask) => task.end === undefined && clock.now() >= endsAtMs(task);
  const find = (id: string): SandboxTask | undefined => {
    const task = tasks.get(id) ?? load(id);
    if (task === undefined || isClosed || !isDue(task)) return task;
    const end = endOf(task, findClip(task.spec).state, clock.now());
    if (end === undefined) return task;
    const ended = put({ ...task, end });
    onEnd(ended);
    return ended;
  };
  const made = (task: SandboxTask): Promise<unknown> => findClip(task.spec).clip.catch(() => {});
  const watch = (task: SandboxTask): void => {
    if (task.end !== undefined || task.fate.isStuck) return;
    // A clip that is still being made ends the task once it is there.
    const look = () => void (isClosed || made(task).then(() => find(task.id)));
    clock.after(Math.max(0, endsAtMs(task) - clock.now()), look);
  };
  const newId = (): string => {
    const id = `task-unified-${Math.floor(clock.now() / 1000)}-${letters(8)}`;
    return tasks.has(id) ? newId() : id;
  };

  for (const name of folder === undefined ? [] : readdirSync(folder)) {
    const task = name.endsWith('.json') ? load(name.slice(0, -'.json'.length)) : undefined;
    if (task !== undefined) tasks.set(task.id, task);
  }
  for (const task of tasks.values()) watch(task);
  return {
    create: (
      facts: TaskFacts,
      faults: readonly Fault[],
      toSpec: (taskId: string) => VideoSpec,
    ): SandboxTask => {
      const struck = new Map(faults.map((fault) => [fault.kind, fault]));
      const slowness = struck.has('instant') ? 0 : (struck.get('slow')?.amount ?? 1);
      const id = newId();
      const task = put({
        ...facts,
        schemaVersion: 2,
        id,
        createdAtMs: clock.now(),
        lifeMs: Math.round(facts.lifeMs * slowness),
        fate: fateOf((kind) => struck.get(kind)?.options),
        linkCount: struck.get('links')?.amount ?? 1,
        isResultDataOnly: struck.has('result-data'),
        spec: toSpec(id),
        linkRevision: 0,
        clipVersion: 0,
      });
      void made(task);
      watch(task);
      return task;
    },
    /** The task as it stands now; a clip that is due but not made yet is waited for, at most 2 s. */
    read: async (id: string): Promise<SandboxTask | undefined> => {
      const task = find(id);
      if (task === undefined || !isDue(task)) return task;
      const stop = new AbortController();
      await Promise.race([made(task), clock.sleep(CLIP_WAIT_MS, stop.signal).catch(() => {})]);
      stop.abort();
      return find(id);
    },
    find,
    findByKey: (key: string) => [...tasks.values()].find((task) => task.idempotencyKey === key),
    /** Newest first. */
    all: (): readonly SandboxTask[] =>
      [...tasks.keys()].flatMap((id) => find(id) ?? []).sort((a, b) => b.createdAtMs - a.createdAtMs),
    /** Raises a count of the task: the links given out so far stop working, or the clip becomes another one. */
    raise: (id: string, field: 'linkRevision' | 'clipVersion'): void => {
      const task = find(id);
      if (task !== undefined) put({ ...task, [field]: task[field] + 1 });
    },
    /**
     * The completed task that a result link is of, `/v/<task id>[-partN].mp4`; which of its links it is, from 1; and why it is
     * refused, where it is.
     */
    atLink: ({ pathname, searchParams }: URL) => {
      const [, name = '', taskId = '', part = '1'] = LINK_PATH.exec(pathname) ?? [];
      const task = find(taskId);
      const index = Number(part);
      if (task?.end?.status !== 'completed' || index > task.linkCount) return undefined;
      const expires = searchParams.get('expires') ?? '';
      const isSigned = searchParams.get('sig') === sign(name, expires, task.linkRevision);
      const isOver = clock.now() >= Number(expires) * 1000;
      return {
        task,
        index,
        problem: !isSigned ? 'SignatureDoesNotMatch' : isOver ? 'AccessDenied' : undefined,
      };
    },
    close: (): void => {
      isClosed = true;
    },
  };
}

function isSandboxTask(value: unknown): value is SandboxTask {
  return isRecord(value) && value.schemaVersion === 2 && isRecord(value.spec) && isRecord(value.fate);
}

function fateOf(optionsOf: (kind: string) => Fault['options'] | undefined): Fate {
  const failure = optionsOf('fail');
  if (failure !== undefined) {
    const { code = 'service_error', message = 'The task could not be completed.' } = failure;
    return { status: 'failed', error: { code, message: message.replaceAll('\\n', '\n') } };
  }
  if (optionsOf('cancel') !== undefined) return { status: 'cancelled' };
  const word = optionsOf('never') === undefined ? optionsOf('word')?.word : 'processing';
  return word === undefined ? { status: 'completed' } : { status: word, isStuck: true };
}

/** The end of a task that is due; `undefined` while its clip is still being made. */
function endOf(task: SandboxTask, clip: 'making' | 'ready' | 'failed', nowMs: number): SandboxTask['end'] {
  const { fate, reservedCredits, searchCredits } = task;
  const end = { ...fate, atMs: endsAtMs(task), chargedCredits: 0 };
  if (fate.status !== 'completed') return end;
  if (clip === 'making') return undefined;
  if (clip === 'ready') return { ...end, chargedCredits: roundCredits(reservedCredits + searchCredits) };
  const error = { code: 'service_error', message: 'the sandbox could not make the video' };
  return { ...end, atMs: nowMs, status: 'failed', error };
}

/** When the task is due to end, ms since the epoch; never for one that is stuck. */
function endsAtMs({ fate, createdAtMs, lifeMs }: SandboxTask): number {
  return fate.isStuck ? Number.POSITIVE_INFINITY : createdAtMs + lifeMs;
}

/** Share of the life that a task spends as `pending`. */
const PENDING_SHARE = 0.06;

/** Status word and progress (0 to 100) of a task at a time. */
export function lifeAt({ end, fate, lifeMs, createdAtMs }: SandboxTask, nowMs: number) {
  if (end !== undefined) return { status: end.status, progress: end.status === 'completed' ? 100 : 0 };
  if (fate.isStuck && fate.status !== 'processing') return { status: fate.status, progress: 0 };
  const share = lifeMs === 0 ? 1 : Math.max(0, (nowMs - createdAtMs) / lifeMs);
  if (share < PENDING_SHARE) return { status: 'pending', progress: 0 };
  return { status: 'processing', progress: Math.min(99, Math.max(1, Math.floor(share * 100))) };
}

export type TaskObject = Readonly<Record<string, unknown>>;

/** The task object of the API at a time. */
export function toTaskObject(task: SandboxTask, nowMs: number, linkUrl: string): TaskObject {
  const { id, model, lifeMs, end, reservedCredits } = task;
  const isCompleted = end?.status === 'completed';
  const results = isCompleted ? resultLinks(task, linkUrl) : undefined;
  const billing = end && {
    charge_status: isCompleted ? 'charged' : 'released',
    refund_status: isCompleted ? 'not_required' : 'completed',
    reserved_credits: reservedCredits,
    charged_credits: end.chargedCredits,
    refunded_credits: isCompleted ? 0 : reservedCredits,
    refunded_at: isCompleted ? undefined : Math.floor(end.atMs / 1000),
  };
  return {
    created: Math.floor(task.createdAtMs / 1000),
    id,
    model,
    object: 'video.generation.task',
    ...lifeAt(task, nowMs),
    task_info: {
      can_cancel: end === undefined,
      estimated_time: Math.ceil(lifeMs / 1000),
      video_duration: task.spec.durationSeconds,
    },
    type: 'video',
    usage: {
      billing_rule: 'per_second',
      user_group: 'default',
      credits_reserved: reservedCredits,
      credits_used: end?.chargedCredits,
    },
    billing,
    error: end?.error && { ...end.error, type: 'task_error' },
    results: task.isResultDataOnly ? results && [] : results,
    result_data: task.isResultDataOnly && results ? { video_url: results[0] } : undefined,
  };
}

/** Credits that ended tasks cost, and that running ones hold. */
export function sumCredits(tasks: readonly SandboxTask[]) {
  let [used, held] = [0, 0];
  for (const { end, reservedCredits } of tasks) {
    used += end?.chargedCredits ?? 0;
    held += end === undefined ? reservedCredits : 0;
  }
  return { used: roundCredits(used), held: roundCredits(held) };
}

const LINK_LIFE_MS = 24 * 3_600_000;
const LINK_PATH = /^\/v\/((task-unified-\d+-[0-9a-z]+)(?:-part(\d+))?)\.mp4$/;

/** Holds across restarts; it guards nothing but the sandbox's own clips. */
function sign(...parts: readonly (string | number)[]): string {
  const text = ['evolink sandbox result links', ...parts].join('\n');
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

/** The links of a completed task, in order. Their life counts from the end of the task. */
function resultLinks({ id, end, linkCount, linkRevision }: SandboxTask, linkUrl: string): readonly string[] {
  const expires = Math.floor(((end?.atMs ?? 0) + LINK_LIFE_MS) / 1000);
  return Array.from({ length: linkCount }, (_, index) => {
    const name = index === 0 ? id : `${id}-part${index + 1}`;
    return `${linkUrl}/v/${name}.mp4?sig=${sign(name, expires, linkRevision)}&expires=${expires}`;
  });
}
