import { expect, it, test } from 'vitest';
import type { SubmitOutcome } from '../../../src/api/answers.ts';
import { HttpFailure } from '../../../src/api/http.ts';
import { classifyAnswer, classifyFailure, resubmitDelayMs } from '../../../src/api/submit-outcome.ts';
import { EvolinkError } from '../../../src/errors.ts';
import { createSecrets } from '../../../src/platform/text.ts';

const ID = 'task-unified-1774857405-abc123';
const TASK = { id: ID, status: 'pending' };

function classify(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const answer = {
    url: 'https://api.test/v1/videos/generations',
    status,
    headers,
    body: new TextEncoder().encode(text),
    isTruncated: false,
  };
  return classifyAnswer(answer, { clean: String, secrets: createSecrets(), nowMs: 0 });
}

/** What is certain to be refused, by the number alone: RFC 9110, RFC 6585, RFC 7725. */
const REFUSED = [
  301, 302, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 410, 411, 412, 413, 414, 415, 416, 417, 421,
  422, 423, 424, 426, 428, 431, 451,
];

test('a status alone: refused where it says so, throttled at 429, else nobody can tell', () => {
  const kinds = new Map<string, number[]>();
  for (let status = 200; status < 600; status += 1) {
    const { kind } = classify(status, '');
    kinds.set(kind, [...(kinds.get(kind) ?? []), status]);
  }
  expect(kinds.get('rejected')).toEqual(REFUSED);
  expect(kinds.get('throttled')).toEqual([429]);
  expect(kinds.get('unknown')).toHaveLength(400 - REFUSED.length - 1);
  expect([...kinds.keys()]).toHaveLength(3);
});

test('the id of a task in an answer that is no success was not accepted by it', () => {
  for (const status of [300, 304, 500, 599]) expect(classify(status, TASK).kind).toBe('unknown');
  expect(classify(400, TASK).kind).toBe('rejected');
});

test.each<[string, unknown, boolean]>([
  ['a task', TASK, true],
  ['an id that says that it is one', { id: ID }, true],
  ['the older key', { task_id: ID }, true],
  ['a status, and an id of another form', { id: 'vid-1', status: 'pending' }, true],
  ['an envelope', { data: TASK }, true],
  ['an envelope with an id of its own form', { data: { id: 'vid-1', status: 'pending' } }, true],
  ['an envelope with an error', { data: TASK, error: { message: 'no' } }, true],
  [
    'an envelope with an error, and an id of another form',
    { data: { id: 'vid-1', status: 'pending' }, error: { message: 'no' } },
    false,
  ],
  ['an envelope with a null error', { data: TASK, error: null }, true],
  ['a task beside an envelope', { ...TASK, data: 'more' }, true],
  ['broken JSON with one whole id', `{"id":"${ID}","x`, true],
  ['broken JSON with the same id twice', `{"id":"${ID}","task_id":"${ID}","x`, true],
  ['broken JSON with two ids', `{"id":"${ID}","task_id":"task-other-0001","x`, false],
  ['broken JSON with a cut id', `{"id":"${ID}`, false],
  ['an id alone', { id: 'req-123' }, false],
  ['an id with the word in it', { id: 'subtask-123' }, false],
  ['a word that only begins alike', { id: 'tasks1234' }, false],
  ['a status alone', { status: 'pending' }, false],
  ['an error with an id and a status', { id: 'vid-1', status: 'failed', error: { message: 'no' } }, false],
  ['an empty answer', '', false],
  ['a text', '"hello"', false],
])('200 with %s', (_name, body, isAccepted) => {
  const outcome = classify(200, body);
  expect(outcome.kind).toBe(isAccepted ? 'accepted' : 'unknown');
  expect(outcome.kind === 'accepted' ? outcome.task.state : 'running').toBe('running');
  expect(outcome.kind === 'accepted' ? outcome.task.links : []).toEqual([]);
});

