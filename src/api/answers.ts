import * as z from 'zod/mini';
import type { EvolinkError } from '../errors.ts';
import { type Secrets, type ServerTextOptions, sanitizeServerText } from '../platform/text.ts';
import type { WireBody } from '../request/fields.ts';
import { ANY, fields, listOf, NOT_NEGATIVE, NUMBER, PERCENT, POSITIVE, TEXT, TIME_MS } from './json.ts';

const REFUND_STATUSES = ['not_required', 'pending', 'failed', 'completed'] as const;

type TaskState = 'running' | 'completed' | 'failed' | 'cancelled';

/** One reading of a task, tolerant: whatever is missing is absent. Server text is sanitised already. */
export interface TaskSnapshot {
  readonly id: string;
  readonly model?: string | undefined;
  readonly state: TaskState;
  /** The service's own word: `pending`, `processing`, … */
  readonly status: string;
  /** False for a word that no document names: the task counts as running, and a warning is due once. */
  readonly isKnownStatus: boolean;
  /** 0 to 100. */
  readonly progressPercent?: number | undefined;
  readonly estimatedSeconds?: number | undefined;
  readonly createdAtMs?: number | undefined;
  /** Result links in order; empty until completed. Secrets for 24 h. */
  readonly links: readonly string[];
  readonly videoSeconds?: number | undefined;
  readonly reservedCredits?: number | undefined;
  readonly usedCredits?: number | undefined;
  /** What the service says of the money of a task that has ended. */
  readonly billing?:
    | {
        readonly chargedCredits?: number | undefined;
        readonly refundedCredits?: number | undefined;
        readonly refundStatus?: (typeof REFUND_STATUSES)[number] | undefined;
      }
    | undefined;
  readonly error?: { readonly code: string; readonly message: string } | undefined;
  /** The server's clock (`Date` header) at the time of the answer. */
  readonly serverNowMs?: number | undefined;
  readonly requestId?: string | undefined;
}

/** What became of the paid POST. Only `not-sent` and `throttled` may be repeated, and only with the same key. */
export type SubmitOutcome =
  | {
      readonly kind: 'accepted';
      readonly task: TaskSnapshot;
      readonly isReplay: boolean;
      readonly requestId?: string | undefined;
    }
  /** Provably no byte of the request left: DNS, refused, unreachable, connect timeout, TLS, proxy CONNECT. */
  | { readonly kind: 'not-sent'; readonly error: EvolinkError; readonly isTransient: boolean }
  /** 429, or 503 with the API's own JSON: the service itself says that it did not take the task. */
  | { readonly kind: 'throttled'; readonly error: EvolinkError; readonly retryAfterMs?: number | undefined }
  /** The service refused the request; nothing was charged. */
  | { readonly kind: 'rejected'; readonly error: EvolinkError }
  /** Anything else after the first byte. `rawBody` is size-capped and free of secrets. */
  | {
      readonly kind: 'unknown';
      readonly reason: string;
      readonly httpStatus?: number | undefined;
      readonly requestId?: string | undefined;
      readonly rawBody?: string | undefined;
    };

/** What the task list says of a task. */
export type ListedTask = Pick<
  TaskSnapshot,
  'id' | 'model' | 'state' | 'status' | 'isKnownStatus' | 'progressPercent' | 'createdAtMs'
>;

export interface TaskPage {
  readonly tasks: readonly ListedTask[];
  readonly page: number;
  readonly pageSize: number;
  readonly total?: number | undefined;
  readonly serverNowMs?: number | undefined;
}

export interface Credits {
  readonly userRemaining?: number | undefined;
  readonly userUsed?: number | undefined;
  readonly tokenRemaining?: number | undefined;
  readonly isTokenUnlimited: boolean;
  /** The smaller of what user and token have left; absent when the answer names neither. */
  readonly spendable?: number | undefined;
}

/** The service, one method an endpoint. Only `submit` POSTs something that costs. */
export interface ApiClient {
  readonly baseUrl: string;
  /** Loads what the first request needs, so that nothing lies between the record of a submission and its sending. */
  prepare?(): Promise<void>;
  /** Sends the paid POST exactly once: own connection, no redirects, no retry. Never throws but for an abort. */
  submit(body: WireBody, options: { idempotencyKey: string; signal?: AbortSignal }): Promise<SubmitOutcome>;
  /**
   * Reads one task once, without retry.
   * @throws EvolinkError `auth` (401, 403), `task-failed` (404), `network` (everything that may pass by itself;
   * `retryAfterMs` is on the `ApiReadError`), `usage` (400).
   */
  getTask(taskId: string, signal?: AbortSignal): Promise<TaskSnapshot>;
  /** `undefined` where the service has no list (404, 405). */
  listTasks(
    query: { model?: string; page: number; pageSize: number },
    signal?: AbortSignal,
  ): Promise<TaskPage | undefined>;
  /** `undefined` where the service has no batch read (404, 405). Unknown ids are missing from the answer. */
  getTasks(taskIds: readonly string[], signal?: AbortSignal): Promise<readonly TaskSnapshot[] | undefined>;
  getCredits(signal?: AbortSignal): Promise<Credits>;
}

