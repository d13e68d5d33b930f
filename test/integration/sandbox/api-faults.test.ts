import { networkInterfaces } from 'node:os';
import { describe, expect, it } from 'vitest';
import { json, refusal, start } from './sandbox-under-test.ts';

it.each([
  ['429(retry-after=1)', 429, 'rate_limit_exceeded'],
  ['401(KEY_DISABLED)', 401, 'KEY_DISABLED'],
  ['400(content_policy_violation,message=no)', 400, 'content_policy_violation'],
  ['500(form=upper)', 500, 'INTERNAL_ERROR'],
  ['500(form=number)', 500, 500],
])(
  'submit faults before acceptance: %s answers JSON, makes no task, strikes once',
  async (fault, status, code) => {
    const sandbox = await start({ faults: `submit:${fault}` });
    expect(await refusal(sandbox.submit())).toEqual([status, code]);
    expect(sandbox.ledger.charges()).toEqual([]);
    expect((await sandbox.submit()).status).toBe(200);
    const struck = { status, faults: [`submit:${fault}`] };
    expect(sandbox.ledger.requests()).toMatchObject([struck, { status: 200 }]);
  },
);

it('poll faults: odd words, empty results only once completed', async () => {
  const sandbox = await start({ faults: 'poll:word*2(queued); poll:empty-results*2' });
  const { id } = await json(await sandbox.submit());
  const readings = async (count: number) => {
    const seen: unknown[] = [];
    for (let index = 0; index < count; index += 1) {
      const { status, results } = await sandbox.read(`/v1/tasks/${id}`);
      seen.push([status, results]);
    }
    return seen;
  };
  expect(await readings(3)).toEqual(['queued', 'queued', 'pending'].map((word) => [word, undefined]));
  await sandbox.clock.advance(180_000);
  const full = ['completed', [expect.any(String)]];
  expect(await readings(3)).toEqual([['completed', []], ['completed', []], full]);
});

describe('the server', () => {
  it('listens on this machine alone', async () => {
    const { apiUrl, linkUrl } = await start();
    const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
    const other = all.find(({ internal, family }) => !internal && family === 'IPv4');
    for (const url of [apiUrl, linkUrl]) {
      expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
      if (other !== undefined) await expect(fetch(url.replace('127.0.0.1', other.address))).rejects.toThrow();
    }
  });

  it('says which port is taken', async () => {
    const { apiUrl } = await start();
    const error = { kind: 'local-io', message: expect.stringContaining('is in use') };
    await expect(start({ port: Number(new URL(apiUrl).port) })).rejects.toMatchObject(error);
  });

  it('answers questions of the ledger over HTTP, and shows no key', async () => {
    const sandbox = await start();
    sandbox.addFaults('submit:429');
    expect((await sandbox.submit()).status).toBe(429);
    await sandbox.finish();
    const ledger = await sandbox.read('/__sandbox/ledger');
    expect(ledger.charges).toMatchObject([{ state: 'charged', chargedCredits: 67.5 }]);
    expect(ledger.requests.map((each: { status: number }) => each.status)).toEqual([429, 200, 200]);
    expect(ledger.requests[0]).toMatchObject({ headers: { authorization: '[hidden]' } });
  });
});
