import { readdirSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { expectSaid, homeForEach, jsonOf } from '../helpers/rig.ts';
import { serve } from '../helpers/serve.ts';

const KEY = 'sk-test-0123456789abcdef';
const NOBODY = 'http://127.0.0.1:9';

const home = homeForEach();

/** A service that answers everything in one way: its environment. */
const serviceOf = async (answer: (response: ServerResponse) => void, keys: (string | undefined)[] = []) => ({
  EVOLINK_API_KEY: KEY,
  EVOLINK_BASE_URL: await serve((request, response) => {
    keys.push(request.headers.authorization);
    answer(response);
  }),
});

const json = (status: number, body: unknown) => (response: ServerResponse) =>
  void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
const refusal = (code: string) => json(401, { error: { code, message: 'no' } });
const balance = (user: number, token?: number) =>
  json(200, {
    success: true,
    message: '',
    data: {
      user: { remaining_credits: user, used_credits: 10 },
      token: { remaining_credits: token ?? 0, used_credits: 1, unlimited_credits: token === undefined },
    },
  });

/** What `doctor` found: the exit, its verdicts by check, and its texts. */
async function diagnose(env: Readonly<Record<string, string>>, flags = '') {
  const result = await home.run(`doctor --json ${flags}`, { env });
  expect(result.stdout + result.stderr).not.toContain(KEY);
  const { ok, checks } = jsonOf(result);
  expect(ok).toBe(result.code === 0);
  const by = (field: string): Record<string, string> =>
    Object.fromEntries(checks.map((check: Record<string, string>) => [check.name, check[field]]));
  return { code: result.code, stderr: result.stderr, verdicts: by('verdict'), texts: by('text') };
}

describe('evolink doctor', () => {
  it('finds nothing wrong in the sandbox, and needs no key for that; a line a check for people', async () => {
    const names = 'node tls config key proxy service clock account records disk'.split(' ');
    const { code, verdicts } = await diagnose({}, '--sandbox');
    expect([code, Object.entries(verdicts)]).toEqual([0, names.map((name) => [name, 'ok'])]);
    const { stdout, stderr } = await home.run('doctor --sandbox');
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^ok +node +Node\.js \d+\.\d+\.\d+ on \w+$/m);
  });

  it('asks the service without the key first, then with it', async () => {
    const keys: (string | undefined)[] = [];
    const { code, texts } = await diagnose(await serviceOf(balance(100, 40), keys));
    expect([code, keys]).toEqual([0, [undefined, `Bearer ${KEY}`]]);
    expect(texts.account).toContain('40 credits to spend');
  });

  it('tells a missing key, with the places it looked in, and a refused one from a dead network: the first is the exit', async () => {
    const { EVOLINK_BASE_URL } = await serviceOf(refusal('unauthorized'));
    const noKey = await diagnose({ EVOLINK_BASE_URL });
    expect(noKey.code).toBe(3);
    expect(noKey.texts.key).toContain('first: the variable EVOLINK_API_KEY;');
    expect(noKey.verdicts).toMatchObject({ key: 'failed', service: 'ok', account: 'skipped' });
    const refused = await diagnose(await serviceOf(refusal('KEY_DISABLED')));
    expect(refused).toMatchObject({ code: 3, verdicts: { key: 'ok', account: 'failed' } });
    const dead = await diagnose({ EVOLINK_BASE_URL: NOBODY, EVOLINK_API_KEY: KEY });
    expect([dead.code, dead.stderr]).toEqual([6, '']);
    expect(dead.verdicts).toMatchObject({ key: 'ok', service: 'failed' });
  });

  it('warns of a clock that is off', async () => {
    const env = await serviceOf((response) => {
      response.setHeader('date', new Date(Date.now() - 3_600_000).toUTCString());
      balance(100)(response);
    });
    const { code, verdicts, texts } = await diagnose(env);
    expect([code, verdicts.clock]).toEqual([0, 'warning']);
    expect(texts.clock).toMatch(/this machine is 3(599|60\d) s ahead of the service/);
  });

  it('warns where certificates are not checked', async () => {
    const { code, verdicts } = await diagnose({ NODE_TLS_REJECT_UNAUTHORIZED: '0' }, '--sandbox');
    expect([code, verdicts.tls]).toEqual([0, 'warning']);
  });

  it('names a proxy without its password, and one that cannot be used', async () => {
    const env = await serviceOf(balance(1));
    const bad = await diagnose({ ...env, HTTPS_PROXY: 'ftp://me:hunter22@proxy:1' });
    expect([bad.code, JSON.stringify(bad).includes('hunter22')]).toEqual([2, false]);
  });

  it('looks at what it can where the configuration is broken', async () => {
    home.write('.evolinkrc', 'qualty: 480p\n');
    const verdicts = { node: 'ok', config: 'failed', 'the rest': 'skipped' };
    expect(await diagnose({})).toMatchObject({ code: 2, verdicts });
  });

  it('says that the state folder cannot be written, and leaves nothing in one that can', async () => {
    home.write('file', '');
    const { code, verdicts } = await diagnose({ EVOLINK_STATE_DIR: home.at('file/state') }, '--sandbox');
    expect([code, verdicts.records]).toEqual([11, 'failed']);
    await diagnose({ EVOLINK_STATE_DIR: home.at('state'), EVOLINK_BASE_URL: NOBODY });
    expect(readdirSync(home.at('state'))).toEqual([]);
  });

  it('names files among the records that are none', async () => {
    home.write('state/sandbox/tasks/open/mine.json', {});
    const { verdicts, texts } = await diagnose({ EVOLINK_STATE_DIR: home.at('state') }, '--sandbox');
    expect([verdicts.records, texts.records]).toEqual(['warning', expect.stringContaining('1 file')]);
  });
});

