import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { fixture } from '../helpers/media-fixtures.ts';
import { openRecordOf, plantOldState } from '../helpers/old-state.ts';
import { each, jsonOf } from '../helpers/rig.ts';
import { serve } from '../helpers/serve.ts';
import { type CliHome, createCliHome } from '../helpers/spawn-cli.ts';

// What version 0.1.0 has left must go on without another credit: see plantOldState.

let home: CliHome;
/** `METHOD /path`, and `Range` where one was asked for. */
let requests: string[];

beforeEach(async () => {
  requests = [];
  const origin: string = await serve((request, response) => {
    const { method, url = '', headers } = request;
    requests.push(`${method} ${url.replace(/\?.*/, '')}${headers.range ? ` ${headers.range}` : ''}`);
    request.resume();
    const json = (value: unknown, status = 200) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    const [, taskId] = /^\/v1\/tasks\/(task-[^/]+)$/.exec(url) ?? [];
    const results = [`${origin}/clips/${taskId}.mp4`];
    if (method === 'GET' && taskId !== undefined)
      return json({ id: taskId, status: 'completed', progress: 100, results });
    const [, clipId] = /^\/clips\/(.+)\.mp4$/.exec(url) ?? [];
    if (clipId === undefined) return json({ error: { code: 'not_found', message: 'no such page' } }, 404);
    const clip = clipOf(clipId);
    const from = Number(/^bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0);
    response.setHeader('etag', `"${clipId}"`);
    if (from > 0) response.setHeader('content-range', `bytes ${from}-${clip.length - 1}/${clip.length}`);
    const form = { 'content-type': 'video/mp4', 'content-length': clip.length - from };
    return response.writeHead(from > 0 ? 206 : 200, form).end(clip.subarray(from));
  });
  home = createCliHome({
    EVOLINK_BASE_URL: origin,
    EVOLINK_API_KEY: 'sk-test-0123456789abcdef',
    EVOLINK_INTERNAL_CLOCK_RATE: '20',
  });
  onTestFinished(() => home.remove());
  plantOldState(home, origin);
});

/** What the service of the fixture gave: a small clip, and a box with the id; the one that was cut had a long one. */
function clipOf(taskId: string): Buffer {
  const content = Buffer.from(taskId + (taskId.endsWith('fix006') ? 'x'.repeat(150_000) : ''));
  const header = Buffer.from('....free');
  header.writeUInt32BE(content.length + 8);
  return Buffer.concat([readFileSync(fixture('area-409600.mp4')), header, content]);
}

const run = (line: string) => home.run(line);
const t2v = (prompt: string, output: string) => run(`t2v "${prompt}" -d 4 -q 480p --tier mini -o ${output}`);
const expectNothingSent = () => expect(requests).not.toContain('POST /v1/videos/generations');

describe('what version 0.1.0 has left', () => {
  it('plans as up to date and continued, at no cost', async () => {
    const plan = await run('run jobs.yaml open.yaml lost.yaml --dry-run --json');
    const totals = { planned: 22, up_to_date: 20, resume: 2, new: 0, changed: 0, invalid: 0 };
    expect([plan.code, jsonOf(plan)]).toMatchObject([0, { totals, credits: { estimated: null } }]);
    expectNothingSent();
  });

  it('is run again: nothing is sent, and what was pending is saved', async () => {
    expect((await run('run jobs.yaml open.yaml')).code).toBe(0);
    expect(existsSync(home.at('out/waiting.mp4'))).toBe(true);
    expect((await run('run lost.yaml')).code).toBe(14);
    expectNothingSent();
  });

  it('continues single commands; a lost answer stays lost', async () => {
    const results = [
      await t2v('a pending boat', 'pending.mp4'),
      await t2v('a piped boat', '-'),
      await t2v('a completed boat', 'completed.mp4'),
      await t2v('an uncertain boat', 'uncertain.mp4'),
      await t2v('a boat that was cut off', 'sent.mp4'),
    ];
    expect(results.map(({ code }) => code)).toEqual([0, 0, 0, 8, 8]);
    expectNothingSent();
    const id = 'task-unified-1774857406-fix006';
    expect(readFileSync(home.at('completed.mp4')).equals(clipOf(id))).toBe(true);
    // The part file went on where it had stopped.
    expect(requests).toContainEqual(expect.stringMatching(/^GET \/clips\/\S+-fix006\.mp4 bytes=[1-9]/));
    expect(readdirSync(home.work).filter((name) => name.startsWith('.'))).toEqual([]);
    expect(home.readJson('completed.mp4.json')).toMatchObject({ task_id: id });
  });

  it('resumes all of it', async () => {
    const { code, stdout } = await run('resume');
    expect([code, stdout.trim().split('\n').length]).toEqual([14, 4]);
    expectNothingSent();
  });

  it('shows the tasks, counts the credits, reads the report', async () => {
    const states = each(jsonOf(await run('status --json')).tasks, 'state').sort();
    expect(states).toEqual([...Array(4).fill('completed'), ...Array(3).fill('uncertain')]);
    expect((await run('credits')).stdout).toContain('(22 tasks');
    expect((await run('report merge report.json --report all.html')).code).toBe(0);
  });

  it('is never overwritten where a newer version wrote it: the request is blocked', async () => {
    const path = openRecordOf(home, 'a pending boat');
    const record = JSON.parse(readFileSync(path, 'utf8'));
    const text = JSON.stringify({ ...record, schemaVersion: 2, state: { phase: 'waiting' } });
    writeFileSync(path, text);
    expect((await t2v('a pending boat', 'pending.mp4')).code).toBe(8);
    expectNothingSent();
    const open = join(home.state, 'tasks/open');
    expect(readdirSync(open).map((name) => readFileSync(join(open, name), 'utf8'))).toContain(text);
  });
});
