import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { OnExisting } from '../../../src/config/output.ts';
import { checkTarget, freeSpace, requireSpace } from '../../../src/download/target.ts';
import { publishFile } from '../../../src/platform/durable-file.ts';
import { isFolder } from '../../../src/platform/folders.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';

async function check(
  pattern: string,
  { onExisting = 'refuse', folder }: { onExisting?: OnExisting; folder: string },
) {
  return checkTarget({ kind: 'file', folder, pattern, onExisting }, { slug: 'frog' });
}

describe('the free space, before anything is paid for', () => {
  const at = async (freeBytes: number | undefined) => {
    const folder = await tempFolder();
    const plan = { kind: 'file', folder, pattern: 'clip.mp4', onExisting: 'refuse' } as const;
    return checkTarget(plan, {}, { freeSpaceOf: async () => freeBytes });
  };

  it('too little for any video: refused', async () => {
    await expect(at(8 * 1024 ** 2 - 1)).rejects.toMatchObject({
      kind: 'local-io',
      exit: 11,
      message: expect.stringMatching(/has 8.0 MiB of free space, too little for a video/),
      facts: { charged: 'no', hint: expect.stringContaining('-o') },
    });
  });

  it('too little for the largest: a warning', async () => {
    expect((await at(8 * 1024 ** 2)).warnings).toEqual([expect.stringContaining('may not fit')]);
    expect((await at(256 * 1024 ** 2 - 1)).warnings).toHaveLength(1);
  });

  it('enough, or not known: nothing is said', async () => {
    expect((await at(256 * 1024 ** 2)).warnings).toEqual([]);
    expect((await at(undefined)).warnings).toEqual([]);
  });

  it('is asked of the system', async () => {
    expect(await freeSpace(await tempFolder())).toBeGreaterThan(0);
    expect(await freeSpace('/nowhere/at/all')).toBeUndefined();
    await expect(requireSpace(await tempFolder(), Number.MAX_SAFE_INTEGER)).rejects.toMatchObject({
      kind: 'local-io',
      message: expect.stringMatching(/^the disk is too full: the video needs .* left$/),
    });
    await requireSpace(await tempFolder(), 1);
    await requireSpace('/nowhere/at/all', Number.MAX_SAFE_INTEGER);
  });
});

describe('checkTarget', () => {
  it('takes a free name in a folder that can be made, and makes nothing yet', async () => {
    const folder = join(await tempFolder(), 'a', 'b');
    expect(await check('{slug}.mp4', { folder })).toEqual({
      path: join(folder, 'frog.mp4'),
      action: 'create',
      warnings: [],
    });
    expect(await isFolder(folder)).toBe(false);
  });

  it('checks the folder only while fields are unknown', async () => {
    const folder = join(await tempFolder(), 'new');
    expect(await check('{slug}-{id}.mp4', { folder })).toEqual({
      path: undefined,
      action: 'create',
      warnings: [],
    });
    expect(await isFolder(folder)).toBe(false);
  });

  it.each([
    ['refuse', /exists already/],
    ['overwrite', 'replace'],
    ['skip', 'skip'],
  ] as const)('an existing file, %s', async (onExisting, expected) => {
    const folder = await tempFolder();
    await writeFile(join(folder, 'frog.mp4'), 'old');
    const outcome = await check('{slug}.mp4', { onExisting, folder }).then(
      ({ action }) => action,
      (error: unknown) => error,
    );
    if (typeof expected === 'string') expect(outcome).toBe(expected);
    else
      expect(outcome).toMatchObject({
        kind: 'local-io',
        exit: 11,
        message: expect.stringMatching(expected),
        facts: { charged: 'no', hint: expect.stringContaining('--overwrite or --skip-existing') },
      });
  });

  it.each(['refuse', 'overwrite', 'skip'] as const)(
    'a folder or a pipe is never a target (%s)',
    async (onExisting) => {
      const folder = await tempFolder();
      await mkdir(join(folder, 'folder.mp4'));
      execFileSync('mkfifo', [join(folder, 'pipe.mp4')]);
      await expect(check('folder.mp4', { onExisting, folder })).rejects.toMatchObject({
        kind: 'local-io',
        message: expect.stringContaining('is a folder'),
      });
      await expect(check('pipe.mp4', { onExisting, folder })).rejects.toMatchObject({
        kind: 'local-io',
        message: expect.stringContaining('a device or a pipe'),
      });
    },
  );

  it('a symbolic link counts as taken, even a dangling one, and is announced before it is replaced', async () => {
    const folder = await tempFolder();
    await symlink(join(folder, 'nowhere'), join(folder, 'frog.mp4'));
    await expect(check('{slug}.mp4', { folder })).rejects.toMatchObject({ kind: 'local-io' });
    expect(await check('{slug}.mp4', { onExisting: 'overwrite', folder })).toMatchObject({
      action: 'replace',
      warnings: [expect.stringContaining('symbolic link')],
    });
  });

  it('a name that is too long', async () => {
    const folder = await tempFolder();
    await expect(check(`${'한'.repeat(84)}.mp4`, { folder })).rejects.toMatchObject({
      kind: 'local-io',
      message: expect.stringContaining('256 bytes, at most 255'),
    });
    expect(await check(`${'한'.repeat(83)}.mp4`, { folder })).toMatchObject({ action: 'create' });
  });
});

describe('publishFile', () => {
  const noLinks = async () => Promise.reject(Object.assign(new Error('no links here'), { code: 'EPERM' }));
  async function setUp(names: Readonly<Record<string, string>> = {}) {
    const folder = await tempFolder();
    const part = join(folder, '.part');
    await writeFile(part, 'video');
    for (const [name, text] of Object.entries(names)) await writeFile(join(folder, name), text);
    const job = { part, target: join(folder, 'clip.mp4'), canReplace: false, isPublished: async () => false };
    return { folder, job, read: (name: string) => readFile(join(folder, name), 'utf8') };
  }

  it.each([
    ['with links', undefined],
    ['without links', noLinks],
  ])('%s: takes a free name, and only the name', async (_, makeLink) => {
    const { folder, job, read } = await setUp();
    expect(await publishFile({ ...job, makeLink })).toBe(job.target);
    expect(await read('clip.mp4')).toBe('video');
    expect(await readdir(folder)).toEqual(['clip.mp4']);
  });

  it.each([
    ['with links', undefined],
    ['without links', noLinks],
  ])('%s: the next free number, nothing overwritten', async (_, makeLink) => {
    const { folder, job, read } = await setUp({ 'clip.mp4': 'a', 'clip-2.mp4': 'b' });
    expect(await publishFile({ ...job, makeLink })).toBe(join(folder, 'clip-3.mp4'));
    expect([await read('clip.mp4'), await read('clip-2.mp4'), await read('clip-3.mp4')]).toEqual([
      'a',
      'b',
      'video',
    ]);
  });

  it('without links: an empty file is what a killed run left at this step', async () => {
    const { folder, job, read } = await setUp({ 'clip.mp4': '' });
    expect(await publishFile({ ...job, makeLink: noLinks })).toBe(job.target);
    expect(await read('clip.mp4')).toBe('video');
    expect(await readdir(folder)).toEqual(['clip.mp4']);
  });

  it('a number on a name at the limit still fits', async () => {
    const { folder, job } = await setUp();
    const target = join(folder, `${'한'.repeat(83)}.mp4`);
    await writeFile(target, 'taken');
    const path = await publishFile({ ...job, target });
    expect(path).toMatch(/한-2\.mp4$/);
  });
});
