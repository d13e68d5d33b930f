import { EvolinkError } from '../errors.ts';
import { backoffDelayMs, parseHttpDate } from '../platform/clock.ts';
import { all, type Secrets } from '../platform/text.ts';
import { type CleanText, keepRawBody, readTask, type SubmitOutcome } from './answers.ts';
import { readRefusal, redirectError, toReadError } from './errors.ts';
import type { HttpAnswer, HttpFailure } from './http.ts';
import { ANY, decodeBody, fields, parseJsonBody, TEXT } from './json.ts';

/** RFC 9110 §15.4: the resource does not process the request. A 303 may follow a request that was processed. */
const REDIRECTS = new Set([301, 302, 307, 308]);
/**
 * Statuses by which whoever answers, the API or a proxy before it, says that the request is not carried out (RFC 9110
 * §15.5, RFC 6585, RFC 7725). Left out on purpose: 408, 409, 425, 499 and unregistered numbers, which occur also for a
 * request that was passed on, and 429, which is throttling.
 */
const REFUSALS = new Set([
  400, 401, 402, 403, 404, 405, 406, 407, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 423, 424, 426,
  428, 431, 451,
]);

const ANSWER = fields({ ...all(ANY, 'id', 'task_id', 'data', 'error'), status: TEXT });
const ERROR = fields({ ...all(ANY, 'type', 'code'), message: TEXT });

/** The outcome of a paid POST that got no answer. */
export function classifyFailure(failure: HttpFailure): SubmitOutcome {
  const { hasSentBytes, isTransient } = failure.facts;
  if (hasSentBytes) return { kind: 'unknown', reason: failure.message };
  const { hint } = toReadError(failure).facts;
  const facts = { hint, charged: 'no', retryable: isTransient } as const;
  const error = new EvolinkError('network', `${failure.message}; nothing was sent`, facts);
  return { kind: 'not-sent', error, isTransient };
}

/** The outcome of a paid POST by its answer. What nobody can tell for certain is `unknown`. */
export function classifyAnswer(
  answer: HttpAnswer,
  { clean, secrets, nowMs }: { readonly clean: CleanText; readonly secrets: Secrets; readonly nowMs: number },
): SubmitOutcome {
  const { status } = answer;
  if (REDIRECTS.has(status))
    return { kind: 'rejected', error: redirectError(answer, clean).with({ charged: 'no' }) };
  const { value, flaw } = parseJsonBody(answer);
  const { error, code, message, requestId } = readRefusal(answer, value, 'submit', { clean, nowMs });
  const isSuccess = status >= 200 && status < 300;
  const task = isSuccess ? readAccepted(answer, value, clean) : undefined;
  if (task !== undefined) return { kind: 'accepted', task: { ...task, requestId } };
  if (status === 429 || (status === 503 && isOwnEnvelope(value, status)))
    return { kind: 'throttled', error, retryAfterMs: error.retryAfterMs };
  // That a key was seen before refuses nothing: what became of its request is not known.
  if (REFUSALS.has(status) && error.facts.charged === 'no') return { kind: 'rejected', error };
  const words = [code, flaw === undefined || !isSuccess ? message : undefined].filter((part) => part);
  const without = flaw === undefined ? 'without a task id' : `that ${flaw}`;
  const reason = `the service answered with status ${status}${isSuccess ? `, but with an answer ${without}` : ''}`;
  return {
    kind: 'unknown',
    reason: words.length === 0 ? reason : `${reason} (${words.join(': ')})`,
    httpStatus: status,
    requestId,
    rawBody: keepRawBody(decodeBody(answer.body), secrets),
  };
}

/** The task of a successful answer, also of one that was cut behind its id. */
function readAccepted({ headers, body }: HttpAnswer, json: unknown, clean: CleanText) {
  const whole = isTaskAnswer(json) ? readTask(json, clean) : undefined;
  const task = whole ?? readTask({ id: findTaskId(decodeBody(body)), status: 'pending' }, clean);
  return task && { ...task, serverNowMs: parseHttpDate(headers.date ?? '') };
}

/** An id alone may be any id, such as that of a request; a task has a status too, or an id that says so. */
function isTaskAnswer(value: unknown): boolean {
  const outer = ANSWER.parse(value);
  const task = outer?.id === undefined ? (ANSWER.parse(outer?.data) ?? outer) : outer;
  const hasStatus = task?.status !== undefined && ERROR.parse(outer?.error) === undefined;
  return hasStatus || /^task[-_]/.test(TEXT.parse(task?.id ?? task?.task_id) ?? '');
}

/**
 * The task id in a body that can't be parsed. Strict: a JSON field that is closed by its quote, so that no cut id is
 * taken, and only where there is exactly one.
 */
function findTaskId(text: string): string | undefined {
  const found = text.matchAll(/"(?:id|task_id)"\s*:\s*"(task-[A-Za-z0-9_-]{4,120})"/g);
  const [only, ...others] = new Set([...found].map(([, id]) => id));
  return others.length === 0 ? only : undefined;
}

/** The documented form alone: a gateway's JSON does not tell what the API behind it did. */
function isOwnEnvelope(json: unknown, status: number): boolean {
  const error = ERROR.parse(ANSWER.parse(json)?.error);
  if (error?.message === undefined) return false;
  return typeof error.type === 'string' || typeof error.code === 'string' || error.code === status;
}

/** A submit may fail this often before its first byte, and the service may say this often that it did not take it. */
const MAX_TRIES = { 'not-sent': 3, throttled: 6 } as const;

/**
 * When the paid POST may be repeated (with the same key); `undefined` = never: only where no byte left for a reason that
 * may pass, or where the service itself says that it did not take it. Everything else may be charged already.
 * @param attempt counts the tries so far, from 1
 * @param budgetMs what is left of the time for all waits
 */
export function resubmitDelayMs(
  outcome: SubmitOutcome,
  attempt: number,
  budgetMs: number,
  random: number,
): number | undefined {
  if (outcome.kind !== 'throttled' && !(outcome.kind === 'not-sent' && outcome.isTransient)) return undefined;
  if (attempt >= MAX_TRIES[outcome.kind]) return undefined;
  const retryAfterMs = outcome.kind === 'throttled' ? outcome.retryAfterMs : undefined;
  return backoffDelayMs(attempt, random, { retryAfterMs, budgetMs });
}
