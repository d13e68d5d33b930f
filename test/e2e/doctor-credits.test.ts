import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CliHome, createCliHome } from '../helpers/spawn-cli.ts';

const KEY = 'sk-test-0123456789abcdef';

let home: CliHome;
let server: Server | undefined;

beforeEach(() => {
  home = createCliHome();
});
afterEach(() => {
  home.remove();
  server?.close();
  server = undefined;
});

/** A service that answers everything in one way, and what it was asked with. */
async function serve(answer: (response: ServerResponse, hasKey: boolean) => void) {
  const keys: (string | undefined)[] = [];
  const started = createServer((request, response) => {
    keys.push(request.headers.authorization);
    answer(response, request.headers.authorization !== undefined);
  });
  server = started;
  await new Promise<void>((resolve) => started.listen(0, '127.0.0.1', resolve));
  const env = {
    EVOLINK_BASE_URL: `http://127.0.0.1:${(started.address() as AddressInfo).port}`,
    EVOLINK_API_KEY: KEY,
  };
  return { keys, env };
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function sendCredits(response: ServerResponse, user: number, token: number | undefined): void {
  const data = {
    user: { remaining_credits: user, used_credits: 10 },
    token: { remaining_credits: token ?? 0, used_credits: 1, unlimited_credits: token === undefined },
  };
  sendJson(response, 200, { success: true, message: '', data });
}

interface Check {
  readonly name: string;
  readonly verdict: string;
  readonly text: string;
  readonly exit: number;
}

async function diagnose(env: Readonly<Record<string, string>>, args: readonly string[] = []) {
  const { code, stdout, stderr } = await home.run(['doctor', '--json', ...args], { env });
  expect(stdout + stderr).not.toContain(KEY);
  const document: { ok: boolean; checks: readonly Check[] } = JSON.parse(stdout);
  const verdictOf = (name: string) => document.checks.find((check) => check.name === name)?.verdict;
  const textOf = (name: string) =>
    document.checks
      .filter((check) => check.name === name)
      .map(({ text }) => text)
      .join('\n');
  return { code, stderr, ok: document.ok, checks: document.checks, verdictOf, textOf };
}

describe('evolink doctor', () => {
  it('finds nothing wrong in the sandbox, and needs no key for that', async () => {
    const { code, ok, checks } = await diagnose({}, ['--sandbox']);
    expect({ code, ok }).toEqual({ code: 0, ok: true });
    expect(checks.map(({ name }) => name)).toEqual([
      'node',
      'tls',
      'config',
      'key',
      'proxy',
      'service',
      'clock',
      'account',
      'records',
      'disk',
    ]);
    expect(checks.every(({ verdict }) => verdict === 'ok')).toBe(true);
  });

  it('says one line a check to people', async () => {
    const { code, stdout, stderr } = await home.run(['doctor', '--sandbox']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^ok +node +Node\.js \d+\.\d+\.\d+ on \w+$/m);
  });

  it('asks the service without the key first, then with it', async () => {
    const { keys, env } = await serve((response) => sendCredits(response, 100, 40));
    const { code, textOf } = await diagnose(env);
    expect(code).toBe(0);
    expect(keys).toEqual([undefined, `Bearer ${KEY}`]);
    expect(textOf('account')).toContain('40 credits to spend');
  });

  it('tells a missing key from a dead network: the first that fails is the exit', async () => {
    const { env } = await serve((response) =>
      sendJson(response, 401, { error: { code: 'unauthorized', message: 'no' } }),
    );
    const { EVOLINK_BASE_URL } = env;
    const noKey = await diagnose({ EVOLINK_BASE_URL });
    expect(noKey.code).toBe(3);
    expect([noKey.verdictOf('key'), noKey.verdictOf('service'), noKey.verdictOf('account')]).toEqual([
      'failed',
      'ok',
      'skipped',
    ]);
    const dead = await diagnose({ EVOLINK_BASE_URL: 'http://127.0.0.1:9', EVOLINK_API_KEY: KEY });
    expect(dead.code).toBe(6);
    expect([dead.verdictOf('key'), dead.verdictOf('service')]).toEqual(['ok', 'failed']);
    expect(dead.stderr).toBe('');
  });

  it('says that the service refuses the key', async () => {
    const { env } = await serve((response) =>
      sendJson(response, 401, { error: { code: 'KEY_DISABLED', message: 'no' } }),
    );
    const { code, verdictOf } = await diagnose(env);
    expect(code).toBe(3);
    expect([verdictOf('key'), verdictOf('account')]).toEqual(['ok', 'failed']);
  });

  it('warns of a clock that is off', async () => {
    const { env } = await serve((response) => {
      response.setHeader('date', new Date(Date.now() - 3_600_000).toUTCString());
      sendCredits(response, 100, undefined);
    });
    const { code, verdictOf, textOf } = await diagnose(env);
    expect(code).toBe(0);
    expect(verdictOf('clock')).toBe('warning');
    expect(textOf('clock')).toMatch(/this machine is 3(599|60\d) s ahead of the service/);
  });

  it('warns where certificates are not checked', async () => {
    const { code, verdictOf } = await diagnose({ NODE_TLS_REJECT_UNAUTHORIZED: '0' }, ['--sandbox']);
    expect(code).toBe(0);
    expect(verdictOf('tls')).toBe('warning');
  });

  it('names a proxy without its password, and one that cannot be used', async () => {
    const { env } = await serve((response) => sendCredits(response, 1, undefined));
    const bad = await diagnose({ ...env, HTTPS_PROXY: 'ftp://me:hunter22@proxy:1' });
    expect(bad.code).toBe(2);
    expect(JSON.stringify(bad.checks)).not.toContain('hunter22');
  });

  it('looks at what it can where the configuration is broken', async () => {
    writeFileSync(join(home.work, '.evolinkrc'), 'qualty: 480p\n');
    const { code, verdictOf } = await diagnose({});
    expect(code).toBe(2);
    expect([verdictOf('node'), verdictOf('config'), verdictOf('the rest')]).toEqual([
      'ok',
      'failed',
      'skipped',
    ]);
  });

  it('says that the state folder cannot be written, and leaves nothing in one that can', async () => {
    writeFileSync(join(home.work, 'file'), '');
    const { code, verdictOf } = await diagnose({ EVOLINK_STATE_DIR: join(home.work, 'file', 'state') }, [
      '--sandbox',
    ]);
    expect(verdictOf('records')).toBe('failed');
    expect(code).toBe(11);
    const state = join(home.work, 'state');
    await diagnose({ EVOLINK_STATE_DIR: state, EVOLINK_BASE_URL: 'http://127.0.0.1:9' });
    expect(readdirSync(state)).toEqual([]);
  });

  it('names files among the records that are none', async () => {
    const open = join(home.state, 'sandbox', 'tasks', 'open');
    mkdirSync(open, { recursive: true });
    writeFileSync(join(open, 'mine.json'), '{}');
    const { verdictOf, textOf } = await diagnose({}, ['--sandbox']);
    expect(verdictOf('records')).toBe('warning');
    expect(textOf('records')).toContain('1 file');
  });
});

describe('evolink credits', () => {
  it('shows the smaller of account and key as what can be spent', async () => {
    const { env } = await serve((response) => sendCredits(response, 100.5, 68));
    const { code, stdout } = await home.run(['credits', '--json'], { env });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      schema_version: 2,
      ok: true,
      spendable: 68,
      spendable_usd: 1,
      user: { remaining: 100.5, used: 10 },
      key: { remaining: 68, is_unlimited: false },
      journal: { ended: { tasks: 0 }, open: { tasks: 0 }, uncertain_tasks: 0 },
    });
  });

  it('shows a balance below nothing, and a key without a limit of its own', async () => {
    const { env } = await serve((response) => sendCredits(response, -3, undefined));
    const { stdout } = await home.run(['credits'], { env });
    expect(stdout).toContain('-3 credits left');
    expect(stdout).toContain('no separate limit');
  });

  it('adds up what was spent here', async () => {
    const fast = { EVOLINK_INTERNAL_CLOCK_RATE: '20' };
    await home.run(['t2v', 'a paper boat', '-d', '4', '-q', '480p', '--sandbox'], { env: fast });
    await home.run(['t2v', 'an open boat', '-d', '4', '-q', '480p', '--sandbox', '--no-wait'], { env: fast });
    const { stdout } = await home.run(['credits', '--sandbox', '--json']);
    const { journal } = JSON.parse(stdout);
    expect(journal).toEqual({
      ended: { tasks: 1, used: 25.11, reserved: 0, unpriced_tasks: 0 },
      open: { tasks: 1, used: 0, reserved: 25.11, unpriced_tasks: 0 },
      dismissed: { tasks: 0, used: 0, reserved: 0, unpriced_tasks: 0 },
      uncertain_tasks: 0,
    });
    const { stdout: text } = await home.run(['credits', '--sandbox']);
    expect(text).toContain('25.11 credits charged (1 task on this machine)');
  });

  it('says what the records know although the service cannot be reached, and fails', async () => {
    const { code, stdout, stderr } = await home.run(['credits'], {
      env: { EVOLINK_BASE_URL: 'http://127.0.0.1:9', EVOLINK_API_KEY: KEY },
    });
    expect(code).toBe(6);
    expect(stdout).toBe('ended tasks  nothing on this machine\npending      nothing on this machine\n');
    expect(stderr).toContain('could not connect to 127.0.0.1:9');
  });
});
