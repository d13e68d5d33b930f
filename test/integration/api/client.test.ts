import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SubmitOutcome } from '../../../src/api/answers.ts';
import { ApiReadError } from '../../../src/api/errors.ts';
import { CANARY_KEY, IDEMPOTENCY_KEY, makeApiClient, SAMPLE_BODY } from '../../helpers/api-client.ts';
import { type FakeApi, type FakeReply, startFakeApi } from '../../helpers/fake-api.ts';

const ID = 'task-unified-1774857405-abc123';
const ROUTE = `GET /v1/tasks/${ID}`;
const SUBMIT = 'POST /v1/videos/generations';
const LINK = 'https://files.evolink.ai/a.mp4?sig=1';
const DONE = { id: ID, model: 'm', status: 'completed', progress: 100, results: [LINK], created: 1761313744 };

let fake: FakeApi;
beforeEach(async () => {
  fake = await startFakeApi();
});
afterEach(() => fake.finish());

async function errorOf(promise: Promise<unknown>): Promise<ApiReadError> {
  const error = await promise.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ApiReadError);
  expect(inspect(error, { depth: null, showHidden: true })).not.toContain(CANARY_KEY);
  return error instanceof ApiReadError ? error : expect.unreachable();
}

async function readFailing(reply: FakeReply): Promise<ApiReadError> {
  fake.on(ROUTE, reply);
  const error = await errorOf(makeApiClient(fake.origin).api.getTask(ID));
  expect(fake.requests).toHaveLength(1);
  return error;
}

const form = (code: unknown, message = 'no', param?: string) => ({
  error: { code, message, type: 'x_error', param },
});

describe('getTask', () => {
  it('reads the task, the clock of the service and the request id', async () => {
    const headers = { date: 'Sat, 21 Nov 2026 11:15:02 GMT', 'x-request-id': 'r1' };
    fake.on(ROUTE, { json: DONE, headers });
    expect(await makeApiClient(fake.origin).api.getTask(ID)).toMatchObject({
      id: ID,
      state: 'completed',
      links: [LINK],
      serverNowMs: Date.UTC(2026, 10, 21, 11, 15, 2),
      requestId: 'r1',
    });
  });

  it.each<[string, FakeReply, string, boolean]>([
    ['400', { status: 400, json: form('invalid_task_id') }, 'task-failed', false],
    ['404', { status: 404, json: form('task_not_found') }, 'task-failed', false],
    ['404 with the status as code', { status: 404, json: form(404) }, 'network', false],
    ['408', { status: 408 }, 'network', true],
    ['429', { status: 429, json: form('rate_limit_exceeded') }, 'network', true],
    ['502 page', { status: 502, body: '<html>' }, 'network', true],
    ['524', { status: 524 }, 'network', true],
    ['HTML with 200', { body: '<html>login</html>' }, 'network', true],
    ['nothing with 200', { body: '' }, 'network', true],
    ['no task', { json: [1] }, 'network', true],
    ['another task', { json: { ...DONE, id: 'task-unified-other' } }, 'network', true],
    [
      '65 links',
      { json: { ...DONE, results: Array.from({ length: 65 }, (_, i) => `${LINK}${i}`) } },
      'network',
      true,
    ],
    ['a body of 11 MB', { body: `"${'x'.repeat(11_000_000)}"` }, 'network', false],
    ['a nesting of 10,000', { body: '['.repeat(10_000) + ']'.repeat(10_000) }, 'network', false],
    ['a redirect', { status: 302, headers: { location: 'http://127.0.0.1:1/' } }, 'network', false],
    ['an envelope of failure', { json: { success: false, code: 401, msg: 'bad key' } }, 'auth', false],
    ['an envelope without status', { json: { success: false, code: 1, msg: 'x' } }, 'network', true],
  ])('%s', async (_name, reply, kind, isTransient) => {
    expect(await readFailing(reply)).toMatchObject({ kind, isTransient });
  });

  it('honours Retry-After', async () => {
    expect((await readFailing({ status: 503, headers: { 'retry-after': '7' } })).retryAfterMs).toBe(7_000);
  });

  it.each(['', '../credits', 'a/b', 'a%2fb', 'a b', 'x'.repeat(200), 'a..b', '.'])(
    'sends nothing for the id %j',
    async (id) => {
      const error = await makeApiClient(fake.origin)
        .api.getTask(id)
        .catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ kind: 'usage' });
      expect(fake.requests).toHaveLength(0);
    },
  );
});

describe('getTasks and listTasks', () => {
  it('leave out what is unknown or was not asked for', async () => {
    const data = [ID, 'task-unified-stranger', '../x'].map((id) => ({ id, status: 'processing' }));
    fake.on('POST /v1/tasks/batch', { json: { code: 200, data } });
    const tasks = await makeApiClient(fake.origin).api.getTasks([ID, `${ID}-2`]);
    expect(tasks).toMatchObject([{ id: ID, state: 'running' }]);
    expect(JSON.parse(fake.requests[0]?.body ?? '').task_ids).toEqual([ID, `${ID}-2`]);
  });

  it.each([404, 405])('are absent where the service answers %i', async (status) => {
    fake.on('GET /v1/tasks', { status });
    fake.on('POST /v1/tasks/batch', { status, json: form('not_found') });
    const { api } = makeApiClient(fake.origin);
    expect(await api.listTasks({ page: 1, pageSize: 50 })).toBeUndefined();
    expect(await api.getTasks([ID])).toBeUndefined();
  });

  it('are errors, not absences, for an answer without a list and for 401', async () => {
    fake.on('GET /v1/tasks', { json: { ok: 1 } }, { status: 401 });
    const { api } = makeApiClient(fake.origin);
    await errorOf(api.listTasks({ page: 1, pageSize: 50 }));
    expect(await errorOf(api.listTasks({ page: 1, pageSize: 50 }))).toMatchObject({ kind: 'auth' });
  });
});

