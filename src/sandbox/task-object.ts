import { createHmac, timingSafeEqual } from 'node:crypto';
import type { VideoSpec } from './clip-store.ts';
import { roundCredits } from './service.ts';

/** How a task will end, decided when it is made. */
export type TaskFate =
  | { readonly kind: 'completed' }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
  | { readonly kind: 'cancelled' }
  /** Never ends, and shows this status word. */
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

/** Seconds that a 4 s clip in 480p was seen to take, by tier. */
const BASE_SECONDS: Readonly<Record<string, number>> = { mini: 109, fast: 113, standard: 156 };
const QUALITY_FACTOR: Readonly<Record<string, number>> = {
  '480p': 1,
  '720p': 1.03,
  '1080p': 1.08,
  '4k': 1.15,
};
const SEARCH_SECONDS = 8;
const SHORTEST_SECONDS = 109;
const LONGEST_SECONDS = 180;
/** Share of the life that a task spends as `pending`. */
const PENDING_SHARE = 0.06;

export interface LifeQuestion {
  readonly tier: string;
  readonly quality: string;
  readonly durationSeconds: number;
  readonly hasWebSearch: boolean;
  /** 0 to 1, the chance of the day. */
  readonly chance: number;
}

/** Seconds that the real service would need for such a task: 109 to 180. */
export function realisticSeconds(question: LifeQuestion): number {
  const base = BASE_SECONDS[question.tier] ?? LONGEST_SECONDS;
  const length = 1 + 0.01 * (question.durationSeconds - 4);
  const seconds =
    base * length * (QUALITY_FACTOR[question.quality] ?? 1) + (question.hasWebSearch ? SEARCH_SECONDS : 0);
  const jittered = seconds * (0.98 + 0.04 * question.chance);
  return Math.min(LONGEST_SECONDS, Math.max(SHORTEST_SECONDS, jittered));
}

/** When the task is due to end, ms since the epoch; never for one that is stuck. */
export function endsAtMs(task: SandboxTask): number {
  return task.fate.kind === 'stuck' ? Number.POSITIVE_INFINITY : task.createdAtMs + task.lifeMs;
}

/** Status word and progress (0 to 100) of a task at a time. */
export function lifeAt(task: SandboxTask, nowMs: number): { status: string; progress: number } {
  if (task.end !== undefined)
    return { status: task.end.status, progress: task.end.status === 'completed' ? 100 : 0 };
  const share = task.lifeMs === 0 ? 1 : Math.max(0, (nowMs - task.createdAtMs) / task.lifeMs);
  if (task.fate.kind === 'stuck' && task.fate.word !== 'processing')
    return { status: task.fate.word, progress: 0 };
  if (share < PENDING_SHARE) return { status: 'pending', progress: 0 };
  return { status: 'processing', progress: Math.min(99, Math.max(1, Math.floor(share * 100))) };
}

/** Signs links across restarts; it guards nothing but this toy's own clips. */
const SIGNING_TEXT = 'evolink sandbox result links';

export interface ResultLinkOptions {
  /** Base URL of the link server, without a slash at the end. */
  readonly linkUrl: () => string;
  readonly linkLifeMs: number;
}

/** The links of a completed task, in order. Their life counts from the end of the task. */
export function resultLinks(task: SandboxTask, options: ResultLinkOptions): readonly string[] {
  if (task.end?.status !== 'completed') return [];
  const expires = String(Math.floor((task.end.atMs + options.linkLifeMs) / 1000));
  return Array.from({ length: task.linkCount }, (_, index) => {
    const name = index === 0 ? task.id : `${task.id}-part${index + 1}`;
    const signature = sign([name, expires, String(task.linkRevision)]);
    return `${options.linkUrl()}/v/${name}.mp4?sig=${signature}&expires=${expires}`;
  });
}

export interface LinkName {
  readonly taskId: string;
  /** From 1. */
  readonly index: number;
}

/** Reads `/v/<task id>[-partN].mp4`. */
export function parseLinkPath(path: string): LinkName | undefined {
  const match = /^\/v\/(task-unified-\d+-[0-9a-z]+)(?:-part(\d+))?\.mp4$/.exec(path);
  if (match?.[1] === undefined) return undefined;
  return { taskId: match[1], index: Number(match[2] ?? 1) };
}

/** Why a link is refused; `undefined` when it is good. */
export function linkProblem(
  url: URL,
  task: SandboxTask,
  nowMs: number,
): 'SignatureDoesNotMatch' | 'AccessDenied' | undefined {
  const name = url.pathname.slice('/v/'.length, -'.mp4'.length);
  const expires = url.searchParams.get('expires') ?? '';
  const expected = Buffer.from(sign([name, expires, String(task.linkRevision)]));
  const given = Buffer.from(url.searchParams.get('sig') ?? '');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return 'SignatureDoesNotMatch';
  return nowMs >= Number(expires) * 1000 ? 'AccessDenied' : undefined;
}

function sign(parts: readonly string[]): string {
  return createHmac('sha256', SIGNING_TEXT).update(parts.join('\n')).digest('hex').slice(0, 32);
}

/** Result links of a completed task, in order. */
export type LinksOf = (task: SandboxTask) => readonly string[];

export interface TaskObject {
  readonly id: string;
  readonly status: string;
  readonly [field: string]: unknown;
}

/** The task object of the API at a time. */
export function toTaskObject(task: SandboxTask, nowMs: number, linksOf: LinksOf): TaskObject {
  const { status, progress } = lifeAt(task, nowMs);
  return {
    created: Math.floor(task.createdAtMs / 1000),
    id: task.id,
    model: task.model,
    object: 'video.generation.task',
    progress,
    status,
    task_info: {
      can_cancel: task.end === undefined,
      estimated_time: Math.ceil(task.lifeMs / 1000),
      video_duration: task.spec.durationSeconds,
    },
    type: 'video',
    usage: {
      billing_rule: 'per_second',
      credits_reserved: task.reservedCredits,
      user_group: 'default',
      ...(task.end === undefined ? {} : { credits_used: task.end.chargedCredits }),
    },
    ...endFields(task, linksOf),
  };
}

function endFields(task: SandboxTask, linksOf: LinksOf): Record<string, unknown> {
  if (task.end === undefined) return {};
  if (task.end.status === 'completed') {
    const links = linksOf(task);
    const billing = { charge_status: 'charged', refund_status: 'none' };
    if (task.isResultDataOnly) return { billing, results: [], result_data: { video_url: links[0] } };
    return { billing, results: links };
  }
  const billing = { charge_status: 'released', refund_status: 'refunded' };
  const { error } = task.end;
  return error === undefined ? { billing } : { billing, error: { ...error, type: 'task_error' } };
}

/** The row of `GET /v1/tasks`; no links. */
export function toListedTask(task: SandboxTask, nowMs: number): Record<string, unknown> {
  const { status, progress } = lifeAt(task, nowMs);
  return {
    id: task.id,
    model: task.model,
    type: 'video',
    status,
    progress,
    created_at: Math.floor(task.createdAtMs / 1000),
  };
}

/** Credits that ended tasks cost, and that running ones hold. */
export function sumCredits(tasks: readonly SandboxTask[]): { used: number; held: number } {
  let used = 0;
  let held = 0;
  for (const task of tasks) {
    if (task.end === undefined) held += task.reservedCredits;
    else used += task.end.chargedCredits;
  }
  return { used: roundCredits(used), held: roundCredits(held) };
}
