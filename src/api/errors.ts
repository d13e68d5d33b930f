import { type ErrorFacts, type ErrorKind, EvolinkError } from '../errors.ts';
import { parseRetryAfter } from '../platform/clock.ts';
import { all, parseUrl } from '../platform/text.ts';
import type { CleanText } from './answers.ts';
import type { HttpAnswer, HttpFailure } from './http.ts';
import { ANY, decodeBody, fields, TEXT } from './json.ts';

/** A failed read of the service, or what it refuses. */
export class ApiReadError extends EvolinkError {
  /** The same read may succeed later. */
  readonly isTransient: boolean;
  /** The service itself says, in its own form, that it knows no such task. No other answer says so. */
  readonly isUnknownTask: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(
    kind: ErrorKind,
    message: string,
    read: Partial<Pick<ApiReadError, 'facts' | 'isTransient' | 'isUnknownTask' | 'retryAfterMs'>>,
  ) {
    super(kind, message, read.facts);
    const { isTransient = false, isUnknownTask = false, retryAfterMs } = read;
    this.isTransient = isTransient;
    this.isUnknownTask = isUnknownTask;
    this.retryAfterMs = retryAfterMs;
  }
}

/** What a refusal may say beyond its message, by the names of the API. */
const DETAILS = {
  min: 'at least',
  max: 'at most',
  allowed_values: 'allowed',
  remaining_credits: 'remaining credits',
  reset_timezone: 'resets at midnight of',
  allowed_models: 'allowed models',
  action_url: 'see',
} as const;
const MOST_LISTED = 20;

const ANSWER = fields({
  ...all(TEXT, 'code', 'msg', 'message', 'error_description', 'request_id', 'requestId'),
  ...all(ANY, 'error', 'success'),
});
const ERROR = fields(all(TEXT, 'code', 'type', 'message', 'param', 'request_id'));
const ERROR_DETAILS = fields(all(ANY, ...(Object.keys(DETAILS) as (keyof typeof DETAILS)[])));

/** The forms that the API and its file service use; `undefined` for a page or JSON of something in between. */
function readForm(json: unknown): ReturnType<typeof ERROR.parse> {
  const answer = ANSWER.parse(json);
  const error = ERROR.parse(answer?.error);
  if ((error?.code ?? error?.type ?? error?.message) !== undefined) return error;
  if (answer?.success === false)
    return ERROR.parse({ code: answer.code, message: answer.msg ?? answer.message });
  const code = answer?.error;
  if (typeof code !== 'string' || !/^[\w.-]{1,80}$/.test(code)) return undefined;
  return ERROR.parse({ code, message: answer?.error_description ?? answer?.message });
}

/** The request id of an answer: from its headers, else from its body. */
export function readRequestId({ headers }: HttpAnswer, json: unknown, clean: CleanText, message = '') {
  const answer = ANSWER.parse(json);
  const id =
    headers['x-request-id'] ??
    headers['x-oneapi-request-id'] ??
    answer?.request_id ??
    answer?.requestId ??
    ERROR.parse(answer?.error)?.request_id ??
    /\(request id: ([\w-]{1,80})\)/i.exec(message)?.[1];
  return id && clean(id, { maxLength: 120 });
}

/** Limits, allowed values and the like, in words. */
function readDetails(json: unknown): readonly string[] {
  return Object.entries(ERROR_DETAILS.parse(ANSWER.parse(json)?.error) ?? {}).flatMap(([name, value]) => {
    const texts = [value].flat().slice(0, MOST_LISTED);
    const known = texts.map((entry) => TEXT.parse(entry)).filter((text) => text !== undefined);
    return known.length === 0 ? [] : [`${DETAILS[name as keyof typeof DETAILS]} ${known.join(', ')}`];
  });
}

/** A line of plain text says something to people; of a page, only its title does. */
function plainText({ headers, body, isTruncated }: HttpAnswer, json: unknown): string | undefined {
  if (json !== undefined) return ANSWER.parse(json)?.message;
  const text = isTruncated ? '' : decodeBody(body.subarray(0, 20_000));
  const isPage = /html/i.test(headers['content-type'] ?? '') || /^\s*</.test(text);
  if (isPage) return TEXT.parse(/<title[^>]*>([^<]{1,200})/i.exec(text)?.[1]?.replace(/\s+/g, ' '));
  return TEXT.parse(text.slice(0, 2_000));
}