it.each([
  [{ user: { remaining_credits: 100, used_credits: 5 }, token: { remaining_credits: 40 } }, 40],
  [{ user: { remaining_credits: 100 }, token: { remaining_credits: 1, unlimited_credits: true } }, 100],
  [{ user: { remaining_credits: -3.5 }, token: { remaining_credits: 9 } }, -3.5],
  [{ user: { remaining_credits: '12.5' } }, 12.5],
  [{ user: {} }, undefined],
])('getCredits: %j leaves %s', async (data, spendable) => {
  fake.on('GET /v1/credits', { json: { success: true, message: '', data } });
  expect((await makeApiClient(fake.origin).api.getCredits()).spendable).toBe(spendable);
});

it('the client holds the key in no property', () => {
  const { api } = makeApiClient('http://127.0.0.1:1');
  expect(inspect(api, { depth: null, showHidden: true })).not.toContain(CANARY_KEY);
});

async function submit(reply: FakeReply): Promise<SubmitOutcome> {
  fake.on(SUBMIT, reply);
  const { api } = makeApiClient(fake.origin);
  const outcome = await api.submit(SAMPLE_BODY, { idempotencyKey: IDEMPOTENCY_KEY });
  expect(fake.requests).toHaveLength(1);
  expect(inspect(outcome, { depth: null, showHidden: true })).not.toContain(CANARY_KEY);
  return outcome;
}

function refusalOf(outcome: SubmitOutcome) {
  return 'error' in outcome ? outcome.error : expect.unreachable(`no error in ${outcome.kind}`);
}

it('an accepted submit sends key, idempotency key and exactly the body, on a connection of its own', async () => {
  const json = { id: ID, status: 'pending', usage: { credits_reserved: 67.5 } };
  const outcome = await submit({ json, headers: { 'x-request-id': 'req-1' } });
  const task = { id: ID, requestId: 'req-1', state: 'running', reservedCredits: 67.5 };
  expect(outcome).toMatchObject({ kind: 'accepted', task });
  expect(JSON.parse(fake.requests[0]?.body ?? '')).toEqual(SAMPLE_BODY);
  expect(fake.requests[0]?.headers).toMatchObject({
    authorization: `Bearer ${CANARY_KEY}`,
    'idempotency-key': IDEMPOTENCY_KEY,
    'content-type': 'application/json',
    connection: 'close',
  });
});

describe('an outcome that nobody can tell', () => {
  it('keeps the raw body small and free of secrets', async () => {
    const echo = `Bearer ${CANARY_KEY} ${CANARY_KEY} Authorization: Bearer abc.def sk-other-0123456789 https://f.test/a.mp4?sig=SECRETSIG `;
    const outcome = await submit({ status: 500, body: echo + 'x'.repeat(100_000) });
    const raw = outcome.kind === 'unknown' ? outcome.rawBody : expect.unreachable();
    expect(raw?.length).toBeLessThanOrEqual(16 * 1024);
    expect(raw).not.toMatch(/canary|abc\.def|sk-other|SECRETSIG/);
    expect(raw).toContain('https://f.test/a.mp4?***');
  });

  it('keeps no half of a key at the cut', async () => {
    const outcome = await submit({ status: 500, body: 'x'.repeat(16 * 1024 - 10) + CANARY_KEY });
    expect(outcome.kind === 'unknown' && outcome.rawBody).not.toContain('sk-canary');
  });
});

describe('a refusal', () => {
  it('names the field and the request id', async () => {
    const outcome = await submit({
      status: 400,
      json: form('invalid_parameter', 'must be 4 to 15', 'duration'),
      headers: { 'x-oneapi-request-id': 'one-1' },
    });
    expect(refusalOf(outcome).message).toBe(
      'the service rejected the request (field "duration"): must be 4 to 15 [400 invalid_parameter]',
    );
    expect(refusalOf(outcome).facts.requestId).toBe('one-1');
  });

  it('cleans what the server says, and never repeats the key', async () => {
    const echo = `key ${CANARY_KEY} ${CANARY_KEY.replace('canary', 'can\u200bary')} \u001b]52;c;x\u0007\u001b[31mred\r\n::error::x`;
    const outcome = await submit({
      status: 400,
      json: form(CANARY_KEY, echo, CANARY_KEY),
      headers: { 'x-request-id': CANARY_KEY },
    });
    const shown = inspect(outcome, { depth: null, showHidden: true });
    expect(shown).not.toContain('canary');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: looks for control characters
    expect(refusalOf(outcome).message).not.toMatch(/[\u0000-\u001f\u200b]/);
  });
});

it('a submission throws only the reason of an abort', async () => {
  const { api } = makeApiClient(fake.origin);
  const reason = new Error('stopped');
  const signal = AbortSignal.abort(reason);
  await expect(api.submit(SAMPLE_BODY, { idempotencyKey: IDEMPOTENCY_KEY, signal })).rejects.toBe(reason);
});
