import * as z from 'zod/mini';
import type { EvolinkError } from '../errors.ts';
import { all, parseUrl, type Secrets, type ServerTextOptions, sanitizeServerText } from '../platform/text.ts';
import { ANY, fields, listOf, NOT_NEGATIVE, NUMBER, PERCENT, POSITIVE, TEXT, TIME_MS } from './json.ts';

type TaskState = 'running' | 'completed' | 'failed' | 'cancelled';

type ReadTask = NonNullable<ReturnType<typeof readTask>>;

/**
 * One reading of a task, tolerant: whatever is missing is absent. Server text is sanitised already. `serverNowMs` is the
 * server's clock (`Date` header) at the time of the answer.
 */
export type TaskSnapshot = Partial<
  ReadTask & Record<'serverNowMs', number | undefined> & Record<'requestId', string | undefined>
> &
  Pick<ReadTask, 'id' | 'state' | 'status' | 'isKnownStatus' | 'links'>;

/** What became of the paid POST. Only `not-sent` and `throttled` may be repeated, and only with the same key. */
export type SubmitOutcome =
  | { readonly kind: 'accepted'; readonly task: TaskSnapshot }
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
  'id' | 'model' | 'status' | 'state' | 'isKnownStatus' | 'progressPercent' | 'createdAtMs'
>;

type ReadCredits = NonNullable<ReturnType<typeof readCredits>>;
export type Credits = Partial<ReadCredits> & Pick<ReadCredits, 'isTokenUnlimited'>;

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
  ...all(ANY, 'id', 'task_id', 'results', 'result_data', 'error', 'data'),
  ...all(TEXT, 'status', 'model'),
  ...all(TIME_MS, 'created', 'created_at'),
  progress: PERCENT,
  task_info: fields(all(POSITIVE, 'estimated_time', 'video_duration')),
  usage: fields({
    ...all(NOT_NEGATIVE, 'credits_reserved', 'credits_used'),
    cost: fields(all(NOT_NEGATIVE, 'credits')),
  }),
  billing: fields({
    ...all(NOT_NEGATIVE, 'charged_credits', 'refunded_credits'),
    refund_status: z.catch(z.optional(z.enum(['not_required', 'pending', 'failed', 'completed'])), undefined),
  }),
});
type TaskAnswer = NonNullable<z.infer<typeof TASK>>;
const TASK_ERROR = fields(all(TEXT, 'code', 'type', 'message', 'msg'));
const LINK = fields(all(ANY, 'video_url', 'url'));
const LIST = fields({ data: listOf(MAX_LISTED) });
const BALANCE = fields({ ...all(NUMBER, 'remaining_credits', 'used_credits'), unlimited_credits: ANY });
const CREDITS = fields({ data: fields(all(BALANCE, 'user', 'token')) });

/**
 * Reads a task object, tolerant: unknown fields are ignored, whatever is missing or of a wrong type is absent. Also
 * inside `{code, data: {…}}`. `undefined` where there is no usable id (or none at all and no `expectedId`), or more than
 * 64 links. Never throws.
 */
export function readTask(value: unknown, clean: CleanText, expectedId?: string) {
  const outer = TASK.parse(value);
  const inner = TASK.parse(outer?.data);
  const task = outer?.id === undefined && looksLikeTask(inner) ? inner : outer;
  const id = task?.id ?? task?.task_id ?? (looksLikeTask(task) ? expectedId : undefined);
  if (task === undefined || !isTaskId(id)) return undefined;
  const results = linksOf(task.results);
  const links = results.length > 0 ? results : linksOf(task.result_data);
  if (links.length > MAX_LINKS) return undefined;
  const status = clean(task.status ?? 'unknown', { maxLength: 60 });
  const word = status.trim().toLowerCase();
  // A word that no document names counts as running: it must not end a paid task.
  const state = Object.hasOwn(STATES, word) ? STATES[word] : undefined;
  const { usage, billing, task_info: info } = task;
  return {
    id,
    model: task.model && clean(task.model, { maxLength: 128 }),
    status,
    state: state ?? 'running',
    isKnownStatus: state !== undefined,
    progressPercent: task.progress,
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

function looksLikeTask(task: TaskAnswer | undefined): boolean {
  return task !== undefined && (task.status !== undefined || isTaskId(task.id));
}

/** One link or many: as text, or as objects that name it `url` or `video_url`. In order, each once. */
function linksOf(value: unknown): readonly string[] {
  const links = new Set<string>();
  for (const entry of [value].flat()) {
    const named = LINK.parse(entry);
    const link = TEXT.parse(typeof entry === 'string' ? entry : (named?.video_url ?? named?.url));
    const isLink = link !== undefined && link.length <= MAX_LINK_LENGTH && /^https?:\/\//i.test(link);
    if (isLink && parseUrl(link)) links.add(link);
    if (links.size > MAX_LINKS) break;
  }
  return [...links];
}

function readTaskError(value: unknown, clean: CleanText) {
  const message = typeof value === 'string' ? TEXT.parse(value) : undefined;
  const error = TASK_ERROR.parse(value);
  const [code, reason] = [error?.code ?? error?.type, message ?? error?.message ?? error?.msg];
  if (code === undefined && reason === undefined) return undefined;
  return {
    code: clean(code ?? 'unknown_error', { maxLength: 80 }),
    message: clean(reason ?? 'the service gave no reason', { multiline: true }),
  };
}

/**
 * Reads `GET /v1/tasks` and `POST /v1/tasks/batch`; unreadable entries are left out. `undefined` where there is no list.
 * Never throws.
 */
export function readTasks(value: unknown, clean: CleanText) {
  const tasks = LIST.parse(value)?.data?.map((entry) => readTask(entry, clean));
  return tasks?.filter((task) => task !== undefined);
}

/** Reads `GET /v1/credits`. `undefined` where the answer holds neither user nor token. Never throws. */
export function readCredits(value: unknown) {
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
