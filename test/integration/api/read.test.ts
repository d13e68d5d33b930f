import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiReadError } from '../../../src/api/errors.ts';
import { CANARY_KEY, makeApiClient } from '../../helpers/api-client.ts';
import { type FakeApi, type FakeReply, startFakeApi } from '../../helpers/fake-api.ts';
import { findRefusedPort } from '../../helpers/raw-server.ts';

const ID = 'task-unified-1774857405-abc123';
const ROUTE = `GET /v1/tasks/${ID}`;
const LINK = 'https://files.evolink.ai/a.mp4?sig=1';
const DONE = { id: ID, model: 'm', status: 'completed', progress: 100, results: [LINK], created: 1761313744 };

let fake: FakeApi;
beforeEach(async () => {
  fake = await startFakeApi();
});
afterEach(() => fake.finish());

async function errorOf(promise: Promise<unknown>): Promise<ApiReadError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
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

const form = (code: unknown, message = 'no') => ({ error: { code, message, type: 'x' } });

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
    ['401', { status: 401, json: form('unauthorized') }, 'auth', false],
    ['401 in plain text', { status: 401, body: 'Unauthorized' }, 'auth', false],
    ['402', { status: 402, json: form('quota_exceeded') }, 'credits', false],
    ['403', { status: 403, json: form('permission_denied') }, 'auth', false],
    ['403 of a proxy', { status: 403, body: '<html>blocked</html>' }, 'network', false],
    ['404', { status: 404, json: form('task_not_found') }, 'task-failed', false],
    ['404 with the status as code', { status: 404, json: form(404) }, 'network', false],
    ['408', { status: 408 }, 'network', true],
    ['429', { status: 429, json: form('rate_limit_exceeded') }, 'network', true],
    ['500', { status: 500, json: form('internal_error') }, 'network', true],
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

  it('honours Retry-After as seconds and as a date', async () => {
    expect((await readFailing({ status: 503, headers: { 'retry-after': '7' } })).retryAfterMs).toBe(7_000);
    fake.on(ROUTE, { status: 429, headers: { 'retry-after': 'Sat, 21 Nov 2026 09:16:02 GMT' } });
    const error = await errorOf(makeApiClient(fake.origin).api.getTask(ID));
    expect(error.retryAfterMs).toBe(60_000);
  });

  it('is transient while the service is away, and says nothing of money', async () => {
    const error = await errorOf(makeApiClient(`http://127.0.0.1:${await findRefusedPort()}`).api.getTask(ID));
    expect(error).toMatchObject({ kind: 'network', isTransient: true });
    expect(error.facts.charged).toBeUndefined();
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

describe('getCredits', () => {
  it.each([
    [{ user: { remaining_credits: 100, used_credits: 5 }, token: { remaining_credits: 40 } }, 40],
    [{ user: { remaining_credits: 100 }, token: { remaining_credits: 1, unlimited_credits: true } }, 100],
    [{ user: { remaining_credits: -3.5 }, token: { remaining_credits: 9 } }, -3.5],
    [{ user: { remaining_credits: '12.5' } }, 12.5],
    [{ user: {} }, undefined],
  ])('%j leaves %s', async (data, spendable) => {
    fake.on('GET /v1/credits', { json: { success: true, message: '', data } });
    expect((await makeApiClient(fake.origin).api.getCredits()).spendable).toBe(spendable);
  });
});

it('the client holds the key in no property', () => {
  const { api } = makeApiClient('http://127.0.0.1:1');
  expect(inspect(api, { depth: null, showHidden: true })).not.toContain(CANARY_KEY);
});
