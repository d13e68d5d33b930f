import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClipStore, VideoSpec } from './clip-store.ts';
import type { ServerClock } from './clock.ts';
import type { FaultQueue } from './fault-plan.ts';
import { isRecord, readJsonFile } from './http.ts';
import { roundCredits } from './service-tables.ts';

/** How a task will end, decided when it is made; one that is stuck never ends, and shows this status word. */
export type TaskFate =
  | { readonly kind: 'completed' | 'cancelled' }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
  | { readonly kind: 'stuck'; readonly word: string };

/** One task. Plain data: it is what the state folder holds. */
export interface SandboxTask {
  readonly schemaVersion: 1;
  readonly id: string;
  readonly model: string;
  readonly createdAtMs: number;
  /** Wall milliseconds from submit to end, speed applied. */
  readonly lifeMs: number;
  readonly fingerprint: string;
  readonly idempotencyKey?: string | undefined;
  readonly reservedCredits: number;
  readonly searchCredits: number;
  readonly fate: TaskFate;
  readonly linkCount: number;
  readonly isResultDataOnly: boolean;
  readonly callbackUrl?: string | undefined;
  readonly spec: VideoSpec;
  readonly end?: TaskEnd | undefined;
  /** Raised when the links given out so far stop working. */
  readonly linkRevision: number;
  /** Raised when the clip becomes another one. */
  readonly clipVersion: number;
}

export interface TaskEnd {
  readonly status: 'completed' | 'failed' | 'cancelled';
  readonly atMs: number;
  readonly chargedCredits: number;
  readonly error?: { readonly code: string; readonly message: string } | undefined;
}

/** What a submit knows of its task. */
export type NewTask = Pick<
  SandboxTask,
  'model' | 'fingerprint' | 'idempotencyKey' | 'reservedCredits' | 'searchCredits' | 'callbackUrl' | 'lifeMs'
> & { readonly toSpec: (taskId: string) => VideoSpec };

interface TaskBookOptions {
  readonly clock: ServerClock;
  readonly letters: (length: number) => string;
  readonly clips: ClipStore;
  readonly faults: FaultQueue;
  readonly stateFolder: string | undefined;
  /** Called once, when a task has ended and is settled. */
  readonly onEnd: (task: SandboxTask) => void;
}

const CLIP_WAIT_MS = 2000;