/** The error for a redirect, which is never followed: it would carry the key to where somebody else points. */
export function redirectError({ url, status, headers }: HttpAnswer, clean: CleanText): ApiReadError {
  const base = new URL(url);
  const location = headers.location ?? '';
  const target = parseUrl(location, base)?.host ?? 'nowhere';
  const text = `${base.host} redirects to ${clean(target, { maxLength: 200 })}, and evolink never follows with the key`;
  const hint = 'if the API has moved, set base_url to its new address: evolink doctor';
  return new ApiReadError('network', `${text} [${status}]`, {
    facts: { hint, retryable: false, httpStatus: status },
  });
}

const KEYS_PAGE = 'https://evolink.ai/dashboard/keys';
const CHECK_HOST = 'check base_url, files_url and the proxy settings: evolink doctor';
const AGAIN = 'run the same command again later';

/** Codes of the service and statuses; what they mean; what to do. */
type Row = readonly [on: RegExp, kind: ErrorKind, text: string, hint: string];

/** The one refusal of a request that may pass by itself although its status does not say so. */
const NO_CAPACITY: Row = [
  /^(no_available_channel|model_unavailable|channel.*)$/i,
  'network',
  'the service has no capacity for this model at the moment',
  `${AGAIN}, or choose another --tier`,
];
/** The one refusal that leaves open whether something was charged. */
const CONFLICT: Row = [
  /^idempotency_conflict$/i,
  'usage',
  'the service has seen this idempotency key with another request; what became of that one is not known',
  'look for its task: evolink status; then run the command with --new',
];
const NO_OPERATION: Row = [
  /^40[45]$/,
  'usage',
  'the service has no such operation at this address',
  CHECK_HOST,
];

/** The table "HTTP rejections" of the API's facts. The code counts before the type, and both before the status. */
const REFUSALS: readonly Row[] = [
  NO_CAPACITY,
  CONFLICT,
  NO_OPERATION,
  [
    /^(content_policy_violation|content_filter|sensitive_content|(input_)?moderation_(blocked|failed))$/i,
    'task-failed',
    'the service rejected the content before a task existed; nothing was charged',
    'change the prompt or the reference media, then run the command again',
  ],
  [
    /^(unauthorized|key_disabled|key_expired|invalid_api_key|invalid_token|401)$/i,
    'auth',
    'the service did not accept the API key',
    `make a new key at ${KEYS_PAGE}; where this one comes from: evolink config`,
  ],
  [
    /^(insufficient_token_quota|quota_exceeded|(token|key)(_daily)?_quota_(exceeded|exhausted))$/i,
    'credits',
    'a limit of this API key or of the plan is used up',
    `see the limits of the key at ${KEYS_PAGE}`,
  ],
  [
    /^(insufficient_(user_)?quota|quota_not_enough|account_balance_insufficient|402)$/i,
    'credits',
    'the balance is too low, or a limit of the key is used up',
    'top up at https://evolink.ai/dashboard/credits, then see the balance: evolink credits',
  ],
  [
    /^(ip_restricted|model_access_denied|key_model_not_allowed|permission_denied|user_disabled|403)$/i,
    'auth',
    'this API key may not use the model or the task, or not from this address',
    `check what the key may do at ${KEYS_PAGE}, or use another key`,
  ],
  [
    /^413$/,
    'usage',
    'the request is too large for the service',
    'shorten the prompt; media are sent as links, never inside the request',
  ],
  [/^(408|425|429)$/, 'network', 'the service has had too many requests', AGAIN],
  [
    /^4\d\d$/,
    'usage',
    'the service rejected the request',
    'correct the value, then see what would be sent: --dry-run',
  ],
  [/^5\d\d$/, 'network', 'the service has trouble', AGAIN],
];
const NOT_THE_API: Row = [
  /^/,
  'network',
  'something that is not the API answered in its place (a proxy, a gateway, a wrong base_url)',
  CHECK_HOST,
];
/** Statuses whose meaning does not depend on who sends them. */
const PLAIN_STATUS = /^(401|402|408|413|425|429|5\d\d)$/;
/** The only answers that say that there is no such task. Any other 404 may come from something in between. */
const UNKNOWN_TASK = /^(400 invalid_task_id|404 task_not_found)$/i;

