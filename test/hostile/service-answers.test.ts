import { describe, expect, it } from 'vitest';
import { startFakeApi } from '../helpers/fake-api.ts';
import { CANARY_KEY, errorOf, GENERATION, useRig } from '../helpers/rig.ts';

const ID = 'task-unified-1700000000-abcdef';
const MASKED = `…${CANARY_KEY.slice(-4)}`;

describe('a name of this machine', () => {
  const named = (apiUrl: string) => ({ EVOLINK_BASE_URL: apiUrl.replace('127.0.0.1', 'evil.localhost') });

  it('that a resolver sends elsewhere gets nothing, over http least of all', async () => {
    const rig = await useRig();
    const env = named(rig.sandbox.apiUrl);
    const result = await rig.generate({ env, faults: { dns: 0, address: '192.0.2.7' } });
    expect([result.code, errorOf(result)]).toMatchObject([6, { code: 'network', charged: 'no' }]);
    expect(String(errorOf(result).message)).toContain('not on this machine');
    expect(rig.records()).toMatchObject([{ state: 'rejected' }]);
  });

  it('that leads to this machine works', async () => {
    const rig = await useRig();
    const env = named(rig.sandbox.apiUrl);
    expect((await rig.run(['credits', '--json'], { env, faults: { dns: 0 } })).code).toBe(0);
  });
});

describe('a task that the service does not know', () => {
  const own = (code: string) => ({ json: { error: { code, message: 'no', type: 'invalid_request_error' } } });

  it.each<[number, string]>([
    [404, 'task_not_found'],
    [404, 'TASK_NOT_FOUND'],
    [400, 'invalid_task_id'],
  ])('%d %s, as the service says it: exit 2, the account named by its masked key', async (status, code) => {
    const rig = await useRig();
    const api = await startFakeApi();
    api.on(`GET /v1/tasks/${ID}`, { status, ...own(code) });
    const result = await rig.run(['download', ID, '--json'], { env: { EVOLINK_BASE_URL: api.origin } });
    await api.finish();
    expect([result.code, errorOf(result).message]).toEqual([2, expect.stringContaining(MASKED)]);
    expect(result.stdout + result.stderr).not.toContain(CANARY_KEY);
  });

  it.each([
    ['404 without a code', { status: 404, json: { error: { code: 404, message: 'Not Found' } } }],
    ['404 of a gateway', { status: 404, body: '<html><title>404</title></html>' }],
    ['404 with JSON of something else', { status: 404, json: { message: 'no Route matched' } }],
    ['404 with another code', { status: 404, ...own('resource_not_found') }],
    ['410', { status: 410, ...own('gone') }],
    ['404 in JSON that is cut', { status: 404, body: '{"error":{"code":"task_not_fou' }],
  ])('%s says nothing of the task: its record stays', async (_what, reply) => {
    const rig = await useRig();
    await rig.run([...GENERATION, '--no-wait']);
    const [record] = rig.records();
    const api = await startFakeApi();
    api.on(`GET /v1/tasks/${record?.taskId}`, ...Array(200).fill(reply));
    const env = { EVOLINK_BASE_URL: api.origin };
    const result = await rig.run(`resume ${record?.taskId} --timeout 0 --json`, { env });
    await api.finish().catch(() => undefined);
    expect([2, 6, 7]).toContain(result.code);
    expect(String(errorOf(result).message)).not.toContain('does not know');
    expect(rig.records()).toMatchObject([{ state: 'accepted', place: 'open', taskId: record?.taskId }]);
  });
});

describe('what a refusal says beyond its message', () => {
  const bad = { code: 'invalid_parameter', message: 'bad' };
  const quota = { code: 'quota_exceeded', message: 'limit', remaining_credits: 3, reset_timezone: 'UTC' };
  const left = ['remaining credits 3', 'UTC', 'https://evolink.ai/x'];
  it.each([
    [400, { ...bad, param: 'duration', min: 4, max: 15 }, 2, ['duration', 'at least 4', 'at most 15']],
    [400, { ...bad, param: 'quality', allowed_values: ['480p', '720p'] }, 2, ['allowed 480p, 720p']],
    [403, { ...quota, action_url: 'https://evolink.ai/x' }, 4, left],
    [403, { code: 'ip_restricted', message: 'not from here' }, 3, ['address']],
  ])('%d %o is shown', async (status, error, exit, texts) => {
    const rig = await useRig();
    const api = await startFakeApi();
    api.on('POST /v1/videos/generations', { status, json: { error } });
    // What is left is named beside what is missing.
    if (exit === 4) api.on('GET /v1/credits', { json: { data: { user: { remaining_credits: 3 } } } });
    const result = await rig.generate({ env: { EVOLINK_BASE_URL: api.origin } });
    await api.finish();
    for (const text of texts) expect(result.stdout).toContain(text);
    expect([result.code, errorOf(result).charged]).toEqual([exit, 'no']);
  });
});