test.each<[number, unknown, string]>([
  [200, '', ', but with an answer that is empty'],
  [200, { error: { code: 'oops' } }, ', but with an answer without a task id (oops)'],
  [502, '<html><title>Bad Gateway</title>', ' (Bad Gateway)'],
  [500, '', ''],
])('%i %j is unknown, for a reason that is told', (status, body, why) => {
  const reason = `the service answered with status ${status}${why}`;
  expect(classify(status, body)).toMatchObject({ kind: 'unknown', reason });
});

test.each<[string, number, unknown, SubmitOutcome['kind']]>([
  ['its own type', 503, { error: { message: 'busy', type: 'api_error' } }, 'throttled'],
  ['its own code', 503, { error: { message: 'busy', code: 'service_unavailable' } }, 'throttled'],
  ['the status as the code', 503, { error: { message: 'busy', code: 503 } }, 'throttled'],
  ['another number as the code', 503, { error: { message: 'busy', code: 14 } }, 'unknown'],
  ['a code without words', 503, { error: { code: 'service_unavailable' } }, 'unknown'],
  ["a gateway's JSON", 503, { message: 'no healthy upstream' }, 'unknown'],
  ['its own form at another status', 500, { error: { message: 'busy', type: 'api_error' } }, 'unknown'],
  ['a repeated key', 409, { error: { code: 'IDEMPOTENCY_CONFLICT', message: 'x' } }, 'unknown'],
  ['the same with a refusal', 422, { error: { code: 'idempotency_conflict', message: 'x' } }, 'unknown'],
  ['another conflict', 409, { error: { code: 'conflict', message: 'x' } }, 'unknown'],
  ['a conflict without a code', 409, { error: { message: 'x' } }, 'unknown'],
])('%s: %i %j is %s', (_name, status, body, kind) => {
  expect(classify(status, body).kind).toBe(kind);
});

const error = new EvolinkError('network', 'x');
const unsent = (isTransient: boolean): SubmitOutcome => ({ kind: 'not-sent', error, isTransient });
const throttled = (retryAfterMs?: number): SubmitOutcome => ({ kind: 'throttled', error, retryAfterMs });

test.each([true, false])('no answer: not sent only where no byte left (may pass: %s)', (isTransient) => {
  const fail = (hasSentBytes: boolean) =>
    classifyFailure(new HttpFailure('no connection', { hasSentBytes, isTransient }));
  expect(fail(true)).toEqual({ kind: 'unknown', reason: 'no connection' });
  expect(fail(false)).toMatchObject({
    kind: 'not-sent',
    isTransient,
    error: { kind: 'network', message: 'no connection; nothing was sent', facts: { charged: 'no' } },
  });
});

test('a refusal of a submission is not charged, and throttling says how long to wait', () => {
  for (const status of [302, 400, 413])
    expect(classify(status, '')).toMatchObject({ kind: 'rejected', error: { facts: { charged: 'no' } } });
  expect(classify(429, '', { 'retry-after': '7' })).toMatchObject({
    retryAfterMs: 7_000,
    error: { facts: { charged: 'no' } },
  });
});

it.each<[string, SubmitOutcome, number, number, number | undefined]>([
  ['not sent, first', unsent(true), 1, 0, 500],
  ['not sent, second', unsent(true), 2, 0, 1_000],
  ['not sent, third', unsent(true), 3, 0, undefined],
  ['not sent for good', unsent(false), 1, 0, undefined],
  ['throttled', throttled(), 1, 0, 500],
  ['throttled with a wish', throttled(1_000), 1, 0, 1_500],
  ['throttled beyond patience', throttled(86_400_000), 1, 0, undefined],
  ['throttled for the sixth time', throttled(1_000), 6, 0, undefined],
  ['throttled at the last moment', throttled(60_000), 2, 59_000, 61_000],
  ['throttled after it', throttled(60_000), 2, 59_001, undefined],
  ['rejected', { kind: 'rejected', error }, 1, 0, undefined],
  ['unknown', { kind: 'unknown', reason: 'x' }, 1, 0, undefined],
])('the paid POST is repeated: %s', (_name, outcome, attempt, elapsedMs, delayMs) => {
  expect(resubmitDelayMs(outcome, attempt, 120_000 - elapsedMs, 0.5)).toBe(delayMs);
});
