import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SubmitOutcome } from '../../../src/api/answers.ts';
import { CANARY_KEY, IDEMPOTENCY_KEY, makeApiClient, SAMPLE_BODY } from '../../helpers/api-client.ts';
import { type FakeApi, type FakeReply, startFakeApi } from '../../helpers/fake-api.ts';
import { makeSignal } from '../../helpers/make-signal.ts';
import { type RawConnection, serveRaw } from '../../helpers/raw-server.ts';

const ROUTE = 'POST /v1/videos/generations';
const TASK_ID = 'task-unified-1774857405-abc123';
const TASK = {
  id: TASK_ID,
  object: 'video.generation.task',
  created: 1761313744,
  model: 'seedance-2.0-text-to-video',
  status: 'pending',
  progress: 0,
  type: 'video',
  task_info: { can_cancel: true, estimated_time: 165, video_duration: 5 },
  usage: { billing_rule: 'per_second', credits_reserved: 67.5, user_group: 'default' },
};

let fake: FakeApi;
beforeEach(async () => {
  fake = await startFakeApi();
});
afterEach(() => fake.finish());

async function submit(baseUrl: string): Promise<SubmitOutcome> {
  const { api, http } = makeApiClient(baseUrl);
  const outcome = await api.submit(SAMPLE_BODY, { idempotencyKey: IDEMPOTENCY_KEY });
  http.close();
  expect(inspect(outcome, { depth: null, showHidden: true })).not.toContain(CANARY_KEY);
  return outcome;
}

async function submitTo(reply: FakeReply): Promise<SubmitOutcome> {
  fake.on(ROUTE, reply);
  const outcome = await submit(fake.origin);
  expect(fake.requests).toHaveLength(1);
  return outcome;
}

/** One raw exchange; asserts that the server saw exactly one POST. */
async function submitRaw(answer: (connection: RawConnection) => void): Promise<SubmitOutcome> {
  const server = await serveRaw(answer);
  const outcome = await submit(server.origin);
  expect(server.allReceived().match(/POST \/v1\/videos\/generations/g)).toHaveLength(1);
  return outcome;
}

function errorOf(outcome: SubmitOutcome) {
  return 'error' in outcome ? outcome.error : expect.unreachable(`no error in ${outcome.kind}`);
}

describe('an accepted submit', () => {
  it('sends key, idempotency key and exactly the body, on a connection of its own', async () => {
    const outcome = await submitTo({
      json: TASK,
      headers: { 'x-request-id': 'req-1', date: 'Sat, 21 Nov 2026 09:15:02 GMT' },
    });
    expect(outcome).toMatchObject({
      kind: 'accepted',
      task: {
        id: TASK_ID,
        requestId: 'req-1',
        state: 'running',
        status: 'pending',
        isKnownStatus: true,
        reservedCredits: 67.5,
        estimatedSeconds: 165,
        videoSeconds: 5,
        createdAtMs: 1761313744000,
        serverNowMs: Date.UTC(2026, 10, 21, 9, 15, 2),
      },
    });
    expect(JSON.parse(fake.requests[0]?.body ?? '')).toEqual(SAMPLE_BODY);
    expect(fake.requests[0]?.headers).toMatchObject({
      authorization: `Bearer ${CANARY_KEY}`,
      'idempotency-key': IDEMPOTENCY_KEY,
      'content-type': 'application/json',
      connection: 'close',
    });
  });

  it('is read from JSON that is cut behind the id', async () => {
    const cut = JSON.stringify(TASK).slice(0, 80);
    const head = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n';
    for (const end of ['finish', 'reset'] as const) {
      const outcome = await submitRaw((connection) => connection[end](head + cut));
      expect(outcome).toMatchObject({ kind: 'accepted', task: { id: TASK_ID, state: 'running' } });
    }
  });
});

