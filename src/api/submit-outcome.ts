import { EvolinkError } from '../errors.ts';
import { parseHttpDate, parseRetryAfter } from '../platform/clock.ts';
import type { Secrets } from '../platform/text.ts';
import {
  type CleanText,
  isTaskId,
  keepRawBody,
  readTask,
  type SubmitOutcome,
  type TaskSnapshot,
} from './answers.ts';
import { readRequestId, readServiceError, redirectError, type ServiceError, toRejection } from './errors.ts';
import type { HttpAnswer, HttpFailure } from './http-types.ts';
import { ANY, decodeBody, fields, type JsonBody, parseJsonBody, TEXT } from './json.ts';

export interface SubmitContext {
  readonly clean: CleanText;
  readonly secrets: Secrets;
  readonly nowMs: number;
}

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

const ACCEPTED = fields({ id: ANY, task_id: ANY, status: TEXT, data: ANY, error: ANY });
const ERROR = fields({ message: TEXT, type: ANY, code: ANY });

/** The outcome of a paid POST that got no answer. */
export function classifyFailure(failure: HttpFailure): SubmitOutcome {
  if (failure.hasSentBytes) return { kind: 'unknown', reason: failure.message };
  const hint = failure.isCertificate
    ? 'check the clock and any proxy that reads TLS (its certificate goes into NODE_EXTRA_CA_CERTS): evolink doctor'
    : 'check the network, then run the same command again: evolink doctor';
  const error = new EvolinkError('network', `${failure.message}; nothing was sent`, {
    hint,
    charged: 'no',
    retryable: failure.isTransient,
  });
  return { kind: 'not-sent', error, isTransient: failure.isTransient };
}

/** The outcome of a paid POST by its answer. What nobody can tell for certain is `unknown`. */
export function classifyAnswer(answer: HttpAnswer, context: SubmitContext): SubmitOutcome {
  const { status } = answer;
  if (status >= 200 && status < 300) return classifySuccess(answer, context);
  if (REDIRECTS.has(status)) return { kind: 'rejected', error: redirectError(answer, context.clean) };
  const body = parseJsonBody(answer);
  const json = body.kind === 'json' ? body.value : undefined;
  const refusal = readServiceError(
    { status, headers: answer.headers, json, text: decodeBody(answer.body) },
    context.clean,
  );
  if (status === 429 || (status === 503 && isOwnEnvelope(json, status)))
    return throttled(answer, refusal, context.nowMs);
  if (REFUSALS.has(status) || (status === 409 && refusal.code?.toLowerCase() === 'idempotency_conflict')) {
    return { kind: 'rejected', error: toRejection(refusal, { on: 'submit' }).error };
  }
  return unknown(answer, `the service answered with status ${status}${describe(refusal)}`, context);
}

function classifySuccess(answer: HttpAnswer, context: SubmitContext): SubmitOutcome {
  const body = parseJsonBody(answer);
  const requestId = readId(answer, body, context);
  const task = readAccepted(answer, body, context);
  if (task !== undefined) {
    const isReplay = answer.headers['idempotency-replayed']?.toLowerCase() === 'true';
    return {
      kind: 'accepted',
      task: { ...task, requestId },
      isReplay,
      ...(requestId === undefined ? {} : { requestId }),
    };
  }
  const json = body.kind === 'json' ? body.value : undefined;
  const refusal = readServiceError({ ...answer, json, text: '' }, context.clean);
  const reason =
    body.kind === 'unusable'
      ? `an answer that ${body.reason}`
      : `an answer without a task id${describe(refusal)}`;
  return unknown(answer, `the service answered with status ${answer.status}, but with ${reason}`, context);
}

function readAccepted(answer: HttpAnswer, body: JsonBody, context: SubmitContext): TaskSnapshot | undefined {
  const serverNowMs = parseHttpDate(answer.headers.date ?? '');
  const task =
    body.kind === 'json' && isTaskAnswer(body.value) ? readTask(body.value, context.clean) : undefined;
  if (task !== undefined) return { ...task, serverNowMs };
  const id = findTaskId(decodeBody(answer.body));
  return id === undefined
    ? undefined
    : { id, state: 'running', status: 'pending', isKnownStatus: true, links: [], serverNowMs };
}

/** An id alone may be any id, such as that of a request; a task has a status too, or an id that says so. */
function isTaskAnswer(value: unknown): boolean {
  const outer = ACCEPTED.parse(value);
  const task = outer?.id === undefined ? (ACCEPTED.parse(outer?.data) ?? outer) : outer;
  const hasStatus = task?.status !== undefined && ERROR.parse(outer?.error) === undefined;
  return hasStatus || /^task[-_]/.test(TEXT.parse(task?.id ?? task?.task_id) ?? '');
}

/**
 * The task id in a body that can't be parsed. Strict: a JSON field that is closed by its quote, so that no cut id is
 * taken, and only where there is exactly one.
 */
function findTaskId(text: string): string | undefined {
  const ids = new Set<string>();
  for (const [, id] of text.matchAll(/"(?:id|task_id)"\s*:\s*"(task-[A-Za-z0-9_-]{4,120})"/g)) {
    if (isTaskId(id)) ids.add(id);
  }
  const [only, ...others] = ids;
  return others.length === 0 ? only : undefined;
}

function throttled(answer: HttpAnswer, refusal: ServiceError, nowMs: number): SubmitOutcome {
  const retryAfterMs = parseRetryAfter(answer.headers['retry-after'], nowMs);
  return {
    kind: 'throttled',
    error: toRejection(refusal, { on: 'submit', retryAfterMs }).error,
    retryAfterMs,
  };
}

/** The documented form alone: a gateway's JSON does not tell what the API behind it did. */
function isOwnEnvelope(json: unknown, status: number): boolean {
  const error = ERROR.parse(ACCEPTED.parse(json)?.error);
  if (error?.message === undefined) return false;
  return typeof error.type === 'string' || typeof error.code === 'string' || error.code === status;
}

function unknown(answer: HttpAnswer, reason: string, context: SubmitContext): SubmitOutcome {
  return {
    kind: 'unknown',
    reason,
    httpStatus: answer.status,
    requestId: readId(answer, parseJsonBody(answer), context),
    rawBody: keepRawBody(decodeBody(answer.body), context.secrets),
  };
}

function readId(answer: HttpAnswer, body: JsonBody, { clean }: SubmitContext): string | undefined {
  const id = readRequestId(answer.headers, body.kind === 'json' ? body.value : undefined);
  return id && clean(id, { maxLength: 120 });
}

function describe({ code, message }: ServiceError): string {
  const text = [code, message].filter((part) => part !== undefined).join(': ');
  return text === '' ? '' : ` (${text})`;
}
