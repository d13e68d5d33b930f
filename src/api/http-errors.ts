import { type ErrorFacts, type ErrorKind, EvolinkError } from '../errors.ts';
import type { ServiceError } from './service-error.ts';

/** What one sort of refusal means to the user. The first row that fits counts. */
interface RejectionRow {
  /** Lower case; a code of the service matches in any case. A trailing `*` matches the rest. Absent = by status alone. */
  readonly codes?: readonly string[];
  readonly statuses?: readonly number[];
  /** Only for the paid POST, or only for reads. */
  readonly on?: 'submit' | 'read';
  readonly kind: ErrorKind;
  readonly text: string;
  readonly hint: string;
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
export const REJECTION_ROWS: readonly RejectionRow[] = [
  {
    codes: [
      'content_policy_violation',
      'content_filter',
      'sensitive_content',
      'moderation_blocked',
      'input_moderation_failed',
    ],
    kind: 'task-failed',
    text: 'the service refused the content before a task existed; nothing was charged',
    hint: 'change the prompt or the reference media, then run the command again',
  },
  {
    codes: ['no_available_channel', 'model_unavailable', 'channel*'],
    kind: 'network',
    text: 'the service has no capacity for this model at the moment',
    hint: 'run the same command again later, or choose another --tier',
    isTransient: true,
  },
  {
    codes: ['unauthorized', 'key_disabled', 'key_expired', 'invalid_api_key', 'invalid_token'],
    kind: 'auth',
    text: 'the service did not accept the API key',
    hint: NEW_KEY,
  },
  {
    codes: ['token_daily_quota_exceeded', 'key_daily_quota_exhausted'],
    kind: 'credits',
    text: 'the daily limit of this API key is used up',
    hint: `wait for the next day, or raise the key's daily limit at ${KEYS_PAGE}`,
  },
  {
    codes: ['insufficient_token_quota', 'key_quota_exhausted'],
    kind: 'credits',
    text: 'the limit of this API key is used up',
    hint: `raise the key's limit at ${KEYS_PAGE}`,
  },
  {
    codes: [
      'insufficient_quota',
      'insufficient_user_quota',
      'quota_not_enough',
      'account_balance_insufficient',
      'quota_exceeded',
    ],
    kind: 'credits',
    text: 'the balance is too low',
    hint: TOP_UP,
  },
  {
    codes: ['model_access_denied', 'key_model_not_allowed', 'permission_denied', 'user_disabled'],
    kind: 'auth',
    text: 'this API key may not use the model or the task',
    hint: `allow the model for the key at ${KEYS_PAGE}, or use another key`,
  },
  {
    codes: ['idempotency_conflict'],
    kind: 'usage',
    text: 'the service has seen this idempotency key with another request; what became of that one is not known',
    hint: 'look for its task: evolink status; then run the command with --new',
    charged: 'unknown',
  },
  {
    codes: ['invalid_task_id'],
    kind: 'usage',
    text: 'the service does not take this as a task id',
    hint: 'list the known tasks: evolink status',
  },
  {
    codes: ['task_not_found'],
    kind: 'task-failed',
    text: 'the service does not know this task',
    hint: 'check the id, and that the key belongs to the account that made the task: evolink status',
  },
  {
    statuses: [400, 422],
    kind: 'usage',
    text: 'the service refused the request',
    hint: 'correct the value, then see what would be sent: --dry-run',
  },
  { statuses: [401], kind: 'auth', text: 'the service did not accept the API key', hint: NEW_KEY },
  { statuses: [402], kind: 'credits', text: 'the balance or a limit of the key is too low', hint: TOP_UP },
  {
    statuses: [403],
    kind: 'auth',
    text: 'the service denies access',
    hint: `check what the key may do at ${KEYS_PAGE}, or use another key`,
  },
  {
    statuses: [404],
    on: 'read',
    kind: 'task-failed',
    text: 'the service does not know this task',
    hint: 'check the id, and that the key belongs to the account that made the task: evolink status',
  },
  {
    statuses: [404, 405],
    kind: 'usage',
    text: 'the service has no such operation at this address',
    hint: CHECK_HOST,
  },
  {
    statuses: [409],
    kind: 'usage',
    text: 'the request is in conflict with an earlier one',
    hint: 'evolink status',
  },
  {
    statuses: [413],
    kind: 'usage',
    text: 'the request body is too large (at most 64 MB)',
    hint: 'shorten the prompt; media are sent as links, never inside the request',
  },
  {
    statuses: [408, 425, 429],
    kind: 'network',
    text: 'the service has had too many requests',
    hint: 'run the same command again later',
  },
  {
    statuses: [500, 501, 502, 503, 504],
    kind: 'network',
    text: 'the service has trouble',
    hint: 'run the same command again later',
  },
];

const OTHER_4XX: RejectionRow = {
  kind: 'usage',
  text: 'the service refused the request',
  hint: CHECK_HOST,
};
const OTHER: RejectionRow = {
  kind: 'network',
  text: 'the service has trouble',
  hint: 'run the same command again later',
};
const NOT_THE_API: RejectionRow = {
  kind: 'network',
  text: 'something that is not the API answered in its place (a proxy, a gateway, a wrong base_url)',
  hint: CHECK_HOST,
};
/** Statuses whose meaning does not depend on who sends them. */
const PLAIN_STATUSES = new Set([401, 402, 408, 413, 425, 429]);

export interface Rejection {
  readonly error: EvolinkError;
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
    httpStatus: refusal.status,
    requestId: refusal.requestId,
    serviceCode: refusal.code ?? refusal.type,
    ...(operation.on === 'submit' ? { charged: row.charged ?? 'no' } : {}),
  };
  const isPassing = refusal.status >= 500 || [408, 425, 429].includes(refusal.status);
  return {
    error: new EvolinkError(row.kind, messageOf(row, refusal), facts),
    isTransient: row.kind === 'network' && (isPassing || row.isTransient === true),
  };
}

function findRow(refusal: ServiceError, on: 'submit' | 'read'): RejectionRow {
  const { status, isFromApi } = refusal;
  const codes = [refusal.code, refusal.type]
    .filter((code) => code !== undefined)
    .map((code) => code.toLowerCase());
  const rows = REJECTION_ROWS.filter((row) => row.on === undefined || row.on === on);
  const byCode = rows.find((row) =>
    row.codes?.some((known) => codes.some((code) => matchesCode(code, known))),
  );
  if (byCode !== undefined && isFromApi) return byCode;
  if (!isFromApi && status < 500 && !PLAIN_STATUSES.has(status)) return NOT_THE_API;
  return (
    rows.find((row) => row.statuses?.includes(status)) ?? (status >= 400 && status < 500 ? OTHER_4XX : OTHER)
  );
}

function matchesCode(code: string, known: string): boolean {
  return known.endsWith('*') ? code.startsWith(known.slice(0, -1)) : code === known;
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
