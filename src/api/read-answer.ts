import { EvolinkError } from '../errors.ts';
import { parseRetryAfter } from '../platform/retry-after.ts';
import type { CleanText } from './clean-text.ts';
import { toRejection } from './http-errors.ts';
import type { HttpFailure } from './http-failure.ts';
import type { HttpAnswer } from './http-types.ts';
import { decodeBody, parseJsonBody } from './json-body.ts';
import { ApiReadError } from './read-error.ts';
import { redirectError } from './redirect-error.ts';
import { readServiceError } from './service-error.ts';

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
  const { error, isTransient } = toRejection(refusal, { on: 'read', retryAfterMs });
  throw new ApiReadError(error.kind, error.message, { facts: error.facts, isTransient, retryAfterMs });
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
  return typeof value === 'object' && value !== null && 'success' in value && value.success === false;
}

function envelopeStatus(status: number, json: unknown): number {
  if (status >= 300 || typeof json !== 'object' || json === null || !('code' in json))
    return status >= 300 ? status : 502;
  const code = Number(json.code);
  return Number.isInteger(code) && code >= 400 && code < 600 ? code : 502;
}

/** Says whether an error is the service's "no such operation". */
export function isMissingOperation(error: unknown): boolean {
  return error instanceof EvolinkError && (error.facts.httpStatus === 404 || error.facts.httpStatus === 405);
}
