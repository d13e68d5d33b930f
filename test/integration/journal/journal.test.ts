import { writeFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { camelKeys } from '../../../src/platform/text.ts';
import { createJournal } from '../../../src/task/journal.ts';
import { nameOf, newLocalId, type TaskRecord } from '../../../src/task/record.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';
import { sha256 } from '../../helpers/rig.ts';
import { sampleRecord } from '../../helpers/sample-record.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';

const clock = createFakeClock();

async function newJournal(folder?: string) {
  const state = folder ?? join(await tempFolder(), 'deep', 'state');
  const journal = createJournal({ folder: state, clock, host: 'here', pid: process.pid });
  return { journal, open: join(state, 'tasks', 'open'), closed: join(state, 'tasks', 'closed'), state };
}

function numbered(number: number, fields: Partial<TaskRecord> = {}): TaskRecord {
  const createdAtMs = Date.UTC(2026, 10, 1) + number * 1_000;
  return sampleRecord({
    localId: newLocalId(createdAtMs, () => 0),
    createdAtMs,
    updatedAtMs: createdAtMs,
    ...fields,
  });
}

async function readJson(path: string): Promise<Record<string, unknown>> {
  return Object(camelKeys(JSON.parse(await readFile(path, 'utf8')), ['body']));
}

const X = sha256('x');

test('a journal that was never written to is empty and makes no folder', async () => {
  const { journal, state } = await newJournal();
  expect(await journal.readOpen()).toEqual({ records: [], unusable: [] });
  expect(await journal.find('whatever')).toBeUndefined();
  expect([...journal.readAll()]).toEqual([]);
  expect(await journal.prune(0)).toBe(0);
  await expect(stat(state)).rejects.toThrow('ENOENT');
});

test('a record goes its whole way; each step is on the disk, private, and the end moves it', async () => {
  const { journal, open, closed, state } = await newJournal();
  const record = sampleRecord();
  const name = nameOf(record);
  await journal.create(record);
  expect(await readJson(join(open, name))).toEqual(record);
  for (const folder of [state, open, closed]) expect((await stat(folder)).mode & 0o777).toBe(0o700);

  await journal.update(record.localId, { state: 'sent', sentAtMs: 5 });
  await journal.update(record.localId, { state: 'accepted', taskId: 'task-unified-1-abcd' });
  await journal.update(record.localId, { state: 'completed', links: ['https://x.example/a.mp4'] });
  expect((await stat(join(open, name))).mode & 0o777).toBe(0o600);
  expect(await readdir(closed)).toEqual([]);

  const saved = [{ path: '/videos/a.mp4', sizeBytes: 1, sha256: 'x', atMs: 1 }];
  const last = await journal.update(record.localId, { state: 'saved', saved });
  expect(last).toMatchObject({ sentAtMs: 5, taskId: 'task-unified-1-abcd', updatedAtMs: clock.now() });
  expect(await readdir(open)).toEqual([]);
  expect(await readJson(join(closed, nameOf(last)))).toEqual(last);
});

test('creating the same record twice fails and keeps the first', async () => {
  const { journal } = await newJournal();
  await journal.create(sampleRecord());
  const again = journal.create(sampleRecord({ fingerprint: 'other' }));
  await expect(again).rejects.toMatchObject({ kind: 'local-io' });
  expect(await journal.find(sampleRecord().localId)).toEqual(sampleRecord());
});

test('what could not be read again is never written', async () => {
  const { journal, open } = await newJournal();
  for (const wrong of [{ estimatedCredits: Number.NaN }, { localId: '../escape' }, { identity: '../escape' }])
    await expect(journal.create(sampleRecord(wrong))).rejects.toMatchObject({ kind: 'internal' });
  await expect(stat(open)).rejects.toThrow('ENOENT');
});

test('a change keeps unknown fields, and undefined leaves what is known', async () => {
  const { journal, open } = await newJournal();
  const record = sampleRecord({ estimatedCredits: 67.5 });
  const path = join(open, nameOf(record));
  await journal.create(record);
  await writeFile(path, JSON.stringify({ ...record, later: { deep: [1] } }));
  await journal.update(record.localId, { state: 'sent', estimatedCredits: undefined });
  expect(await readJson(path)).toMatchObject({ state: 'sent', later: { deep: [1] }, estimatedCredits: 67.5 });
});

test('an expired record that comes back is open again', async () => {
  const { journal, open, closed } = await newJournal();
  await journal.create(sampleRecord({ state: 'expired', taskId: 't' }));
  expect(await readdir(open)).toEqual([]);
  await journal.update(sampleRecord().localId, { state: 'completed' });
  expect(await readdir(open)).toHaveLength(1);
  expect(await readdir(closed)).toEqual([]);
});

test('a crash between state and move: readers go by the state and tidy up', async () => {
  const { journal, open, closed } = await newJournal();
  const record = sampleRecord({ state: 'saved' });
  await journal.create(record);
  await rename(join(closed, nameOf(record)), join(open, nameOf(record)));
  expect(await journal.findOpen(record.identity)).toBeUndefined();
  expect((await journal.readOpen()).records).toEqual([]);
  expect(await readdir(open)).toEqual([]);
  expect(await journal.find(record.localId)).toEqual(record);
});

test('torn, newer, foreign and misnamed files are reported and left alone', async () => {
  const { journal, open } = await newJournal();
  await journal.create(sampleRecord());
  const files = {
    '20261101-000000-aaaaaa.json': JSON.stringify(numbered(1)).slice(0, 100),
    '20261101-000000-bbbbbb.json': JSON.stringify({
      ...numbered(1),
      schemaVersion: 3,
      localId: '20261101-000000-bbbbbb',
    }),
    [`20261101-000000-cccccc.${'b'.repeat(32)}.json`]: whole({ localId: '20261101-000000-cccccc' }),
    'copy of a record.json': JSON.stringify(sampleRecord()),
    'notes.txt': 'buy milk',
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(open, name), text);
  await mkdir(join(open, 'folder'));
  await writeFile(join(open, '.nfs0001'), '');
  const result = await journal.readOpen();
  expect(result.records).toEqual([sampleRecord()]);
  expect(result.unusable.map(({ path, reason }) => `${path} (${reason})`)).toEqual([
    `${open}/20261101-000000-aaaaaa.json (not whole, or not JSON)`,
    `${open}/20261101-000000-bbbbbb.json (written by a newer evolink (schema version 3))`,
    `${open}/20261101-000000-cccccc.${'b'.repeat(32)}.json (its name is not its id)`,
    `${open}/copy of a record.json (its name is not its id)`,
    `${open}/folder (it is a folder)`,
    `${open}/notes.txt (not whole, or not JSON)`,
  ]);
  for (const [name, text] of Object.entries(files))
    expect(await readFile(join(open, name), 'utf8')).toBe(text);
  await expect(journal.update('20261101-000000-bbbbbb', { state: 'sent' })).rejects.toThrow('newer evolink');
});

test('open records come oldest first; the newest of an identity is found', async () => {
  const { journal } = await newJournal();
  await journal.create(numbered(3, { identity: X }));
  for (const number of [1, 0]) await journal.create(numbered(number, { identity: X }));
  await journal.create(numbered(2, { identity: sha256('y') }));
  await journal.create(numbered(4, { identity: X, state: 'saved' }));
  expect((await journal.readOpen()).records.map((record) => record.createdAtMs)).toEqual(
    [0, 1, 2, 3].map((number) => numbered(number).createdAtMs),
  );
  expect(await journal.findOpen(X)).toEqual(numbered(3, { identity: X }));
  expect(await journal.findOpen(KEY)).toBeUndefined();
  expect([...journal.readAll()]).toHaveLength(5);
});

test('a record is found by whole ids and by parts of them, open before closed', async () => {
  const { journal } = await newJournal();
  await journal.create(numbered(1, { taskId: 'task-unified-1757165031-uyujaw3d', state: 'accepted' }));
  await journal.create(numbered(2, { taskId: 'task-unified-1757165099-zzzzaw3d', state: 'saved' }));
  await journal.create(numbered(3));
  for (const id of [
    numbered(1).localId,
    'task-unified-1757165031-uyujaw3d',
    'uyujaw3d',
    'uyuj',
    '1757165031',
    'aw3d',
  ]) {
    expect((await journal.find(id))?.localId, id).toBe(numbered(1).localId);
  }
  expect((await journal.find('task-unified-1757165099-zzzzaw3d'))?.localId).toBe(numbered(2).localId);
  expect((await journal.find('zzzz'))?.localId).toBe(numbered(2).localId);
  for (const id of ['', 'w3d', 'task-unified-1757165031-uyujaw3dx', '../../etc/passwd', '.']) {
    expect(await journal.find(id), id).toBeUndefined();
  }
});

test('a part that fits several tasks is an error that lists them', async () => {
  const { journal } = await newJournal();
  await journal.create(numbered(1, { taskId: 'task-unified-1-aaaa' }));
  await journal.create(numbered(2, { taskId: 'task-unified-2-bbbb' }));
  await expect(journal.find('20261101')).rejects.toMatchObject({
    kind: 'usage',
    message: '"20261101" fits 2 tasks',
    facts: {
      details: [`${numbered(1).localId}  task-unified-1-aaaa`, `${numbered(2).localId}  task-unified-2-bbbb`],
    },
  });
});

test('a state folder that cannot be used is named, with the reason and the way out', async () => {
  const folder = await tempFolder();
  await writeFile(join(folder, 'file'), '');
  const { journal } = await newJournal(join(folder, 'file', 'state'));
  const expected = {
    kind: 'local-io',
    exit: 11,
    message: expect.stringMatching(
      /^the state folder ".*\/file\/state" cannot be used: .*a part of the path is a file/,
    ),
    facts: { hint: expect.stringContaining('EVOLINK_STATE_DIR') },
  };
  await expect(journal.create(sampleRecord())).rejects.toMatchObject(expected);
  await expect(journal.lock(X, 0)).rejects.toMatchObject(expected);
  await expect(journal.readOpen()).rejects.toMatchObject(expected);
});

const KEY = 'a'.repeat(64);
const PART = KEY.slice(0, 32);
const ID = '20261121-091502-k3f9q2';
const whole = (fields: object = {}) => JSON.stringify({ ...sampleRecord(), ...fields });

// biome-ignore format: one row a file
test.each<[string, string, string | undefined, object | undefined]>([
  ['a torn one of this request', `${ID}.${PART}.json`, '{', { kind: 'unknown', message: expect.stringContaining('may be the record of this request'), facts: { charged: 'unknown', details: [expect.stringContaining('may have been submitted'), expect.stringContaining('--new')], hint: expect.stringContaining('evolink forget') } }],
  ['a newer one of this request', `${ID}.${PART}.json`, whole({ schemaVersion: 3 }), { kind: 'unknown' }],
  ['a torn one of another request', `${ID}.${'b'.repeat(32)}.json`, '{', undefined],
  ['a torn one of 0.1.0', `${ID}.json`, '{', { kind: 'unknown' }],
  ['a torn one of 0.1.0 that says whose it is', `${ID}.json`, `{"identity": "${'b'.repeat(64)}"`, undefined],
  ['a file of another name that names this request', 'copy.json', `{"identity":"${KEY}"`, { kind: 'unknown' }],
  ['a file of another name', 'copy.json', '{', undefined],
  ['a folder in the place of one of this request', `${ID}.${PART}.json`, undefined, { kind: 'local-io' }],
  ['a folder in the place of one of 0.1.0', `${ID}.json`, undefined, { kind: 'local-io' }],
  ['a folder', 'folder', undefined, undefined],
])('%s in the open folder', async (_what, name, text, refusal) => {
  const { journal, open } = await newJournal();
  await journal.create(numbered(1, { identity: 'b'.repeat(64) }));
  await (text === undefined ? mkdir(join(open, name)) : writeFile(join(open, name), text));
  const named: string[] = [];
  const find = () => journal.findOpen(KEY, ({ path }) => named.push(path));
  if (refusal !== undefined) return expect(find()).rejects.toMatchObject(refusal);
  expect([await find(), await find()]).toEqual([undefined, undefined]);
  // Once; and what is another request's by its name is not even read.
  expect(named).toEqual(name.includes('b'.repeat(32)) ? [] : [join(open, name)]);
});

test('a file of somebody else that may be the record is named, with the command that makes it ours', async () => {
  const { state, open } = await newJournal();
  const journal = createJournal({ folder: state, clock, host: 'here', pid: process.pid, userId: 12_345 });
  await journal.create(sampleRecord());
  await expect(journal.findOpen(KEY)).rejects.toMatchObject({
    kind: 'local-io',
    facts: { charged: 'unknown', hint: expect.stringContaining(`chown 12345 ${open}`) },
  });
});

test('whose a task is: of any record, open or closed, also of 0.1.0, and of who asked first', async () => {
  const { journal, closed } = await newJournal();
  await journal.create(numbered(1, { taskId: 'task-open', state: 'accepted' }));
  await journal.create(numbered(2, { taskId: 'task-closed', state: 'saved' }));
  const old = numbered(3, { taskId: 'task-old', state: 'saved' });
  await journal.create(old);
  await rename(join(closed, nameOf(old)), join(closed, `${old.localId}.json`));
  await writeFile(join(closed, 'notes.txt'), '');
  // A disk that fails is asked again.
  await rename(closed, `${closed}.aside`);
  await writeFile(closed, '');
  await expect(journal.ownerOf('task-closed', 'me')).rejects.toMatchObject({ kind: 'local-io' });
  await rm(closed);
  await rename(`${closed}.aside`, closed);
  const isKnown = await journal.readKnown();
  for (const [index, id] of ['task-open', 'task-closed', 'task-old'].entries()) {
    const { localId } = numbered(index + 1);
    expect([await journal.ownerOf(id, 'me'), isKnown(id)]).toEqual([localId, true]);
    expect((await journal.findOfTask(id)).map((record) => record.localId)).toEqual([localId]);
  }
  expect(isKnown('task-new')).toBe(false);
  for (const asking of ['me', 'you']) expect(await journal.ownerOf('task-new', asking)).toBe('me');
});

test('the last one is the newest, open or closed, and what has ended comes newest first', async () => {
  const { journal } = await newJournal();
  expect(await journal.find('last')).toBeUndefined();
  for (const number of [1, 3]) await journal.create(numbered(number, { state: 'saved' }));
  await journal.create(numbered(2));
  expect((await journal.find('last'))?.localId).toBe(numbered(3).localId);
  expect([...journal.readEnded()].map(({ localId }) => localId)).toEqual(
    [3, 1].map((at) => numbered(at).localId),
  );
  await journal.create(numbered(4));
  expect((await journal.find('last'))?.localId).toBe(numbered(4).localId);
});

test('of very many that have ended all are read, the newest first, whatever order the folder has', async () => {
  const { journal, closed } = await newJournal();
  await mkdir(closed, { recursive: true });
  const many = Array.from({ length: 1_100 }, (_, index) => numbered(index, { state: 'saved' }));
  // In a mixed order.
  for (const index of many.keys()) {
    const record = many[(index * 7) % many.length] ?? sampleRecord();
    writeFileSync(join(closed, nameOf(record)), JSON.stringify(record));
  }
  const ids = [...journal.readEnded()].map(({ localId }) => localId);
  expect(ids).toEqual(many.map(({ localId }) => localId).reverse());
});

test('words are erased from what ended longer ago, unless somebody works on it', async () => {
  const { journal, state } = await newJournal();
  const ended = { state: 'saved', links: ['https://x.example/a.mp4'] } as const;
  const body = { ...sampleRecord().body, model: 'm', prompt: 'p', image_urls: ['https://x.example/a.png'] };
  const old = numbered(1, { ...ended, body, identity: 'c'.repeat(64) });
  const saved = [{ path: '/a.mp4', sizeBytes: 1, sha256: 'x', atMs: 1 }];
  const { body: _body, ...adopted } = numbered(2, { ...ended, saved, identity: 'd'.repeat(64) });
  const used = numbered(3, { ...ended, identity: 'e'.repeat(64) });
  const open = numbered(4);
  const fresh = numbered(500, ended);
  for (const record of [old, adopted, used, open, fresh]) await journal.create(record);
  const other = createJournal({ folder: state, clock, host: 'here', pid: process.ppid });
  const lock = await other.lock(used.identity, 0);
  clock.setNow(fresh.updatedAtMs + 1_000);
  expect(await journal.erase(60_000)).toEqual({ erased: 2, busy: 1 });
  await lock.release();
  const after = async (record: TaskRecord) => (await journal.find(record.localId)) ?? {};
  const { image_urls: _images, ...rest } = body;
  expect(await after(old)).toMatchObject({ body: { ...rest, prompt: '' }, links: [], saved: [] });
  expect(await after(old)).not.toHaveProperty('body.image_urls');
  expect(await after(adopted)).toMatchObject({ links: [], saved: [] });
  expect(await after(adopted)).not.toHaveProperty('body');
  for (const record of [open, fresh]) expect(await after(record)).toEqual(record);
  expect(await journal.erase(60_000)).toEqual({ erased: 1, busy: 0 });
});

test('pruning removes what ended longer ago but for its cost, and old temporary files', async () => {
  const { journal, open, closed } = await newJournal();
  const paid = { state: 'saved', taskId: 'task-1', usedCredits: 5 } as const;
  const kept = [
    numbered(3, { state: 'accepted', taskId: 'task-2' }),
    numbered(4, { state: 'dismissed' }),
    numbered(500, { state: 'failed' }),
  ];
  const removed = [numbered(1, paid), numbered(2, { ...paid, taskId: 'task-2', usedCredits: 7 })];
  for (const record of [...kept, ...removed]) await journal.create(record);
  await writeFile(join(closed, 'notes.txt'), '');
  for (const name of ['.evolink-0123456789abcdef.tmp', '.evolink-0123456789abcdee.tmp'])
    await writeFile(join(open, name), '');
  await utimes(join(open, '.evolink-0123456789abcdef.tmp'), 1, 1);
  clock.setNow(numbered(500).updatedAtMs + 50_000);
  expect(await journal.prune(60_000)).toBe(2);
  // A task that has another record is counted by that one.
  expect((await journal.readPruned()).days).toMatchObject([{ tasks: 1, used: 5 }]);
  expect([...journal.readAll()].map(({ state }) => state)).toEqual(['accepted', 'dismissed', 'failed']);
  expect(await readdir(closed)).toContain('notes.txt');
  expect((await readdir(open)).sort()[0]).toBe('.evolink-0123456789abcdee.tmp');
});

test('a change of a record that is gone, or that its state forbids, is refused', async () => {
  const { journal } = await newJournal();
  await expect(journal.update('gone', { state: 'sent' })).rejects.toMatchObject({
    kind: 'local-io',
    message: expect.stringContaining('the record of gone cannot be changed: it is gone'),
  });
  await journal.create(sampleRecord({ state: 'sent' }));
  await expect(journal.update(ID, { state: 'sent' })).rejects.toMatchObject({
    kind: 'locked',
    message: `another process is sending request ${ID}`,
    facts: { localId: ID, hint: expect.stringContaining('wait until it ends') },
  });
  await expect(journal.update(ID, { state: 'saved' })).rejects.toMatchObject({
    kind: 'internal',
    facts: { localId: ID },
  });
});
