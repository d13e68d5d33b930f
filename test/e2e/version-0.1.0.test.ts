import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openRecordOf, plantOldState } from '../helpers/old-state.ts';
import { type CliHome, type CliResult, createCliHome } from '../helpers/spawn-cli.ts';

// What version 0.1.0 has left must go on without another credit: see plantOldState.

let home: CliHome;
let server: Server;
let origin: string;
/** `METHOD /path`, and `Range` where one was asked for. */
let requests: string[];

beforeEach(async () => {
  requests = [];
  server = createServer((request, response) => {
    const { method, url = '', headers } = request;
    requests.push(`${method} ${url.replace(/\?.*/, '')}${headers.range ? ` ${headers.range}` : ''}`);
    request.resume();
    const json = (value: unknown, status = 200) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    const [, taskId] = /^\/v1\/tasks\/(task-[^/]+)$/.exec(url) ?? [];
    if (method === 'GET' && taskId !== undefined)
      return json({
        id: taskId,
        status: 'completed',
        progress: 100,
        results: [`${origin}/clips/${taskId}.mp4`],
      });
    const [, clipId] = /^\/clips\/(.+)\.mp4$/.exec(url) ?? [];
    if (clipId === undefined) return json({ error: { code: 'not_found', message: 'no such page' } }, 404);
    const clip = clipOf(clipId);
    const from = Number(/^bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0);
    return response
      .writeHead(from > 0 ? 206 : 200, {
        'content-type': 'video/mp4',
        'content-length': clip.length - from,
        etag: `"${clipId}"`,
        ...(from > 0 ? { 'content-range': `bytes ${from}-${clip.length - 1}/${clip.length}` } : {}),
      })
      .end(clip.subarray(from));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  home = createCliHome({
    EVOLINK_BASE_URL: origin,
    EVOLINK_API_KEY: 'sk-test-0123456789abcdef',
    EVOLINK_INTERNAL_CLOCK_RATE: '20',
  });
  plantOldState(home, origin);
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  home.remove();
});

/** What the service of the fixture gave: a small clip, and a box with the id; the one that was cut had a long one. */
function clipOf(taskId: string): Buffer {
  const base = readFileSync(new URL('../fixtures/media/area-409600.mp4', import.meta.url));
  const padding = taskId.endsWith('fix006') ? 'x'.repeat(150_000) : '';
  const content = Buffer.from(taskId + padding);
  const header = Buffer.alloc(8);
  header.writeUInt32BE(content.length + 8);
  header.write('free', 4);
  return Buffer.concat([base, header, content]);
}

const SMALL = ['-d', '4', '-q', '480p', '--tier', 'mini'];
const t2v = (prompt: string, ...flags: string[]): Promise<CliResult> =>
  home.run(['t2v', prompt, ...SMALL, ...flags]);
const submissions = () => requests.filter((request) => request === 'POST /v1/videos/generations');

describe('what version 0.1.0 has left', () => {
  it('plans as up to date and continued, at no cost', async () => {
    const { code, stdout } = await home.run('run jobs.yaml open.yaml lost.yaml --dry-run --json');
    expect(code).toBe(0);
    const { totals, credits } = JSON.parse(stdout);
    expect(totals).toMatchObject({
      planned: 22,
      up_to_date: 20,
      resume: 2,
      new: 0,
      changed: 0,
      invalid: 0,
    });
    expect(credits.estimated).toBeNull();
    expect(submissions()).toEqual([]);
  });

  it('is run again: nothing is sent, and what was pending is saved', async () => {
    expect((await home.run(['run', 'jobs.yaml', 'open.yaml'])).code).toBe(0);
    expect(existsSync(join(home.work, 'out', 'waiting.mp4'))).toBe(true);
    expect((await home.run(['run', 'lost.yaml'])).code).toBe(14);
    expect(submissions()).toEqual([]);
  });

  it('continues single commands; a lost answer stays lost', async () => {
    const results = [
      await t2v('a pending boat', '-o', 'pending.mp4'),
      await t2v('a piped boat', '-o', '-'),
      await t2v('a completed boat', '-o', 'completed.mp4'),
      await t2v('an uncertain boat', '-o', 'uncertain.mp4'),
      await t2v('a boat that was cut off', '-o', 'sent.mp4'),
    ];
    expect(results.map(({ code }) => code)).toEqual([0, 0, 0, 8, 8]);
    expect(submissions()).toEqual([]);
    expect(
      readFileSync(join(home.work, 'completed.mp4')).equals(clipOf('task-unified-1774857406-fix006')),
    ).toBe(true);
    // The part file went on where it had stopped.
    expect(requests).toContainEqual(expect.stringMatching(/^GET \/clips\/\S+-fix006\.mp4 bytes=[1-9]/));
    expect(readdirSync(home.work).filter((name) => name.startsWith('.'))).toEqual([]);
    expect(JSON.parse(readFileSync(join(home.work, 'completed.mp4.json'), 'utf8'))).toMatchObject({
      task_id: 'task-unified-1774857406-fix006',
    });
  });

  it('resumes all of it', async () => {
    const { code, stdout } = await home.run(['resume']);
    expect(code).toBe(14);
    expect(stdout.trim().split('\n')).toHaveLength(4);
    expect(submissions()).toEqual([]);
  });

  it('shows the tasks, counts the credits, reads the report', async () => {
    const { tasks } = JSON.parse((await home.run(['status', '--json'])).stdout);
    expect(tasks.map(({ state }: { state: string }) => state).sort()).toEqual([
      'completed',
      'completed',
      'completed',
      'completed',
      'uncertain',
      'uncertain',
      'uncertain',
    ]);
    const spent = await home.run(['credits']);
    expect(spent.stdout).toContain('(22 tasks');
    expect((await home.run(['report', 'merge', 'report.json', '--report', 'all.html'])).code).toBe(0);
  });

  it('is never overwritten where a newer version wrote it: the request is blocked', async () => {
    const path = openRecordOf(home, 'a pending boat');
    const record = JSON.parse(readFileSync(path, 'utf8'));
    const text = JSON.stringify({ ...record, schemaVersion: 2, state: { phase: 'waiting' } });
    writeFileSync(path, text);
    expect((await t2v('a pending boat', '-o', 'pending.mp4')).code).toBe(8);
    expect(submissions()).toEqual([]);
    const files = readdirSync(join(home.state, 'tasks', 'open'));
    expect(files.some((name) => readFileSync(join(home.state, 'tasks', 'open', name), 'utf8') === text)).toBe(
      true,
    );
  });
});