function findRow(status: string, codes: readonly string[] | undefined): Row {
  const isClear = codes !== undefined || PLAIN_STATUS.test(status);
  const words = [...(codes ?? []), ...(isClear ? [status] : [])];
  const rows = words.map((word) => REFUSALS.find(([on]) => on.test(word)));
  return rows.find((row) => row !== undefined) ?? NOT_THE_API;
}

/** Says whether an answer is a refusal: `{success:false, code, msg}` comes with HTTP 200 as well. */
export function isRefusal({ status }: HttpAnswer, json: unknown): boolean {
  return status < 200 || status >= 300 || ANSWER.parse(json)?.success === false;
}

/**
 * What a refusal says, as the error for the user and in parts: `{error:{code,message,type,param}}`, `{success:false,code,msg}`,
 * `{error:"code",error_description}`, or a page of something in between. All texts are clean. A submit that is refused is not
 * charged. Never throws.
 */
export function readRefusal(
  answer: HttpAnswer,
  json: unknown,
  on: 'submit' | 'read' | 'file',
  { clean, nowMs }: { readonly clean: CleanText; readonly nowMs: number },
) {
  const short = (text: string | undefined) => text && clean(text, { maxLength: 120 });
  const form = readForm(json);
  const isSuccess = answer.status < 300;
  const meant = /^[45]\d\d$/.test(form?.code ?? '') ? Number(form?.code) : 502;
  const status = isSuccess ? meant : answer.status;
  /** As it came: lower case, upper case; absent where the body only repeats the status. */
  const code = /^\d+$/.test(form?.code ?? '') ? undefined : short(form?.code);
  const type = short(form?.type);
  const said = form === undefined ? plainText(answer, json) : form.message;
  const message = said && clean(said);
  const requestId = readRequestId(answer, json, clean, said);
  const row = findRow(String(status), form && [code ?? '', type ?? '']);
  // A read's bare "not found" comes from something in between: the service names the task that it does not know.
  const kind = on === 'read' && row === NO_OPERATION ? 'network' : row[1];
  const retryAfterMs = parseRetryAfter(answer.headers['retry-after'], nowMs);
  const waitS = Math.ceil((retryAfterMs ?? 0) / 1000);
  const wait = waitS < 7_200 ? `${waitS} s` : `${Math.ceil(waitS / 3600)} h`;
  const isWaiting = retryAfterMs !== undefined && kind === 'network';
  const details = readDetails(json).map((text) => clean(text, { maxLength: 300 }));
  const facts: ErrorFacts = {
    hint: isWaiting ? `${row[3]}; the service asks to wait ${wait}` : row[3],
    ...(details.length > 0 ? { details } : {}),
    httpStatus: status,
    requestId,
    serviceCode: code ?? type,
    ...(on === 'submit' ? { charged: row === CONFLICT ? 'unknown' : 'no' } : {}),
  };
  const param = short(form?.param);
  const field = param === undefined ? '' : ` (field "${param}")`;
  const reason = message === undefined ? '' : `: ${message}`;
  const text = `${row[2]}${field}${reason} [${status}${code === undefined ? '' : ` ${code}`}]`;
  const isPassing = status >= 500 || [408, 425, 429].includes(status) || row === NO_CAPACITY;
  const error = new ApiReadError(kind, text, {
    facts,
    isTransient: kind === 'network' && isPassing,
    isUnknownTask: UNKNOWN_TASK.test(`${status} ${code}`),
    retryAfterMs,
  });
  return { error, code, message, requestId };
}

/** The error for an exchange that got no answer. */
export function toReadError({ message, facts: { isTransient, reason } }: HttpFailure): ApiReadError {
  const hint =
    reason === 'certificate'
      ? 'check the clock and any proxy that reads TLS (its certificate goes into NODE_EXTRA_CA_CERTS): evolink doctor'
      : 'check the network: evolink doctor';
  return new ApiReadError('network', message, { facts: { hint }, isTransient });
}
