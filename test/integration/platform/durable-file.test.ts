import fs, { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { createDurably, replaceDurably } from '../../../src/platform/durable-file.ts';
import { ensureFolder, makeFolder } from '../../../src/platform/folders.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';

test('creates a private file with exactly this content and leaves nothing else', async () => {
  const folder = await tempFolder();
  await createDurably(join(folder, 'a.json'), 'ünï');
  expect(await readFile(join(folder, 'a.json'), 'utf8')).toBe('ünï');
  expect((await stat(join(folder, 'a.json'))).mode & 0o777).toBe(0o600);
  expect(await readdir(folder)).toEqual(['a.json']);
});

test('does not create over anything, not even a dangling link', async () => {
  const folder = await tempFolder();
  await writeFile(join(folder, 'file'), 'old');
  await symlink(join(folder, 'nowhere'), join(folder, 'link'));
  await mkdir(join(folder, 'folder'));
  for (const name of ['file', 'link', 'folder']) {
    await expect(createDurably(join(folder, name), 'new')).rejects.toMatchObject({
      kind: 'local-io',
      message: `cannot create "${join(folder, name)}": it exists already`,
    });
  }
  expect(await readFile(join(folder, 'file'), 'utf8')).toBe('old');
  expect((await readdir(folder)).sort()).toEqual(['file', 'folder', 'link']);
});

test('without hard links, a name is given back where the file cannot have it', async () => {
  const folder = await tempFolder();
  for (const call of ['linkSync', 'renameSync'] as const)
    vi.spyOn(fs, call).mockImplementation(() => {
      throw Object.assign(new Error(call), { code: 'EPERM' });
    });
  syncBuiltinESMExports();
  try {
    await expect(createDurably(join(folder, 'a'), 'new')).rejects.toMatchObject({ kind: 'local-io' });
  } finally {
    vi.restoreAllMocks();
    syncBuiltinESMExports();
  }
  expect(await readdir(folder)).toEqual([]);
});

test('of many that create the same name at once one wins, whole', async () => {
  const folder = await tempFolder();
  const texts = Array.from({ length: 20 }, (_, index) => String(index).repeat(10_000));
  const results = await Promise.allSettled(texts.map((text) => createDurably(join(folder, 'a'), text)));
  const won = results.flatMap((result, index) => (result.status === 'fulfilled' ? [index] : []));
  expect(won).toHaveLength(1);
  expect(await readFile(join(folder, 'a'), 'utf8')).toBe(texts[won[0] ?? -1]);
});

test('replaces content and mode, and a link instead of what it leads to', async () => {
  const folder = await tempFolder();
  await writeFile(join(folder, 'target'), 'target');
  await symlink(join(folder, 'target'), join(folder, 'link'));
  await replaceDurably(join(folder, 'link'), 'new', 0o644);
  expect(await readFile(join(folder, 'target'), 'utf8')).toBe('target');
  await expect(readlink(join(folder, 'link'))).rejects.toThrow('EINVAL');
  expect((await stat(join(folder, 'link'))).mode & 0o777).toBe(0o644 & ~process.umask());
  await replaceDurably(join(folder, 'link'), 'newer');
  expect(await readFile(join(folder, 'link'), 'utf8')).toBe('newer');
  expect((await readdir(folder)).sort()).toEqual(['link', 'target']);
});

test('makes folders private and leaves existing ones as they are', async () => {
  const folder = await tempFolder();
  await mkdir(join(folder, 'a'));
  await chmod(join(folder, 'a'), 0o755);
  await ensureFolder(join(folder, 'a', 'b', 'c'));
  await ensureFolder(join(folder, 'a', 'b', 'c'));
  expect((await stat(join(folder, 'a'))).mode & 0o777).toBe(0o755);
  expect((await stat(join(folder, 'a', 'b', 'c'))).mode & 0o777).toBe(0o700);
  await writeFile(join(folder, 'file'), '');
  await expect(ensureFolder(join(folder, 'file', 'b'))).rejects.toMatchObject({ kind: 'local-io' });
});

test.each([
  ['file', 'EEXIST'],
  ['file/below', 'ENOTDIR'],
])('a folder at %s, where a file is in the way, is refused as the system does: %s', async (name, code) => {
  const folder = await tempFolder();
  await writeFile(join(folder, 'file'), '');
  await expect(makeFolder(join(folder, name))).rejects.toMatchObject({ code });
});

test.runIf(existsSync('/proc/self'))('a folder where a file system makes none is given up', async () => {
  await expect(makeFolder('/proc/nowhere/at/all')).rejects.toMatchObject({ code: 'ENOENT' });
});
