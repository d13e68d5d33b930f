import type { EvolinkError } from '../errors.ts';
import { type Secrets, type ServerTextOptions, sanitizeServerText } from '../platform/text.ts';
import type { WireBody } from '../request/models.ts';
import { fieldOf, isRecord, toNumber, toText, toTimeMs } from './http-types.ts';

type TaskState = 'running' | 'completed' | 'failed' | 'cancelled';

interface Billing {
  readonly chargedCredits?: number | undefined;
  readonly refundedCredits?: number | undefined;
  readonly refundStatus?: 'not_required' | 'pending' | 'failed' | 'completed' | undefined;
}

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
  readonly billing?: Billing | undefined;
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
      readonly requestId?: string;
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

/** Maps the service's word to a state. A word that no document names counts as running: it must not end a paid task. */
function toTaskState(status: string): { readonly state: TaskState; readonly isKnownStatus: boolean } {
  const word = status.trim().toLowerCase();
  const state = Object.hasOwn(STATES, word) ? STATES[word] : undefined;
  return { state: state ?? 'running', isKnownStatus: state !== undefined };
}

/** More links than this are a fault, not an answer. */
const MAX_LINKS = 64;
const MAX_LINK_LENGTH = 8_192;

/** The parts of an id are letters, digits, `_`, `.` and `-`; it never reaches a path or a URL in any other form. */
export function isTaskId(value: unknown): value is string {
  return (
    typeof value === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(value) && !value.includes('..')
  );
}

/**
 * Reads a task object, tolerant: unknown fields are ignored, whatever is missing or of a wrong type is absent. Also
 * inside `{code, data: {…}}`. `undefined` where there is no usable id (or none at all and no `expectedId`), or more than
 * 64 links. Never throws.
 */
export function readTask(value: unknown, clean: CleanText, expectedId?: string): TaskSnapshot | undefined {
  const task = unwrap(value);
  if (!isRecord(task)) return undefined;
  const id =
    fieldOf(task, 'id') ?? fieldOf(task, 'task_id') ?? (looksLikeTask(task) ? expectedId : undefined);
  const links = readLinks(task);
  if (!isTaskId(id) || links.length > MAX_LINKS) return undefined;
  const status = clean(toText(fieldOf(task, 'status')) ?? 'unknown', { maxLength: 60 });
  const info = fieldOf(task, 'task_info');
  const model = toText(fieldOf(task, 'model'));
  return {
    id,
    model: model && clean(model, { maxLength: 128 }),
    status,
    ...toTaskState(status),
    progressPercent: clampPercent(toNumber(fieldOf(task, 'progress'))),
    estimatedSeconds: positive(toNumber(fieldOf(info, 'estimated_time'))),
    videoSeconds: positive(toNumber(fieldOf(info, 'video_duration'))),
    createdAtMs: toTimeMs(fieldOf(task, 'created') ?? fieldOf(task, 'created_at')),
    links,
    ...readMoney(task),
    error: readTaskError(fieldOf(task, 'error'), clean),
  };
}

function unwrap(value: unknown): unknown {
  const inner = fieldOf(value, 'data');
  return fieldOf(value, 'id') === undefined && looksLikeTask(inner) ? inner : value;
}

function looksLikeTask(value: unknown): boolean {
  return isRecord(value) && (fieldOf(value, 'status') !== undefined || isTaskId(fieldOf(value, 'id')));
}

function readLinks(task: unknown): readonly string[] {
  const listed = linksOf(fieldOf(task, 'results'));
  return listed.length > 0 ? listed : linksOf(fieldOf(task, 'result_data'));
}

/** One link or many: as text, or as objects that name it `url` or `video_url`. In order, each once. */
function linksOf(value: unknown): readonly string[] {
  const entries: readonly unknown[] = Array.isArray(value) ? value : [value];
  const links = new Set<string>();
  for (const entry of entries) {
    const link = typeof entry === 'string' ? entry : (fieldOf(entry, 'video_url') ?? fieldOf(entry, 'url'));
    if (typeof link === 'string' && link.length <= MAX_LINK_LENGTH && isWebUrl(link.trim()))
      links.add(link.trim());
    if (links.size > MAX_LINKS) break;
  }
  return [...links];
}

function isWebUrl(text: string): boolean {
  return /^https?:\/\//i.test(text) && URL.canParse(text);
}

function readMoney(task: unknown) {
  const usage = fieldOf(task, 'usage');
  const used = fieldOf(usage, 'credits_used') ?? fieldOf(fieldOf(usage, 'cost'), 'credits');
  const billing = readBilling(fieldOf(task, 'billing'));
  return {
    reservedCredits: notNegative(toNumber(fieldOf(usage, 'credits_reserved'))),
    usedCredits: notNegative(toNumber(used)) ?? billing?.chargedCredits,
    billing,
  };
}

