import { chownSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openRecordOf, openRecordPaths, plantOldState } from '../helpers/old-state.ts';
import { type CliHome, type CliResult, createCliHome } from '../helpers/spawn-cli.ts';

type Reply = {
  readonly status?: number;
  readonly json?: unknown;
  readonly html?: string;
  readonly clip?: Buffer;
  readonly isReset?: boolean;
};

let home: CliHome;
let server: Server;
let origin: string;
let posts: number;
let charged: number;
let replies: Record<string, Reply | (() => Reply)>;

/** A service that gives every submission a task that never ends, unless a test says otherwise. */
beforeEach(async () => {
  posts = 0;
  charged = 0;
  replies = {};
  server = createServer((request, response) => {
    const path = (request.url ?? '').replace(/\?.*/, '');
    request.resume();
    request.on('end', () => {
      const route = `${request.method} ${path}`;
      const isSubmit = route === 'POST /v1/videos/generations';
      if (isSubmit) posts += 1;
      const given = replies[route];
      const reply = typeof given === 'function' ? given() : (given ?? standard(route, isSubmit));
      if (reply.isReset === true) return request.socket.resetAndDestroy();
      const content = reply.clip ?? reply.html ?? JSON.stringify(reply.json);
      const type = reply.clip ? 'video/mp4' : reply.html === undefined ? 'application/json' : 'text/html';
      return response
        .writeHead(reply.status ?? 200, {
          'content-type': type,
          'content-length': Buffer.byteLength(content),
        })
        .end(content);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  home = createCliHome({
    EVOLINK_BASE_URL: origin,
    EVOLINK_API_KEY: 'sk-test-0123456789abcdef',
    EVOLINK_INTERNAL_CLOCK_RATE: '20',
  });
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  home.remove();
});

function standard(route: string, isSubmit: boolean): Reply {
  if (isSubmit) {
    charged += 1;
    return { json: task(`task-unified-177485740${charged}-new${charged}`) };
  }
  const [, id] = /^GET \/v1\/tasks\/(.+)$/.exec(route) ?? [];
  if (id?.includes('-new') === true) return { json: task(id) };
  return id === undefined ? notFound('not_found') : notFound('task_not_found');
}

const notFound = (code: string): Reply => ({
  status: 404,
  json: { error: { code, message: 'no such thing' } },
});
const task = (id: string, fields: object = {}) => ({
  id,
  status: 'pending',
  progress: 0,
  created: Math.floor(Date.now() / 1000),
  usage: { credits_reserved: 5.022 },
  ...fields,
});

const SMALL = ['-d', '4', '-q', '480p', '--tier', 'mini'];
const t2v = (prompt: string, ...flags: string[]): Promise<CliResult> =>
  home.run(['t2v', prompt, ...SMALL, '--no-wait', ...flags]);
const errorOf = ({ stdout }: CliResult) => JSON.parse(stdout).error;

const DAMAGES: readonly (readonly [string, (text: string) => string])[] = [
  ['empty', () => ''],
  ['zeros', (text) => '\0'.repeat(text.length)],
  ['garbage', () => '{"not": "a record"}'],
  ['cut', (text) => text.slice(0, text.length / 2)],
];

describe('a record that can not be read', () => {
  it.each(DAMAGES)(
    '(%s) blocks its request, and no other; --new submits all the same',
    async (_name, damage) => {
      expect((await t2v('a boat', '-o', 'a.mp4')).code).toBe(0);
      const [path = ''] = openRecordPaths(home);
      const damaged = damage(readFileSync(path, 'utf8'));
      writeFileSync(path, damaged);
      const again = await t2v('a boat', '-o', 'a.mp4', '--json');
      expect([again.code, posts]).toEqual([8, 1]);
      expect(errorOf(again)).toMatchObject({
        code: 'unknown',
        charged: 'unknown',
        hint: expect.stringContaining(`evolink forget ${path}`),
      });
      expect((await t2v('another boat', '-o', 'b.mp4')).code).toBe(0);
      expect((await t2v('a boat', '-o', 'a.mp4', '--new')).code).toBe(0);
      expect(posts).toBe(3);
      expect(readFileSync(path, 'utf8')).toBe(damaged);
    },
  );

  it.each(DAMAGES)(
    '(%s) with a name of 0.1.0 blocks all new requests until it is forgotten',
    async (_name, damage) => {
      plantOldState(home, origin);
      const path = openRecordOf(home, 'an uncertain boat');
      writeFileSync(path, damage(readFileSync(path, 'utf8')).replaceAll(/"identity": "[^"]*",?/g, ''));
      expect((await t2v('a new boat', '-o', 'new.mp4')).code).toBe(8);
      expect(posts).toBe(0);
      expect((await home.run(['forget', path])).code).toBe(2);
      expect((await home.run(['forget', path, '--yes'])).code).toBe(0);
      expect((await t2v('a new boat', '-o', 'new.mp4')).code).toBe(0);
      expect(posts).toBe(1);
    },
  );

  it('of 0.1.0 is renamed at first use, and blocks its request from then on', async () => {
    plantOldState(home, origin);
    expect((await t2v('a new boat', '-o', 'new.mp4')).code).toBe(0);
    for (const path of openRecordPaths(home)) expect(path).toMatch(/-[0-9a-z]{6}\.[0-9a-f]{32}\.json$/);
    const path = openRecordOf(home, 'a pending boat');
    writeFileSync(path, '');
    expect((await t2v('a pending boat', '-o', 'pending.mp4')).code).toBe(8);
    expect((await t2v('one more boat', '-o', 'more.mp4')).code).toBe(0);
    expect(posts).toBe(2);
  });

  it.skipIf(process.getuid?.() !== 0)(
    'because it is another user’s blocks its request: exit 11, one command',
    async () => {
      expect((await t2v('a boat', '-o', 'a.mp4')).code).toBe(0);
      const [path = ''] = openRecordPaths(home);
      chownSync(path, 12_345, 12_345);
      const again = await t2v('a boat', '-o', 'a.mp4', '--json');
      expect([again.code, posts]).toEqual([11, 1]);
      const { message, hint } = errorOf(again);
      expect(message).toContain(path);
      expect(message).toContain('12345');
      expect(hint).toContain(`chown 0 ${path}`);
      expect((await t2v('another boat', '-o', 'b.mp4')).code).toBe(0);
    },
  );
});

describe('a wrong id', () => {
  const recordCount = () =>
    ['open', 'closed'].flatMap((place) => {
      const folder = join(home.state, 'tasks', place);
      return existsSync(folder) ? readdirSync(folder) : [];
    }).length;

  it.each(['download', 'resume'])('of %s makes no record, and the message names the key', async (verb) => {
    const result = await home.run([verb, 'task-unified-1774857405-wrong', '--json']);
    expect(result.code).toBe(2);
    expect(result.stdout).toContain('…cdef');
    expect(recordCount()).toBe(0);
    expect((await home.run(['resume'])).stderr).toContain('nothing is unfinished');
  });

  it('is only what the API itself says: a page, or trouble, is no answer', async () => {
    replies['GET /v1/tasks/task-unified-1774857405-page'] = { status: 404, html: '<html>not here</html>' };
    expect((await home.run(['download', 'task-unified-1774857405-page'])).code).not.toBe(2);
    replies['GET /v1/tasks/task-unified-1774857405-lost'] = { isReset: true };
    expect((await home.run(['download', 'task-unified-1774857405-lost'])).code).toBe(6);
    expect(recordCount()).toBe(0);
  });

  it('a record that exists is not removed by an answer', async () => {
    const id = (await t2v('a boat', '-o', 'a.mp4')).stdout.trim();
    replies[`GET /v1/tasks/${id}`] = notFound('task_not_found');
    expect((await home.run(['resume', id])).code).not.toBe(0);
    expect(recordCount()).toBe(1);
  });
});

describe('evolink status', () => {
  it('reads its tasks together, in the turns that all reads share', async () => {
    const ids: string[] = [];
    for (const name of ['a', 'b', 'c'])
      ids.push((await t2v(`a boat ${name}`, '-o', `${name}.mp4`)).stdout.trim());
    let alone = 0;
    for (const id of ids)
      replies[`GET /v1/tasks/${id}`] = () => {
        alone += 1;
        return { json: task(id) };
      };
    let lists = 0;
    replies['GET /v1/tasks'] = () => {
      lists += 1;
      return { json: { object: 'list', total: 3, page: 1, page_size: 50, data: ids.map((id) => task(id)) } };
    };
    const { tasks } = JSON.parse((await home.run(['status', '--json'])).stdout);
    expect(tasks.map(({ status }: { status: string }) => status)).toEqual(['pending', 'pending', 'pending']);
    // There is no batch: one look through the list stands for all of them.
    expect([lists, alone]).toEqual([1, 0]);
  });
});

describe('evolink forget', () => {
  async function loseOne(): Promise<string> {
    replies['POST /v1/videos/generations'] = { isReset: true };
    const lost = await t2v('a boat', '-o', 'a.mp4', '--json');
    delete replies['POST /v1/videos/generations'];
    expect(lost.code).toBe(8);
    return errorOf(lost).local_id;
  }

  it('dismisses an uncertain request, by its whole id, where a person says so', async () => {
    const id = await loseOne();
    expect((await home.run(['forget', id.slice(0, 12), '--yes'])).code).toBe(2);
    expect((await home.run(['forget', id])).code).toBe(2);
    const done = await home.run(['forget', id, '--yes', '--json']);
    expect([done.code, JSON.parse(done.stdout)]).toMatchObject([0, { ok: true, id, state: 'dismissed' }]);
    expect((await home.run(['status', '--json'])).stdout).toContain('"tasks":[]');
    expect((await t2v('a boat', '-o', 'a.mp4')).code).toBe(0);
    expect(posts).toBe(2);
    replies['GET /v1/credits'] = {
      json: { data: { user: { remaining_credits: 1 }, token: { unlimited_credits: true } } },
    };
    const { journal } = JSON.parse((await home.run(['credits', '--json'])).stdout);
    expect([journal.dismissed.tasks, journal.open.tasks, journal.uncertain_tasks]).toEqual([1, 1, 0]);
  });

  it('looks once more: a task that the list shows is resumed, not dismissed', async () => {
    const id = await loseOne();
    const found = task('task-unified-1774857499-found', { model: 'seedance-2.0-mini-text-to-video' });
    replies['GET /v1/tasks'] = {
      json: { object: 'list', total: 2, page: 1, page_size: 50, data: [found, found] },
    };
    const refused = await home.run(['forget', id, '--yes']);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain(found.id);
    expect(refused.stderr).toContain(`evolink resume ${id}`);
  });

  it('refuses a task that runs, and dismisses one that the service does not know; it comes back with its task', async () => {
    const id = (await t2v('a boat', '-o', 'a.mp4')).stdout.trim();
    const refused = await home.run(['forget', id, '--yes']);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining(`evolink resume ${id}`)]);
    replies[`GET /v1/tasks/${id}`] = notFound('task_not_found');
    expect((await home.run(['forget', id, '--yes'])).code).toBe(0);
    delete replies[`GET /v1/tasks/${id}`];
    expect((await home.run(['download', id])).code).toBe(7);
    expect(JSON.parse((await home.run(['status', '--json'])).stdout).tasks).toMatchObject([
      { id, state: 'pending' },
    ]);
  });
});

describe('the answer to a request', () => {
  it('that names the task of another request leaves this one unknown', async () => {
    const id = (await t2v('a boat', '-o', 'a.mp4')).stdout.trim();
    replies['POST /v1/videos/generations'] = { json: task(id) };
    const other = await t2v('another boat', '-o', 'b.mp4', '--json');
    expect(other.code).toBe(8);
    expect(errorOf(other).task_id ?? null).toBeNull();
    expect(other.stdout).toContain(id);
  });
});

describe('credits', () => {
  it('counts a task once, however often it is downloaded and whatever is pruned', async () => {
    plantOldState(home, origin);
    replies['GET /v1/credits'] = {
      json: { data: { user: { remaining_credits: 1 }, token: { unlimited_credits: true } } },
    };
    const ended = async () => JSON.parse((await home.run(['credits', '--json'])).stdout).journal.ended;
    expect(await ended()).toMatchObject({ tasks: 22, used: 110.484 });
    const id = JSON.parse(readFileSync(join(home.work, 'saved.mp4.json'), 'utf8')).task_id;
    const clip = readFileSync(join(home.work, 'saved.mp4'));
    replies[`GET /v1/tasks/${id}`] = {
      json: task(id, {
        status: 'completed',
        results: [`${origin}/clip.mp4`],
        usage: { credits_used: 5.022 },
      }),
    };
    replies['GET /clip.mp4'] = { clip };
    await home.run(['download', id, '-o', 'again.mp4']);
    expect(await ended()).toMatchObject({ tasks: 22, used: 110.484 });
    expect((await home.run(['status', '--prune', '0s'])).code).toBe(0);
    expect(await ended()).toMatchObject({ tasks: 22, used: 110.484 });
    const { days } = JSON.parse(readFileSync(join(home.state, 'spending.json'), 'utf8'));
    expect(days.map(({ day, model }: { day: string; model: string }) => [day, model])).toContainEqual([
      '2026-11-28',
      'seedance-2.0-mini-text-to-video',
    ]);
  });
});

describe('a sidecar', () => {
  it('hides the signatures of media and the token of the callback, and is refused as a request then', async () => {
    plantOldState(home, origin);
    const record = JSON.parse(readFileSync(openRecordOf(home, 'a completed boat'), 'utf8'));
    const path = openRecordOf(home, 'a completed boat');
    const body = {
      ...record.body,
      callback_url: 'https://example.com/hook?token=secret-1',
      image_urls: ['https://cdn.example.com/a.png?sig=secret-2'],
    };
    writeFileSync(path, JSON.stringify({ ...record, body, links: [`${origin}/clip.mp4`] }));
    const clip = readFileSync(join(home.work, 'saved.mp4'));
    replies['GET /clip.mp4'] = { clip };
    replies[`GET /v1/tasks/${record.taskId}`] = {
      json: task(record.taskId, { status: 'completed', results: [`${origin}/clip.mp4`] }),
    };
    await home.run(['resume', record.taskId]);
    const sidecar = join(home.work, 'completed.mp4.json');
    expect(readFileSync(sidecar, 'utf8')).not.toContain('secret-');
    expect(JSON.parse(readFileSync(sidecar, 'utf8')).request).toMatchObject({
      callback_url: 'https://example.com/hook?***',
    });
    const again = await home.run(['t2v', '-f', sidecar, '-o', 'b.mp4', '--dry-run']);
    expect(again.code).toBe(2);
  });
});
