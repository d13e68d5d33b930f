import { describe, expect, it } from 'vitest';
import { readRefusal } from '../../../src/api/errors.ts';
import { parseJsonBody } from '../../../src/api/json.ts';

const read = (
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
  on: 'submit' | 'read' = 'submit',
) => {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const answer = { url: 'https://api.test/', status, headers, body: Buffer.from(text), isTruncated: false };
  return readRefusal(answer, parseJsonBody(answer).value, on, { clean: (value) => value, nowMs: 0 });
};
const map = (status: number, json: unknown, on: 'submit' | 'read' = 'submit') =>
  read(status, json, {}, on).error;

/** Every row of "HTTP rejections" in the API's facts. */
const ROWS = (
  [
    [400, 'invalid_request invalid_parameter', 'usage', /rejected the request/],
    [400, 'content_policy_violation content_filter sensitive_content', 'task-failed', /nothing was charged/],
    [400, 'moderation_blocked input_moderation_failed', 'task-failed', /nothing was charged/],
    [400, 'no_available_channel model_unavailable channel_error', 'network', /no capacity/],
    [503, 'no_available_channel model_unavailable channel_error', 'network', /no capacity/],
    [401, 'unauthorized KEY_DISABLED KEY_EXPIRED', 'auth', /API key/],
    [402, 'insufficient_quota insufficient_user_quota quota_not_enough', 'credits', /balance/],
    [402, 'account_balance_insufficient', 'credits', /balance/],
    [402, 'insufficient_token_quota key_quota_exhausted', 'credits', /limit of this API key or of the plan/],
    [402, 'quota_exceeded', 'credits', /limit/],
    [402, 'token_daily_quota_exceeded key_daily_quota_exhausted', 'credits', /limit of this API key/],
    [403, 'model_access_denied KEY_MODEL_NOT_ALLOWED permission_denied user_disabled', 'auth', /may not use/],
    [409, 'idempotency_conflict', 'usage', /idempotency key/],
    [413, 'anything', 'usage', /too large/],
    [429, 'rate_limit_exceeded', 'network', /too many requests/],
    [500, 'internal_error upstream_error service_unavailable', 'network', /trouble/],
  ] as const
).flatMap(([status, codes, kind, text]) => codes.split(' ').map((code) => ({ status, code, kind, text })));

describe('every documented refusal', () => {
  it.each(ROWS)('$status $code is $kind', ({ status, code, kind, text }) => {
    for (const written of [code, code.toLowerCase(), code.toUpperCase()]) {
      const error = map(status, { error: { code: written, message: 'why', type: 'x_error' } });
      expect(error.kind).toBe(kind);
      expect(error.message).toMatch(text);
      expect(error.message).toContain(`why [${status} ${written}]`);
      expect(error.facts.hint).toBeTruthy();
    }
    expect(map(status, { error: code, error_description: 'why' }).kind).toBe(kind);
  });

  it.each([
    [401, 'auth'],
    [402, 'credits'],
    [403, 'auth'],
    [404, 'network'],
    [422, 'usage'],
    [500, 'network'],
  ])('a code that only repeats the status %i is %s', (status, kind) => {
    const error = map(status, { error: { code: status, message: 'why', type: 'x' } }, 'read');
    expect(error.kind).toBe(kind);
    expect(error.message).toContain(`[${status}]`);
    expect(map(status, { success: false, code: status, msg: 'why' }, 'read').kind).toBe(kind);
  });
});

it.each<[number, unknown, string]>([
  [400, '<html>400 Bad Request</html>', 'network'],
  [403, '<html>Blocked by your organisation</html>', 'network'],
  [404, { error: { code: 'not_found', message: 'no' } }, 'usage'],
  [405, '', 'network'],
  [413, '<html>413</html>', 'usage'],
  [451, { error: { code: 'unavailable', message: 'no' } }, 'usage'],
])('a submission that ends with %i %j is %s', (status, body, kind) => {
  expect(map(status, body).kind).toBe(kind);
});

describe('what a refusal says', () => {
  const page = (text: string, type = 'text/html') => read(502, text, { 'content-type': type });

  it('reads the title of a page, a line of text, and nothing of an empty body', () => {
    expect(page('<html><title>502 Bad\nGateway</title>').message).toBe('502 Bad Gateway');
    expect(page('upstream timed out', 'text/plain').message).toBe('upstream timed out');
    expect(page('', 'text/plain').message).toBeUndefined();
  });

  it.each([
    [{ 'x-request-id': 'a', 'x-oneapi-request-id': 'b' }, {}, 'a'],
    [{ 'x-oneapi-request-id': 'b' }, {}, 'b'],
    [{}, { request_id: 'c' }, 'c'],
    [{}, { error: { code: 'x', message: 'no (request id: 2026-d)' } }, '2026-d'],
    [{}, {}, undefined],
  ])('%j %j has the request id %s', (headers: Record<string, string>, json, expected) => {
    expect(read(400, json, headers).requestId).toBe(expected);
  });
});
