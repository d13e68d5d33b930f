import { chownSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { openRecordOf, openRecordPaths, plantOldState } from '../helpers/old-state.ts';
import { each, errorOf, expectSaid, jsonOf } from '../helpers/rig.ts';
import { serve } from '../helpers/serve.ts';
import { type CliHome, createCliHome } from '../helpers/spawn-cli.ts';

/** Why something is not there as JSON, a page as text, a clip as bytes, or `undefined`: a reset. */
type Reply = readonly [status: number, content: object | string | Buffer] | undefined;

const SUBMIT = 'POST /v1/videos/generations';
const CREDITS = 'GET /v1/credits';
const BALANCE: Reply = [
  200,
  { data: { user: { remaining_credits: 1 }, token: { unlimited_credits: true } } },
];
const notFound = (code: string): Reply => [404, { error: { code, message: 'no such thing' } }];
const task = (id: string, fields: object = {}) => ({
  id,
  status: 'pending',
  progress: 0,
  created: Math.floor(Date.now() / 1000),
  usage: { credits_reserved: 5.022 },
  ...fields,
});
const listOf = (data: readonly object[]): Reply => [
  200,
  { object: 'list', total: data.length, page: 1, page_size: 50, data },
];

let home: CliHome;
let origin: string;
/** How often each route was asked. */
let asked: Record<string, number>;
let replies: Record<string, Reply>;

/** A service that gives every submission a task that never ends, unless a test says otherwise. */
beforeEach(async () => {
  asked = {};
  replies = {};
  let charged = 0;
  const standard = (route: string): Reply => {
    if (route === SUBMIT) {
      charged += 1;
      return [200, task(`task-unified-177485740${charged}-new${charged}`)];
    }
    const [, id] = /^GET \/v1\/tasks\/(.+)$/.exec(route) ?? [];
    if (id?.includes('-new') === true) return [200, task(id)];
    return notFound(id === undefined ? 'not_found' : 'task_not_found');
  };
  origin = await serve((request, response) => {
    request.resume().on('end', () => {
      const route = `${request.method} ${(request.url ?? '').replace(/\?.*/, '')}`;
      asked[route] = (asked[route] ?? 0) + 1;
      const reply = route in replies ? replies[route] : standard(route);
      if (reply === undefined) return request.socket.resetAndDestroy();
      const [status, content] = reply;
      const isRaw = typeof content === 'string' || Buffer.isBuffer(content);
      const body = Buffer.from(isRaw ? content : JSON.stringify(content));
      const type = isRaw ? (typeof content === 'string' ? 'text/html' : 'video/mp4') : 'application/json';
      return response.writeHead(status, { 'content-type': type, 'content-length': body.length }).end(body);
    });
  });
  home = createCliHome({
    EVOLINK_BASE_URL: origin,
    EVOLINK_API_KEY: 'sk-test-0123456789abcdef',
    EVOLINK_INTERNAL_CLOCK_RATE: '20',
  });
  onTestFinished(() => home.remove());
});

const posts = () => asked[SUBMIT] ?? 0;
const run = (line: string) => home.run(line);
const t2v = (prompt: string, output: string, flags = '') =>
  run(`t2v "${prompt}" -o ${output} -d 4 -q 480p --tier mini --no-wait ${flags}`);
/** Makes a task, and gives its id. */
async function make(prompt = 'a boat', output = 'a.mp4'): Promise<string> {
  const { code, stdout } = await t2v(prompt, output);
  expect(code).toBe(0);
  return stdout.trim();
}
/** Lets a task be completed, with a clip of version 0.1.0. */
function complete(id: string, fields = {}): void {
  const done = { status: 'completed', results: [`${origin}/clip.mp4`], ...fields };
  replies[`GET /v1/tasks/${id}`] = [200, task(id, done)];
  replies['GET /clip.mp4'] = [200, readFileSync(home.at('saved.mp4'))];
}
const tasks = async () => jsonOf(await run('status --json')).tasks;

const DAMAGES: readonly (readonly [string, (text: string) => string])[] = [
  ['empty', () => ''],
  ['zeros', (text) => '\0'.repeat(text.length)],
  ['garbage', () => '{"not": "a record"}'],
  ['cut', (text) => text.slice(0, text.length / 2)],
];

describe('a record that can not be read', () => {
  it.each(DAMAGES)('(%s) blocks its request, and no other; --new submits all the same', async (_, damage) => {
    await make();
    const [path = ''] = openRecordPaths(home);
    const damaged = damage(readFileSync(path, 'utf8'));
    writeFileSync(path, damaged);
    const again = await t2v('a boat', 'a.mp4', '--json');
    expect([again.code, posts()]).toEqual([8, 1]);
    const hint = expect.stringContaining(`evolink forget ${path}`);
    expect(errorOf(again)).toMatchObject({ code: 'unknown', charged: 'unknown', hint });
    await make('another boat', 'b.mp4');
    expect([(await t2v('a boat', 'a.mp4', '--new')).code, posts()]).toEqual([0, 3]);
    expect(readFileSync(path, 'utf8')).toBe(damaged);
  });

  it.each(DAMAGES)('(%s) named by 0.1.0 blocks all new requests until it is forgotten', async (_, damage) => {
    plantOldState(home, origin);
    const path = openRecordOf(home, 'an uncertain boat');
    writeFileSync(path, damage(readFileSync(path, 'utf8')).replaceAll(/"identity": "[^"]*",?/g, ''));
    expect([(await t2v('a new boat', 'new.mp4')).code, posts()]).toEqual([8, 0]);
    expect((await run(`forget ${path}`)).code).toBe(2);
    expect((await run(`forget ${path} --yes`)).code).toBe(0);
    await make('a new boat', 'new.mp4');
    expect(posts()).toBe(1);
  });

  it('of 0.1.0 is renamed at first use, and blocks its request from then on', async () => {
    plantOldState(home, origin);
    await make('a new boat', 'new.mp4');
    for (const path of openRecordPaths(home)) expect(path).toMatch(/-[0-9a-z]{6}\.[0-9a-f]{32}\.json$/);
    writeFileSync(openRecordOf(home, 'a pending boat'), '');
    expect((await t2v('a pending boat', 'pending.mp4')).code).toBe(8);
    await make('one more boat', 'more.mp4');
    expect(posts()).toBe(2);
  });

  const isRoot = process.getuid?.() === 0;
  it.runIf(isRoot)('because it is another user’s blocks its request: exit 11, one command', async () => {
    await make();
    const [path = ''] = openRecordPaths(home);
    chownSync(path, 12_345, 12_345);
    const again = await t2v('a boat', 'a.mp4', '--json');
    expect([again.code, posts()]).toEqual([11, 1]);
    const { message, hint } = errorOf(again);
    expect(message).toContain(path);
    expect(message).toContain('12345');
    expect(hint).toContain(`chown 0 ${path}`);
    await make('another boat', 'b.mp4');
  });
});

it('a strange file beside the records is named, left alone, and blocks nothing', async () => {
  await make();
  const path = join(dirname(openRecordPaths(home)[0] ?? ''), 'notes.txt');
  writeFileSync(path, 'buy milk');
  expectSaid(await t2v('another boat', 'b.mp4'), 0, `left alone in the state folder: ${path} (not whole`);
  expect([posts(), readFileSync(path, 'utf8')]).toEqual([2, 'buy milk']);
});

describe('a wrong id', () => {
  it.each(['download', 'resume'])('of %s makes no record, and the message names the key', async (verb) => {
    const result = await run(`${verb} task-unified-1774857405-wrong --json`);
    expect([result.code, result.stdout]).toEqual([2, expect.stringContaining('…cdef')]);
    expect(home.records()).toEqual([]);
    expect((await run('resume')).stderr).toContain('nothing is unfinished');
  });

  it('is only what the API itself says: a page, or trouble, is no answer', async () => {
    replies['GET /v1/tasks/task-unified-1774857405-page'] = [404, '<html>not here</html>'];
    expect((await run('download task-unified-1774857405-page')).code).not.toBe(2);
    replies['GET /v1/tasks/task-unified-1774857405-lost'] = undefined;
    expect((await run('download task-unified-1774857405-lost')).code).toBe(6);
    expect(home.records()).toEqual([]);
  });

  it('a record that exists is not removed by an answer', async () => {
    const id = await make();
    replies[`GET /v1/tasks/${id}`] = notFound('task_not_found');
    expect((await run(`resume ${id}`)).code).not.toBe(0);
    expect(home.records()).toHaveLength(1);
  });
});

it('status reads its tasks together, in the turns that all reads share', async () => {
  const ids = [await make('a', 'a.mp4'), await make('b', 'b.mp4'), await make('c', 'c.mp4')];
  replies['GET /v1/tasks'] = listOf(ids.map((id) => task(id)));
  expect(each(await tasks(), 'status')).toEqual(Array(3).fill('pending'));
  // There is no batch: one look through the list stands for all of them.
  const reads = ['', ...ids.map((id) => `/${id}`)].map((end) => asked[`GET /v1/tasks${end}`] ?? 0);
  expect(reads).toEqual([1, 0, 0, 0]);
});

describe('evolink forget', () => {
  async function loseOne(): Promise<string> {
    replies[SUBMIT] = undefined;
    const lost = await t2v('a boat', 'a.mp4', '--json');
    delete replies[SUBMIT];
    expect(lost.code).toBe(8);
    return String(errorOf(lost).local_id);
  }

  it('dismisses an uncertain request, by its whole id, where a person says so', async () => {
    const id = await loseOne();
    for (const said of [`${id.slice(0, 12)} --yes`, id]) expect((await run(`forget ${said}`)).code).toBe(2);
    const done = await run(`forget ${id} --yes --json`);
    expect([done.code, jsonOf(done)]).toMatchObject([0, { ok: true, id, state: 'dismissed' }]);
    expect(await tasks()).toEqual([]);
    await make();
    expect(posts()).toBe(2);
    replies[CREDITS] = BALANCE;
    const { journal } = jsonOf(await run('credits --json'));
    expect([journal.dismissed.tasks, journal.open.tasks, journal.uncertain_tasks]).toEqual([1, 1, 0]);
  });

  it('looks once more: a task that the list shows is resumed, not dismissed', async () => {
    const id = await loseOne();
    const found = task('task-unified-1774857499-found', { model: 'seedance-2.0-mini-text-to-video' });
    replies['GET /v1/tasks'] = listOf([found, found]);
    expectSaid(await run(`forget ${id} --yes`), 2, found.id, `evolink resume ${id}`);
  });

  it('refuses a task that runs, and dismisses one that the service does not know; it comes back with its task', async () => {
    const id = await make();
    expectSaid(await run(`forget ${id} --yes`), 2, `evolink resume ${id}`);
    replies[`GET /v1/tasks/${id}`] = notFound('task_not_found');
    expect((await run(`forget ${id} --yes`)).code).toBe(0);
    delete replies[`GET /v1/tasks/${id}`];
    expect((await run(`download ${id}`)).code).toBe(7);
    expect(await tasks()).toMatchObject([{ id, state: 'pending' }]);
  });
});

it('an answer that names the task of another request leaves this one unknown', async () => {
  const id = await make();
  replies[SUBMIT] = [200, task(id)];
  const other = await t2v('another boat', 'b.mp4', '--json');
  expect([other.code, errorOf(other).task_id ?? null]).toEqual([8, null]);
  expect(other.stdout).toContain(id);
});

it('credits counts a task once, however often it is downloaded and whatever is pruned', async () => {
  plantOldState(home, origin);
  replies[CREDITS] = BALANCE;
  const expectSpent = async () =>
    expect(jsonOf(await run('credits --json')).journal.ended).toMatchObject({ tasks: 22, used: 110.484 });
  await expectSpent();
  const { task_id: id } = home.readJson('saved.mp4.json');
  complete(id, { usage: { credits_used: 5.022 } });
  await run(`download ${id} -o again.mp4`);
  await expectSpent();
  expect((await run('status --prune 0s')).code).toBe(0);
  await expectSpent();
  const { days } = JSON.parse(readFileSync(join(home.state, 'spending.json'), 'utf8'));
  const spent = { day: '2026-11-28', model: 'seedance-2.0-mini-text-to-video' };
  expect(days).toContainEqual(expect.objectContaining(spent));
});

it('a sidecar hides the signatures of media and the token of the callback, and is refused as a request then', async () => {
  plantOldState(home, origin);
  const path = openRecordOf(home, 'a completed boat');
  const record = JSON.parse(readFileSync(path, 'utf8'));
  const callback_url = 'https://example.com/hook?token=secret-1';
  const image_urls = ['https://cdn.example.com/a.png?sig=secret-2'];
  const body = { ...record.body, callback_url, image_urls };
  writeFileSync(path, JSON.stringify({ ...record, body, links: [`${origin}/clip.mp4`] }));
  complete(record.taskId);
  await run(`resume ${record.taskId}`);
  expect(home.read('completed.mp4.json')).not.toContain('secret-');
  expect(home.readJson('completed.mp4.json').request.callback_url).toBe('https://example.com/hook?***');
  expect((await run('t2v -f completed.mp4.json -o b.mp4 --dry-run')).code).toBe(2);
});