describe('evolink credits', () => {
  it('shows the smaller of account and key as what can be spent', async () => {
    const result = await home.run('credits --json', { env: await serviceOf(balance(100.5, 68)) });
    expect(result.code).toBe(0);
    const all = { schema_version: 2, ok: true, spendable: 68, spendable_usd: 1 };
    const [user, key] = [
      { remaining: 100.5, used: 10 },
      { remaining: 68, is_unlimited: false },
    ];
    const journal = { ended: { tasks: 0 }, open: { tasks: 0 }, uncertain_tasks: 0 };
    expect(jsonOf(result)).toMatchObject({ ...all, user, key, journal });
  });

  it('shows a balance below nothing, and a key without a limit of its own', async () => {
    const { stdout } = await home.run('credits', { env: await serviceOf(balance(-3)) });
    expect(stdout).toContain('-3 credits left');
    expect(stdout).toContain('no separate limit');
  });

  it('adds up what was spent here', async () => {
    const fast = { env: { EVOLINK_INTERNAL_CLOCK_RATE: '20' } };
    await home.run('t2v "a paper boat" -d 4 -q 480p --sandbox', fast);
    await home.run('t2v "an open boat" -d 4 -q 480p --sandbox --no-wait', fast);
    const { journal } = jsonOf(await home.run('credits --sandbox --json'));
    const none = { tasks: 0, used: 0, reserved: 0, unpriced_tasks: 0 };
    const ended = { ...none, tasks: 1, used: 25.11 };
    const open = { ...none, tasks: 1, reserved: 25.11 };
    expect(journal).toEqual({ ended, open, dismissed: none, uncertain_tasks: 0 });
    const { stdout } = await home.run('credits --sandbox');
    expect(stdout).toContain('25.11 credits charged (1 task on this machine)');
  });

  it('says what the records know although the service cannot be reached, and fails', async () => {
    const env = { EVOLINK_BASE_URL: NOBODY, EVOLINK_API_KEY: KEY };
    const result = await home.run('credits', { env });
    expectSaid(result, 6, 'could not connect to 127.0.0.1:9');
    const nothing = 'nothing on this machine\n';
    expect(result.stdout).toBe(`ended tasks  ${nothing}pending      ${nothing}`);
  });
});
