import { type ErrorFacts, type ErrorKind, EvolinkError } from '../errors.ts';
import { parseRetryAfter } from '../platform/clock.ts';
import type { CleanText } from './answers.ts';
import type { HttpAnswer, HttpFailure, HttpHeaders } from './http-types.ts';
import { ANY, decodeBody, fields, parseJsonBody, TEXT } from './json.ts';

/** A failed read of the service, with what a retry decision needs. */
export class ApiReadError extends EvolinkError {
  readonly isTransient: boolean;
  /** The service itself says, in its own form, that it knows no such task. No other answer says so. */
  readonly isUnknownTask: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(
    kind: ErrorKind,
    message: string,
    options: {
      facts?: ErrorFacts;
      isTransient: boolean;
      isUnknownTask?: boolean;
      retryAfterMs?: number | undefined;
    },
  ) {
    super(kind, message, options.facts);
    this.isTransient = options.isTransient;
    this.isUnknownTask = options.isUnknownTask === true;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** What a refusal says, whatever form its body has. All texts are clean. */
export interface ServiceError {
  readonly status: number;
  /** True for the forms that the API and its file service use; false for a page or JSON of something in between. */
  readonly isFromApi: boolean;
  /** As it came: lower case, upper case; absent where the body only repeats the status. */
  readonly code?: string | undefined;
  readonly type?: string | undefined;
  readonly message?: string | undefined;
  /** The field that is at fault. */
  readonly param?: string | undefined;
  /** Limits, allowed values and the like, in words. */
  readonly details: readonly string[];
  readonly requestId?: string | undefined;
}

export interface ErrorAnswer {
  readonly status: number;
  readonly headers: HttpHeaders;
  /** The parsed body, where it is JSON. */
  readonly json?: unknown;
  readonly text: string;
}

/** What a refusal may say beyond its message, by the names of the API. */
const DETAILS: Readonly<Record<string, string>> = {
  min: 'at least',
  max: 'at most',
  allowed_values: 'allowed',
  remaining_credits: 'remaining credits',
  reset_timezone: 'resets at midnight of',
  allowed_models: 'allowed models',
  action_url: 'see',
};
const MOST_LISTED = 20;

const ANSWER = fields({
  error: ANY,
  success: ANY,
  code: TEXT,
  msg: TEXT,
  message: TEXT,
  error_description: TEXT,
  request_id: TEXT,
  requestId: TEXT,
});
const ERROR = fields({
  code: TEXT,
  type: TEXT,
  message: TEXT,
  param: TEXT,
  request_id: TEXT,
  ...Object.fromEntries(Object.keys(DETAILS).map((name) => [name, ANY])),
});

/**
 * Reads a refusal: `{error:{code,message,type,param}}`, `{success:false,code,msg}`, `{error:"code",error_description}`, or
 * a page of something in between. Never throws.
 */
export function readServiceError(answer: ErrorAnswer, clean: CleanText): ServiceError {
  const { status, headers, json } = answer;
  const form = readForm(json);
  const message = form?.message ?? (form === undefined ? plainText(answer) : undefined);
  const short = (text: string | undefined) => text && clean(text, { maxLength: 120 });
  return {
    status,
    isFromApi: form !== undefined,
    code: /^\d+$/.test(form?.code ?? '') ? undefined : short(form?.code),
    type: short(form?.type),
    message: message && clean(message),
    param: short(form?.param),
    details: readDetails(json).map((text) => clean(text, { maxLength: 300 })),
    requestId: short(readRequestId(headers, json, message)),
  };
}

/** The forms that the API and its file service use. */
function readForm(
  json: unknown,
): Partial<Record<'code' | 'type' | 'message' | 'param', string | undefined>> | undefined {
  const answer = ANSWER.parse(json);
  const error = ERROR.parse(answer?.error);
  if (error !== undefined && (error.code ?? error.type ?? error.message) !== undefined) return error;
  if (answer?.success === false) return { code: answer.code, message: answer.msg ?? answer.message };
  const code = answer?.error;
  if (typeof code !== 'string' || !/^[\w.-]{1,80}$/.test(code)) return undefined;
  return { code, message: answer?.error_description ?? answer?.message };
}

/** The request id of an answer: from its headers, else from its body. */
export function readRequestId(headers: HttpHeaders, json?: unknown, message?: string): string | undefined {
  const answer = ANSWER.parse(json);
  return (
    headers['x-request-id'] ??
    headers['x-oneapi-request-id'] ??
    answer?.request_id ??
    answer?.requestId ??
    ERROR.parse(answer?.error)?.request_id ??
    /\(request id: ([\w-]{1,80})\)/i.exec(message ?? '')?.[1]
  );
}

function readDetails(json: unknown): readonly string[] {
  const error: Readonly<Record<string, unknown>> = ERROR.parse(ANSWER.parse(json)?.error) ?? {};
  return Object.entries(DETAILS).flatMap(([name, words]) => {
    const value = error[name];
    const values: readonly unknown[] = Array.isArray(value) ? value.slice(0, MOST_LISTED) : [value];
    const texts = values.map((entry) => TEXT.parse(entry)).filter((text) => text !== undefined);
    return texts.length === 0 ? [] : [`${words} ${texts.join(', ')}`];
  });
}

/** A line of plain text says something to people; of a page, only its title does. */
function plainText({ headers, text, json }: ErrorAnswer): string | undefined {
  if (json !== undefined) return ANSWER.parse(json)?.message;
  const isPage = /html/i.test(headers['content-type'] ?? '') || /^\s*</.test(text);
  if (isPage)
    return TEXT.parse(/<title[^>]*>([^<]{1,200})/i.exec(text.slice(0, 20_000))?.[1]?.replace(/\s+/g, ' '));
  return TEXT.parse(text.slice(0, 2_000));
}

/** The error for a redirect, which is never followed: it would carry the key to where somebody else points. */
export function redirectError({ url, status, headers }: HttpAnswer, clean: CleanText): EvolinkError {
  const base = new URL(url);
  const location = headers.location ?? '';
  const target = URL.canParse(location, base.href) ? new URL(location, base).host : 'nowhere';
  return new EvolinkError(
    'network',
    `${base.host} redirects to ${clean(target, { maxLength: 200 })}, and evolink never follows with the key [${status}]`,
    {
      hint: 'if the API has moved, set base_url to its new address: evolink doctor',
      charged: 'no',
      retryable: false,
      httpStatus: status,
    },
  );
}

/** What one sort of refusal means to the user. The first row that fits counts. */
interface RejectionRow {
  /** Codes of the service in any case (a trailing `*` matches the rest), or statuses. */
  readonly on: string;
  readonly kind: ErrorKind;
  readonly text: string;
  readonly hint: string;
  /** For reads alone. */
  readonly isRead?: boolean;
  /** May pass by itself although the status does not say so. */
  readonly isTransient?: boolean;
  readonly charged?: 'unknown';
}

const KEYS_PAGE = 'https://evolink.ai/dashboard/keys';
const CREDITS_PAGE = 'https://evolink.ai/dashboard/credits';
const NEW_KEY = `make a key at ${KEYS_PAGE}, set it as EVOLINK_API_KEY, then check it: evolink credits`;
const TOP_UP = `top up at ${CREDITS_PAGE}, then see the balance: evolink credits`;
const CHECK_HOST = 'check base_url and the proxy settings: evolink doctor';

/** The table "HTTP rejections" of the API's facts, row by row: codes first, then what a bare status means. */
const REJECTION_ROWS: readonly RejectionRow[] = [
  {
    on: 'content_policy_violation content_filter sensitive_content moderation_blocked input_moderation_failed',
    kind: 'task-failed',
    text: 'the service refused the content before a task existed; nothing was charged',
    hint: 'change the prompt or the reference media, then run the command again',
  },
  {
    on: 'no_available_channel model_unavailable channel*',
    kind: 'network',
    text: 'the service has no capacity for this model at the moment',
    hint: 'run the same command again later, or choose another --tier',
    isTransient: true,
  },
  {
    on: 'unauthorized key_disabled key_expired invalid_api_key invalid_token',
    kind: 'auth',
    text: 'the service did not accept the API key',
    hint: NEW_KEY,
  },
  {
    on: 'token_daily_quota_exceeded key_daily_quota_exhausted',
    kind: 'credits',
    text: 'the daily limit of this API key is used up',
    hint: `wait for the next day, or raise the key's daily limit at ${KEYS_PAGE}`,
  },
  {
    on: 'insufficient_token_quota key_quota_exhausted',
    kind: 'credits',
    text: 'the limit of this API key is used up',
    hint: `raise the key's limit at ${KEYS_PAGE}`,
  },
  {
    on: 'insufficient_quota insufficient_user_quota quota_not_enough account_balance_insufficient',
    kind: 'credits',
    text: 'the balance is too low',
    hint: TOP_UP,
  },
  {
    on: 'quota_exceeded',
    kind: 'credits',
    text: 'a limit of the API key or of the plan is used up',
    hint: `see the limits of the key at ${KEYS_PAGE}`,
  },
  {
    on: 'ip_restricted',
    kind: 'auth',
    text: 'this API key may not be used from this address',
    hint: `see the allowed addresses of the key at ${KEYS_PAGE}`,
  },
  {
    on: 'model_access_denied key_model_not_allowed permission_denied user_disabled',
    kind: 'auth',
    text: 'this API key may not use the model or the task',
    hint: `allow the model for the key at ${KEYS_PAGE}, or use another key`,
  },
  {
    on: 'idempotency_conflict',
    kind: 'usage',
    text: 'the service has seen this idempotency key with another request; what became of that one is not known',
    hint: 'look for its task: evolink status; then run the command with --new',
    charged: 'unknown',
  },
  {
    on: 'invalid_task_id',
    kind: 'usage',
    text: 'the service does not take this as a task id',
    hint: 'list the known tasks: evolink status',
  },
  {
    on: 'task_not_found',
    kind: 'usage',
    text: 'the service does not know this task',
    hint: 'check the id, and that the key belongs to the account that made the task: evolink status',
  },
  {
    on: '400 422',
    kind: 'usage',
    text: 'the service refused the request',
    hint: 'correct the value, then see what would be sent: --dry-run',
  },
  { on: '401', kind: 'auth', text: 'the service did not accept the API key', hint: NEW_KEY },
  { on: '402', kind: 'credits', text: 'the balance or a limit of the key is too low', hint: TOP_UP },
  {
    on: '403',
    kind: 'auth',
    text: 'the service denies access',
    hint: `check what the key may do at ${KEYS_PAGE}, or use another key`,
  },
  {
    on: '404',
    isRead: true,
    kind: 'network',
    text: 'the service has no such operation at this address',
    hint: CHECK_HOST,
  },
  {
    on: '404 405',
    kind: 'usage',
    text: 'the service has no such operation at this address',
    hint: CHECK_HOST,
  },
  {
    on: '409',
    kind: 'usage',
    text: 'the request is in conflict with an earlier one',
    hint: 'evolink status',
  },
  {
    on: '413',
    kind: 'usage',
    text: 'the request body is too large (at most 64 MB)',
    hint: 'shorten the prompt; media are sent as links, never inside the request',
  },
  {
    on: '408 425 429',
    kind: 'network',
    text: 'the service has had too many requests',
    hint: 'run the same command again later',
  },
  {
    on: '500 501 502 503 504',
    kind: 'network',
    text: 'the service has trouble',
    hint: 'run the same command again later',
  },
];

const OTHER_4XX = {
  on: '',
  kind: 'usage',
  text: 'the service refused the request',
  hint: CHECK_HOST,
} as const satisfies RejectionRow;
const OTHER = {
  on: '',
  kind: 'network',
  text: 'the service has trouble',
  hint: 'run the same command again later',
} as const satisfies RejectionRow;
const NOT_THE_API: RejectionRow = {
  on: '',
  kind: 'network',
  text: 'something that is not the API answered in its place (a proxy, a gateway, a wrong base_url)',
  hint: CHECK_HOST,
};
/** The only answers that say that there is no such task. Any other 404 may come from something in between. */
const UNKNOWN_TASK: Readonly<Record<number, string>> = { 400: 'invalid_task_id', 404: 'task_not_found' };
/** Statuses whose meaning does not depend on who sends them. */
const PLAIN_STATUSES = new Set([401, 402, 408, 413, 425, 429]);

export interface Rejection {
  readonly error: EvolinkError;
  readonly isUnknownTask: boolean;
  /** For reads: may pass by itself. */
  readonly isTransient: boolean;
}

/**
 * Turns a refusal into the error for the user. A submit that is refused is not charged.
 * @param retryAfterMs what the service asks to wait, named in the hint
 */
export function toRejection(
  refusal: ServiceError,
  operation: { readonly on: 'submit' | 'read'; readonly retryAfterMs?: number | undefined },
): Rejection {
  const row = findRow(refusal, operation.on);
  const facts: ErrorFacts = {
    hint: hintOf(row, operation.retryAfterMs),
    ...(refusal.details.length > 0 ? { details: refusal.details } : {}),
    httpStatus: refusal.status,
    requestId: refusal.requestId,
    serviceCode: refusal.code ?? refusal.type,
    ...(operation.on === 'submit' ? { charged: row.charged ?? 'no' } : {}),
  };
  const isPassing = refusal.status >= 500 || [408, 425, 429].includes(refusal.status);
  return {
    error: new EvolinkError(row.kind, messageOf(row, refusal), facts),
    isTransient: row.kind === 'network' && (isPassing || row.isTransient === true),
    isUnknownTask:
      refusal.isFromApi &&
      refusal.code !== undefined &&
      UNKNOWN_TASK[refusal.status] === refusal.code?.toLowerCase(),
  };
}

function findRow({ status, isFromApi, code, type }: ServiceError, on: 'submit' | 'read'): RejectionRow {
  const find = (word: string | undefined) =>
    REJECTION_ROWS.find(
      (row) =>
        (row.isRead !== true || on === 'read') &&
        row.on.split(' ').some((known) => matches(word?.toLowerCase() ?? '', known)),
    );
  const byCode = REJECTION_ROWS.find((row) => row === find(code) || row === find(type));
  if (isFromApi && byCode !== undefined) return byCode;
  if (!isFromApi && status < 500 && !PLAIN_STATUSES.has(status)) return NOT_THE_API;
  return find(String(status)) ?? (status >= 400 && status < 500 ? OTHER_4XX : OTHER);
}

function matches(word: string, known: string): boolean {
  return known.endsWith('*') ? word.startsWith(known.slice(0, -1)) : word === known;
}

function messageOf(row: RejectionRow, { status, code, message, param }: ServiceError): string {
  const field = param === undefined ? '' : ` (field "${param}")`;
  const reason = message === undefined ? '' : `: ${message}`;
  return `${row.text}${field}${reason} [${status}${code === undefined ? '' : ` ${code}`}]`;
}

function hintOf(row: RejectionRow, retryAfterMs: number | undefined): string {
  if (retryAfterMs === undefined || row.kind !== 'network') return row.hint;
  return `${row.hint}; the service asks to wait ${describeWait(retryAfterMs)}`;
}

function describeWait(waitMs: number): string {
  const seconds = Math.ceil(waitMs / 1000);
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7_200 ? `${Math.ceil(seconds / 60)} min` : `${Math.ceil(seconds / 3600)} h`;
}

/** The error for a read that got no answer. */
export function toReadError(failure: HttpFailure): ApiReadError {
  const hint = failure.isCertificate
    ? 'check the clock and any proxy that reads TLS (its certificate goes into NODE_EXTRA_CA_CERTS): evolink doctor'
    : 'check the network: evolink doctor';
  return new ApiReadError('network', failure.message, { facts: { hint }, isTransient: failure.isTransient });
}

/**
 * The parsed JSON of a successful answer.
 * @throws ApiReadError for any other answer; `isTransient` where the same read may succeed later
 */
export function readJsonAnswer(
  answer: HttpAnswer,
  context: { readonly clean: CleanText; readonly nowMs: number },
): unknown {
  const { status, headers } = answer;
  const body = parseJsonBody(answer);
  const isSuccess = status >= 200 && status < 300;
  if (isSuccess && body.kind === 'json' && !isFailureEnvelope(body.value)) return body.value;
  if (status >= 300 && status < 400) {
    const { kind, message, facts } = redirectError(answer, context.clean);
    throw new ApiReadError(kind, message, { facts: { ...facts, charged: undefined }, isTransient: false });
  }
  if (isSuccess && body.kind === 'unusable') throw unusableError(answer, body.reason, !body.isBoundExceeded);
  const json = body.kind === 'json' ? body.value : undefined;
  const text = answer.isTruncated ? '' : decodeBody(answer.body);
  const retryAfterMs = parseRetryAfter(headers['retry-after'], context.nowMs);
  const refusal = readServiceError(
    { status: envelopeStatus(status, json), headers, json, text },
    context.clean,
  );
  const { error, ...rest } = toRejection(refusal, { on: 'read', retryAfterMs });
  throw new ApiReadError(error.kind, error.message, { facts: error.facts, ...rest, retryAfterMs });
}

/** The error for a successful answer that can't be used. */
export function unusableError(answer: HttpAnswer, reason: string, isTransient: boolean): ApiReadError {
  const host = new URL(answer.url).host;
  return new ApiReadError('network', `${host} sent an answer that ${reason} [${answer.status}]`, {
    facts: {
      hint: 'if it stays so, check base_url and the proxy settings: evolink doctor',
      httpStatus: answer.status,
    },
    isTransient,
  });
}

/** `{success:false, code, msg}` comes with HTTP 200 as well. */
function isFailureEnvelope(value: unknown): boolean {
  return ANSWER.parse(value)?.success === false;
}

function envelopeStatus(status: number, json: unknown): number {
  if (status >= 300) return status;
  const code = Number(ANSWER.parse(json)?.code);
  return Number.isInteger(code) && code >= 400 && code < 600 ? code : 502;
}

/** Says whether an error is the service's "no such operation". */
export function isMissingOperation(error: unknown): boolean {
  return error instanceof EvolinkError && (error.facts.httpStatus === 404 || error.facts.httpStatus === 405);
}