describe('an outcome that nobody can tell is unknown', () => {
  it.each<[string, (connection: RawConnection) => void]>([
    ['a reset', (connection) => connection.reset()],
    ['an end without an answer', (connection) => connection.finish()],
    ['half a header', (connection) => connection.finish('HTTP/1.1 200 OK\r\nContent-')],
    ['garbage', (connection) => connection.finish('hello\r\n\r\n')],
  ])('%s after the request', async (_name, answer) => {
    const outcome = await submitRaw(answer);
    expect(outcome.kind).toBe('unknown');
  });

  it('silence up to the response limit', async () => {
    const asked = makeSignal();
    const server = await serveRaw(asked.fire);
    const { api: client, clock } = makeApiClient(server.origin);
    const pending = client.submit(SAMPLE_BODY, { idempotencyKey: IDEMPOTENCY_KEY });
    await asked.seen;
    await clock.advance(30_000);
    const outcome = await pending;
    expect(outcome).toMatchObject({ kind: 'unknown' });
    expect(outcome.kind === 'unknown' && outcome.reason).toContain('within 30 s (response limit)');
  });

  it('keeps the raw body small and free of secrets', async () => {
    const echo = `Bearer ${CANARY_KEY} ${CANARY_KEY} Authorization: Bearer abc.def sk-other-0123456789 https://f.test/a.mp4?sig=SECRETSIG `;
    const outcome = await submitTo({ status: 500, body: echo + 'x'.repeat(100_000) });
    const raw = outcome.kind === 'unknown' ? outcome.rawBody : expect.unreachable();
    expect(raw?.length).toBeLessThanOrEqual(16 * 1024);
    expect(raw).not.toMatch(/canary|abc\.def|sk-other|SECRETSIG/);
    expect(raw).toContain('https://f.test/a.mp4?***');
  });

  it('keeps no half of a key at the cut', async () => {
    const outcome = await submitTo({ status: 500, body: 'x'.repeat(16 * 1024 - 10) + CANARY_KEY });
    expect(outcome.kind === 'unknown' && outcome.rawBody).not.toContain('sk-canary');
  });
});

describe('a refusal', () => {
  const form = (code: unknown, message = 'no', param?: string) => ({
    error: { code, message, type: 'x_error', param },
  });
  it('names the field and the request id', async () => {
    const outcome = await submitTo({
      status: 400,
      json: form('invalid_parameter', 'must be 4 to 15', 'duration'),
      headers: { 'x-oneapi-request-id': 'one-1' },
    });
    expect(errorOf(outcome).message).toBe(
      'the service rejected the request (field "duration"): must be 4 to 15 [400 invalid_parameter]',
    );
    expect(errorOf(outcome).facts.requestId).toBe('one-1');
  });

  it.each([301, 302, 307, 308])(
    'redirect %i is refused, and the other host gets no request',
    async (status) => {
      const other = await startFakeApi();
      const outcome = await submitTo({
        status,
        headers: { location: `${other.origin}/v1/videos/generations` },
      });
      expect(outcome).toMatchObject({
        kind: 'rejected',
        error: { kind: 'network', facts: { charged: 'no' } },
      });
      expect(errorOf(outcome).message).toContain(other.host);
      expect(other.requests).toHaveLength(0);
      await other.finish();
    },
  );

  it('cleans what the server says, and never repeats the key', async () => {
    const echo = `key ${CANARY_KEY} ${CANARY_KEY.replace('canary', 'can\u200bary')} \u001b]52;c;x\u0007\u001b[31mred\r\n::error::x`;
    const outcome = await submitTo({
      status: 400,
      json: form(CANARY_KEY, echo, CANARY_KEY),
      headers: { 'x-request-id': CANARY_KEY },
    });
    const shown = inspect(outcome, { depth: null, showHidden: true });
    expect(shown).not.toContain('canary');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: looks for control characters
    expect(errorOf(outcome).message).not.toMatch(/[\u0000-\u001f\u200b]/);
  });
});

describe('bounds', () => {
  it('throws only the reason of an abort', async () => {
    const { api } = makeApiClient(fake.origin);
    const reason = new Error('stopped');
    const signal = AbortSignal.abort(reason);
    await expect(api.submit(SAMPLE_BODY, { idempotencyKey: IDEMPOTENCY_KEY, signal })).rejects.toBe(reason);
  });
});