const REFUND_STATUSES = ['not_required', 'pending', 'failed', 'completed'] as const;

function readBilling(value: unknown): Billing | undefined {
  if (!isRecord(value)) return undefined;
  return {
    chargedCredits: notNegative(toNumber(fieldOf(value, 'charged_credits'))),
    refundedCredits: notNegative(toNumber(fieldOf(value, 'refunded_credits'))),
    refundStatus: REFUND_STATUSES.find((status) => status === fieldOf(value, 'refund_status')),
  };
}

function readTaskError(value: unknown, clean: CleanText): TaskSnapshot['error'] {
  if (typeof value === 'string' && value.trim() !== '')
    return { code: 'unknown_error', message: clean(value, { multiline: true }) };
  if (!isRecord(value)) return undefined;
  const code = toText(fieldOf(value, 'code')) ?? toText(fieldOf(value, 'type'));
  const message = toText(fieldOf(value, 'message')) ?? toText(fieldOf(value, 'msg'));
  if (code === undefined && message === undefined) return undefined;
  return {
    code: clean(code ?? 'unknown_error', { maxLength: 80 }),
    message: clean(message ?? 'the service gave no reason', { multiline: true }),
  };
}

function clampPercent(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.min(100, Math.max(0, value));
}

function positive(value: number | undefined): number | undefined {
  return value !== undefined && value > 0 ? value : undefined;
}

function notNegative(value: number | undefined): number | undefined {
  return value !== undefined && value >= 0 ? value : undefined;
}

/** The service gives at most 50; more than this is a fault. */
const MAX_LISTED = 500;

/** Reads `GET /v1/tasks`; entries without a usable id are left out. `undefined` where there is no list. Never throws. */
export function readTaskPage(
  value: unknown,
  clean: CleanText,
  asked: { readonly page: number; readonly pageSize: number },
): TaskPage | undefined {
  const entries = fieldOf(value, 'data');
  if (!Array.isArray(entries) || entries.length > MAX_LISTED) return undefined;
  return {
    tasks: entries.map((entry) => readListedTask(entry, clean)).filter((task) => task !== undefined),
    page: toNumber(fieldOf(value, 'page')) ?? asked.page,
    pageSize: toNumber(fieldOf(value, 'page_size')) ?? asked.pageSize,
    total: toNumber(fieldOf(value, 'total')),
  };
}

function readListedTask(value: unknown, clean: CleanText): ListedTask | undefined {
  const id = fieldOf(value, 'id') ?? fieldOf(value, 'task_id');
  if (!isTaskId(id)) return undefined;
  const model = toText(fieldOf(value, 'model'));
  const status = clean(toText(fieldOf(value, 'status')) ?? 'unknown', { maxLength: 60 });
  return {
    id,
    model: model && clean(model, { maxLength: 128 }),
    status,
    ...toTaskState(status),
    progressPercent: clampPercent(toNumber(fieldOf(value, 'progress'))),
    createdAtMs: toTimeMs(fieldOf(value, 'created_at') ?? fieldOf(value, 'created')),
  };
}

/** Reads `POST /v1/tasks/batch`; unreadable entries are left out. `undefined` where there is no list. Never throws. */
export function readTaskBatch(value: unknown, clean: CleanText): readonly TaskSnapshot[] | undefined {
  const entries = fieldOf(value, 'data');
  if (!Array.isArray(entries) || entries.length > MAX_LISTED) return undefined;
  return entries.map((entry) => readTask(entry, clean)).filter((task) => task !== undefined);
}

/** Reads `GET /v1/credits`. `undefined` where the answer holds neither user nor token. Never throws. */
export function readCredits(value: unknown): Credits | undefined {
  const data = fieldOf(value, 'data');
  const user = fieldOf(data, 'user');
  const token = fieldOf(data, 'token');
  if (!isRecord(user) && !isRecord(token)) return undefined;
  const userRemaining = toNumber(fieldOf(user, 'remaining_credits'));
  const tokenRemaining = toNumber(fieldOf(token, 'remaining_credits'));
  const isTokenUnlimited = fieldOf(token, 'unlimited_credits') === true;
  const bounds = [userRemaining, isTokenUnlimited ? undefined : tokenRemaining].filter(
    (bound) => bound !== undefined,
  );
  return {
    userRemaining,
    userUsed: toNumber(fieldOf(user, 'used_credits')),
    tokenRemaining,
    isTokenUnlimited,
    spendable: bounds.length === 0 ? undefined : Math.min(...bounds),
  };
}
