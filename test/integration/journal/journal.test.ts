import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { camelKeys } from '../../../src/platform/text.ts';
import { createJournal } from '../../../src/task/journal.ts';
import { newLocalId, type TaskRecord } from '../../../src/task/record.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';
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

/** The local id, the first half of the identity, and of closed ones what stands for the task. */
function nameOf({ localId, identity, taskId, state }: TaskRecord): string {
  const part = /^[0-9a-f]{64}$/.test(identity) ? identity : sha256(identity);
  const isClosed = ['saved', 'failed', 'expired', 'rejected', 'dismissed'].includes(state);
  const task = isClosed && taskId !== undefined ? `.${sha256(taskId).slice(0, 16)}` : '';
  return `${localId}.${part.slice(0, 32)}${task}.json`;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

async function readJson(path: string): Promise<Record<string, unknown>> {
  return Object(camelKeys(JSON.parse(await readFile(path, 'utf8')), ['body']));
}

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
  expect(last).toMatchObject({
    state: 'saved',
    sentAtMs: 5,
    taskId: 'task-unified-1-abcd',
    saved,
    updatedAtMs: clock.now(),
  });
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
  await expect(journal.create(sampleRecord({ estimatedCredits: Number.NaN }))).rejects.toMatchObject({
    kind: 'internal',
  });
  await expect(journal.create(sampleRecord({ localId: '../escape' }))).rejects.toMatchObject({
    kind: 'internal',
  });
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
  await journal.create(numbered(3, { identity: 'x' }));
  await journal.create(numbered(1, { identity: 'x' }));
  await journal.create(numbered(2, { identity: 'y' }));
  await journal.create(numbered(4, { identity: 'x', state: 'saved' }));
  expect((await journal.readOpen()).records.map((record) => record.createdAtMs)).toEqual(
    [1, 2, 3].map((number) => numbered(number).createdAtMs),
  );
  expect(await journal.findOpen('x')).toEqual(numbered(3, { identity: 'x' }));
  expect(await journal.findOpen('z')).toBeUndefined();
  expect([...journal.readAll()]).toHaveLength(4);
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

test('pruning removes old closed records and old temporary files, nothing else', async () => {
  const { journal, open, closed } = await newJournal();
  await journal.create(numbered(1, { state: 'saved' }));
  await journal.create(numbered(100, { state: 'failed' }));
  await journal.create(numbered(2, { state: 'accepted' }));
  await writeFile(join(closed, 'notes.txt'), '');
  for (const name of ['.evolink-0123456789abcdef.tmp', '.evolink-0123456789abcdee.tmp'])
    await writeFile(join(open, name), '');
  clock.setNow(numbered(100).updatedAtMs + 50_000);
  await utimes(join(open, '.evolink-0123456789abcdef.tmp'), 1, 1);
  expect(await journal.prune(60_000)).toBe(1);
  expect((await readdir(closed)).sort()).toEqual([nameOf(numbered(100, { state: 'failed' })), 'notes.txt']);
  expect((await readdir(open)).sort()).toEqual(['.evolink-0123456789abcdee.tmp', nameOf(numbered(2))]);
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
  await expect(journal.lock('x', 0)).rejects.toMatchObject(expected);
  await expect(journal.readOpen()).rejects.toMatchObject(expected);
});