/** Makes text of the other side fit to be kept and shown: no key in it, no control characters, bounded. */
export type CleanText = (text: string, options?: ServerTextOptions) => string;

/** A filter that knows the secrets of one client. */
export function createCleanText(secrets: Secrets): CleanText {
  // Masked before the cut, so that no half of a key remains; and after, for a key split by what was taken out.
  return (text, options) => secrets.mask(sanitizeServerText(secrets.mask(text), options));
}

const MAX_RAW_CHARACTERS = 16 * 1024;

/**
 * The start of a body for the record of a request whose outcome is unknown: without the key, anything that looks like a
 * bearer token, and the queries of links (their signatures).
 */
export function keepRawBody(text: string, secrets: Secrets): string {
  return secrets
    .mask(text.slice(0, MAX_RAW_CHARACTERS * 4))
    .replace(/\b(bearer\s+)[\w.~+/=-]+/gi, '$1***')
    .replace(/\bsk-[\w-]{8,}/g, '***')
    .replace(/(https?:\/\/[^\s"'<>?#]+)\?[^\s"'<>]*/gi, '$1?***')
    .slice(0, MAX_RAW_CHARACTERS);
}

/** The words that the service's documents, callbacks and clients use. */
const STATES: Readonly<Record<string, TaskState>> = {
  pending: 'running',
  processing: 'running',
  completed: 'completed',
  failed: 'failed',
  cancelled: 'cancelled',
  canceled: 'cancelled',
};

/** More links than this are a fault, not an answer. */
const MAX_LINKS = 64;
const MAX_LINK_LENGTH = 8_192;
/** The service gives at most 50 tasks; more than this is a fault. */
const MAX_LISTED = 500;

/** The parts of an id are letters, digits, `_`, `.` and `-`; it never reaches a path or a URL in any other form. */
export function isTaskId(value: unknown): value is string {
  return (
    typeof value === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(value) && !value.includes('..')
  );
}

const TASK = fields({
  id: ANY,
  task_id: ANY,
  status: TEXT,
  model: TEXT,
  progress: PERCENT,
  created: TIME_MS,
  created_at: TIME_MS,
  task_info: fields({ estimated_time: POSITIVE, video_duration: POSITIVE }),
  usage: fields({
    credits_reserved: NOT_NEGATIVE,
    credits_used: NOT_NEGATIVE,
    cost: fields({ credits: NOT_NEGATIVE }),
  }),
  billing: fields({
    charged_credits: NOT_NEGATIVE,
    refunded_credits: NOT_NEGATIVE,
    refund_status: z.catch(z.optional(z.enum(REFUND_STATUSES)), undefined),
  }),
  results: ANY,
  result_data: ANY,
  error: ANY,
  data: ANY,
});
const TASK_ERROR = fields({ code: TEXT, type: TEXT, message: TEXT, msg: TEXT });
const LINK = fields({ video_url: ANY, url: ANY });
const LIST = fields({ data: listOf(MAX_LISTED), page: NUMBER, page_size: NUMBER, total: NUMBER });
const BALANCE = fields({ remaining_credits: NUMBER, used_credits: NUMBER, unlimited_credits: ANY });
const CREDITS = fields({ data: fields({ user: BALANCE, token: BALANCE }) });

type ReadTask = NonNullable<z.infer<typeof TASK>>;

/**
 * Reads a task object, tolerant: unknown fields are ignored, whatever is missing or of a wrong type is absent. Also
 * inside `{code, data: {…}}`. `undefined` where there is no usable id (or none at all and no `expectedId`), or more than
 * 64 links. Never throws.
 */
export function readTask(value: unknown, clean: CleanText, expectedId?: string): TaskSnapshot | undefined {
  const outer = TASK.parse(value);
  const inner = TASK.parse(outer?.data);
  const task = outer?.id === undefined && looksLikeTask(inner) ? inner : outer;
  if (task === undefined) return undefined;
  const listed = readListed(task, clean, looksLikeTask(task) ? expectedId : undefined);
  const results = linksOf(task.results);
  const links = results.length > 0 ? results : linksOf(task.result_data);
  if (listed === undefined || links.length > MAX_LINKS) return undefined;
  const { usage, billing, task_info: info } = task;
  return {
    ...listed,
    createdAtMs: task.created ?? task.created_at,
    estimatedSeconds: info?.estimated_time,
    videoSeconds: info?.video_duration,
    links,
    reservedCredits: usage?.credits_reserved,
    usedCredits: usage?.credits_used ?? usage?.cost?.credits ?? billing?.charged_credits,
    billing: billing && {
      chargedCredits: billing.charged_credits,
      refundedCredits: billing.refunded_credits,
      refundStatus: billing.refund_status,
    },
    error: readTaskError(task.error, clean),
  };
}

function looksLikeTask(task: ReadTask | undefined): task is ReadTask {
  return task !== undefined && (task.status !== undefined || isTaskId(task.id));
}

/** A word that no document names counts as running: it must not end a paid task. */
function readListed(task: ReadTask, clean: CleanText, expectedId?: string): ListedTask | undefined {
  const id = task.id ?? task.task_id ?? expectedId;
  if (!isTaskId(id)) return undefined;
  const status = clean(task.status ?? 'unknown', { maxLength: 60 });
  const word = status.trim().toLowerCase();
  const state = Object.hasOwn(STATES, word) ? STATES[word] : undefined;
  return {
    id,
    model: task.model && clean(task.model, { maxLength: 128 }),
    status,
    state: state ?? 'running',
    isKnownStatus: state !== undefined,
    progressPercent: task.progress,
    createdAtMs: task.created_at ?? task.created,
  };
}

/** One link or many: as text, or as objects that name it `url` or `video_url`. In order, each once. */
function linksOf(value: unknown): readonly string[] {
  const links = new Set<string>();
  for (const entry of [value].flat()) {
    const named = LINK.parse(entry);
    const link = TEXT.parse(typeof entry === 'string' ? entry : (named?.video_url ?? named?.url));
    const isLink = link !== undefined && link.length <= MAX_LINK_LENGTH && /^https?:\/\//i.test(link);
    if (isLink && URL.canParse(link)) links.add(link);
    if (links.size > MAX_LINKS) break;
  }
  return [...links];
}

function readTaskError(value: unknown, clean: CleanText): TaskSnapshot['error'] {
  const message = typeof value === 'string' ? TEXT.parse(value) : undefined;
  const error = TASK_ERROR.parse(value);
  const [code, reason] = [error?.code ?? error?.type, message ?? error?.message ?? error?.msg];
  if (code === undefined && reason === undefined) return undefined;
  return {
    code: clean(code ?? 'unknown_error', { maxLength: 80 }),
    message: clean(reason ?? 'the service gave no reason', { multiline: true }),
  };
}

/** Reads `GET /v1/tasks`; entries without a usable id are left out. `undefined` where there is no list. Never throws. */
export function readTaskPage(
  value: unknown,
  clean: CleanText,
  asked: { readonly page: number; readonly pageSize: number },
): TaskPage | undefined {
  const list = LIST.parse(value);
  const tasks = list?.data?.map((entry) => TASK.parse(entry)).filter((task) => task !== undefined);
  return (
    tasks && {
      tasks: tasks.map((task) => readListed(task, clean)).filter((task) => task !== undefined),
      page: list?.page ?? asked.page,
      pageSize: list?.page_size ?? asked.pageSize,
      total: list?.total,
    }
  );
}

/** Reads `POST /v1/tasks/batch`; unreadable entries are left out. `undefined` where there is no list. Never throws. */
export function readTaskBatch(value: unknown, clean: CleanText): readonly TaskSnapshot[] | undefined {
  const tasks = LIST.parse(value)?.data?.map((entry) => readTask(entry, clean));
  return tasks?.filter((task) => task !== undefined);
}

/** Reads `GET /v1/credits`. `undefined` where the answer holds neither user nor token. Never throws. */
export function readCredits(value: unknown): Credits | undefined {
  const { user, token } = CREDITS.parse(value)?.data ?? {};
  if (user === undefined && token === undefined) return undefined;
  const isTokenUnlimited = token?.unlimited_credits === true;
  const bounds = [user?.remaining_credits, isTokenUnlimited ? undefined : token?.remaining_credits];
  const known = bounds.filter((bound) => bound !== undefined);
  return {
    userRemaining: user?.remaining_credits,
    userUsed: user?.used_credits,
    tokenRemaining: token?.remaining_credits,
    isTokenUnlimited,
    spendable: known.length === 0 ? undefined : Math.min(...known),
  };
}