/** Holds every task and ends each when its time has come: by a timer, or at the next look at it. */
export function createTaskBook({ clock, letters, clips, faults, stateFolder, onEnd }: TaskBookOptions) {
  const store = createTaskStore(stateFolder);
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
    const end = isDue ? endOf(task, clips.stateOf(task.spec), clock.now()) : undefined;
    if (end === undefined || isClosed) return task;
    timers.get(task.id)?.();
    timers.delete(task.id);
    const ended = put({ ...task, end });
    onEnd(ended);
    return ended;
  };
  const find = (id: string): SandboxTask | undefined => {
    const task = tasks.get(id) ?? store.read(id);
    return task === undefined ? undefined : settle(task);
  };
  const watch = (task: SandboxTask): void => {
    if (task.end !== undefined || task.fate.kind === 'stuck') return;
    // A clip that is still being made ends the task once it is there.
    const look = async (): Promise<void> => {
      await clips.get(task.spec).catch(() => {});
      find(task.id);
    };
    timers.set(
      task.id,
      clock.after(Math.max(0, endsAtMs(task) - clock.now()), () => void look()),
    );
  };
  const newId = (): string => {
    const id = `task-unified-${Math.floor(clock.now() / 1000)}-${letters(8)}`;
    return tasks.has(id) ? newId() : id;
  };

  for (const task of tasks.values()) watch(task);
  return {
    create: ({ toSpec, ...facts }: NewTask): SandboxTask => {
      const struck = new Map(faults.take('task').map((fault) => [fault.kind, fault]));
      const slowness = struck.has('instant') ? 0 : (struck.get('slow')?.amount ?? 1);
      const id = newId();
      const task = put({
        ...facts,
        schemaVersion: 1,
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
      clips.get(task.spec).catch(() => {});
      watch(task);
      return task;
    },
    /** The task as it stands now; a clip that is due but not made yet is waited for, at most 2 s. */
    read: async (id: string): Promise<SandboxTask | undefined> => {
      const task = find(id);
      if (task === undefined || task.end !== undefined || clock.now() < endsAtMs(task)) return task;
      const stop = new AbortController();
      const timeout = clock.sleep(CLIP_WAIT_MS, stop.signal).catch(() => {});
      await Promise.race([clips.get(task.spec).catch(() => {}), timeout]);
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
    close: (): void => {
      isClosed = true;
      for (const cancel of timers.values()) cancel();
    },
  };
}

/** Where tasks outlive the process: one file a task, so that several processes may share the folder. */
function createTaskStore(stateFolder: string | undefined) {
  const folder = join(stateFolder ?? '', 'tasks');
  if (stateFolder !== undefined) mkdirSync(folder, { recursive: true, mode: 0o700 });
  const read = (id: string): SandboxTask | undefined => {
    const value = stateFolder === undefined ? undefined : readJsonFile(join(folder, `${id}.json`));
    return isSandboxTask(value) ? value : undefined;
  };
  return {
    read,
    load: (): readonly SandboxTask[] =>
      (stateFolder === undefined ? [] : readdirSync(folder))
        .filter((name) => name.endsWith('.json'))
        .flatMap((name) => read(name.slice(0, -'.json'.length)) ?? []),
    // Synchronous on purpose: the answer to a submit must not overtake its record.
    save: (task: SandboxTask): void => {
      if (stateFolder === undefined) return;
      const path = join(folder, `${task.id}.json`);
      const temporary = `${path}.${randomUUID()}.tmp`; // Another process may save the same task.
      writeFileSync(temporary, JSON.stringify(task), { mode: 0o600 });
      renameSync(temporary, path);
    },
  };
}

function isSandboxTask(value: unknown): value is SandboxTask {
  return isRecord(value) && value.schemaVersion === 1 && isRecord(value.spec) && isRecord(value.fate);
}

function fateOf(optionsOf: (kind: string) => Readonly<Record<string, string>> | undefined): TaskFate {
  const failure = optionsOf('fail');
  if (failure !== undefined) {
    const { code = 'service_error', message = 'The task could not be completed.' } = failure;
    return { kind: 'failed', code, message: message.replaceAll('\\n', '\n') };
  }
  if (optionsOf('cancel') !== undefined) return { kind: 'cancelled' };
  const word = optionsOf('never') === undefined ? optionsOf('word')?.word : 'processing';
  return word === undefined ? { kind: 'completed' } : { kind: 'stuck', word };
}

/** The end of a task that is due; `undefined` while its clip is still being made. */
function endOf(task: SandboxTask, clip: 'making' | 'ready' | 'failed', nowMs: number): TaskEnd | undefined {
  const end = { atMs: endsAtMs(task), chargedCredits: 0 };
  if (task.fate.kind === 'failed') {
    const { kind: _, ...error } = task.fate;
    return { ...end, status: 'failed', error };
  }
  if (task.fate.kind === 'cancelled') return { ...end, status: 'cancelled' };
  if (clip === 'making') return undefined;
  const chargedCredits = roundCredits(task.reservedCredits + task.searchCredits);
  if (clip === 'ready') return { ...end, status: 'completed', chargedCredits };
  const unmade = { code: 'service_error', message: 'the sandbox could not make the video' };
  return { status: 'failed', atMs: nowMs, chargedCredits: 0, error: unmade };
}

/** When the task is due to end, ms since the epoch; never for one that is stuck. */
function endsAtMs(task: SandboxTask): number {
  return task.fate.kind === 'stuck' ? Number.POSITIVE_INFINITY : task.createdAtMs + task.lifeMs;
}

/** Share of the life that a task spends as `pending`. */
const PENDING_SHARE = 0.06;

/** Status word and progress (0 to 100) of a task at a time. */
export function lifeAt(task: SandboxTask, nowMs: number): { status: string; progress: number } {
  const { end, fate, lifeMs } = task;
  if (end !== undefined) return { status: end.status, progress: end.status === 'completed' ? 100 : 0 };
  if (fate.kind === 'stuck' && fate.word !== 'processing') return { status: fate.word, progress: 0 };
  const share = lifeMs === 0 ? 1 : Math.max(0, (nowMs - task.createdAtMs) / lifeMs);
  if (share < PENDING_SHARE) return { status: 'pending', progress: 0 };
  return { status: 'processing', progress: Math.min(99, Math.max(1, Math.floor(share * 100))) };
}

/** Result links of a completed task, in order. */
export type LinksOf = (task: SandboxTask) => readonly string[];

export interface TaskObject {
  readonly id: string;
  readonly status: string;
  readonly [field: string]: unknown;
}

const USAGE = { billing_rule: 'per_second', user_group: 'default' };

/** The task object of the API at a time. */
export function toTaskObject(task: SandboxTask, nowMs: number, linksOf: LinksOf): TaskObject {
  const { id, model, lifeMs, end, reservedCredits: credits_reserved } = task;
  const video_duration = task.spec.durationSeconds;
  return {
    created: Math.floor(task.createdAtMs / 1000),
    id,
    model,
    object: 'video.generation.task',
    ...lifeAt(task, nowMs),
    task_info: { can_cancel: end === undefined, estimated_time: Math.ceil(lifeMs / 1000), video_duration },
    type: 'video',
    usage: { ...USAGE, credits_reserved, credits_used: end?.chargedCredits },
    ...endFields(task, linksOf),
  };
}

function endFields(task: SandboxTask, linksOf: LinksOf): Record<string, unknown> {
  const { end, reservedCredits } = task;
  if (end === undefined) return {};
  const isCompleted = end.status === 'completed';
  const billing = {
    charge_status: isCompleted ? 'charged' : 'released',
    refund_status: isCompleted ? 'not_required' : 'completed',
    reserved_credits: reservedCredits,
    charged_credits: end.chargedCredits,
    refunded_credits: isCompleted ? 0 : reservedCredits,
    refunded_at: isCompleted ? undefined : Math.floor(end.atMs / 1000),
  };
  if (!isCompleted) return { billing, error: end.error && { ...end.error, type: 'task_error' } };
  const results = linksOf(task);
  return task.isResultDataOnly
    ? { billing, results: [], result_data: { video_url: results[0] } }
    : { billing, results };
}

/** Credits that ended tasks cost, and that running ones hold. */
export function sumCredits(tasks: readonly SandboxTask[]): { used: number; held: number } {
  const used = tasks.reduce((sum, { end }) => sum + (end?.chargedCredits ?? 0), 0);
  const held = tasks.reduce((sum, task) => sum + (task.end === undefined ? task.reservedCredits : 0), 0);
  return { used: roundCredits(used), held: roundCredits(held) };
}

/** Signs links across restarts; it guards nothing but the sandbox's own clips. */
const SIGNING_TEXT = 'evolink sandbox result links';

function sign(...parts: readonly string[]): string {
  return createHmac('sha256', SIGNING_TEXT).update(parts.join('\n')).digest('hex').slice(0, 32);
}

/** The links of a completed task, in order. Their life counts from the end of the task. */
export function resultLinks(task: SandboxTask, linkUrl: string, linkLifeMs: number): readonly string[] {
  if (task.end?.status !== 'completed') return [];
  const expires = String(Math.floor((task.end.atMs + linkLifeMs) / 1000));
  return Array.from({ length: task.linkCount }, (_, index) => {
    const name = index === 0 ? task.id : `${task.id}-part${index + 1}`;
    const signature = sign(name, expires, String(task.linkRevision));
    return `${linkUrl}/v/${name}.mp4?sig=${signature}&expires=${expires}`;
  });
}

/** Reads `/v/<task id>[-partN].mp4`; the index counts from 1. */
export function parseLinkPath(path: string): { readonly taskId: string; readonly index: number } | undefined {
  const [, taskId, part = '1'] = /^\/v\/(task-unified-\d+-[0-9a-z]+)(?:-part(\d+))?\.mp4$/.exec(path) ?? [];
  return taskId === undefined ? undefined : { taskId, index: Number(part) };
}

/** Why a link is refused; `undefined` when it is good. */
export function linkProblem(url: URL, task: SandboxTask, nowMs: number) {
  const name = url.pathname.slice('/v/'.length, -'.mp4'.length);
  const expires = url.searchParams.get('expires') ?? '';
  const expected = Buffer.from(sign(name, expires, String(task.linkRevision)));
  const given = Buffer.from(url.searchParams.get('sig') ?? '');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return 'SignatureDoesNotMatch';
  return nowMs >= Number(expires) * 1000 ? 'AccessDenied' : undefined;
}
