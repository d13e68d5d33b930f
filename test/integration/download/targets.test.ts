import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { freeSpace, judgeSpace, requireSpace } from '../../../src/download/target.ts';
import { publishFile } from '../../../src/platform/durable-file.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';

describe('what is known of the output before anything is paid for', () => {
  it.each([
    [8 * 1024 ** 2 - 1, /has 8.0 MiB of free space, too little for a video/],
    [8 * 1024 ** 2, /may not fit/],
    [256 * 1024 ** 2 - 1, /may not fit/],
    [256 * 1024 ** 2, /^none$/],
    [undefined, /^none$/],
  ])('%s bytes of free space: %s', (freeBytes, says) => {
    const words = () => {
      try {
        return judgeSpace('/videos', freeBytes)[0] ?? 'none';
      } catch (error) {
        expect(error).toMatchObject({ kind: 'local-io', exit: 11, facts: { charged: 'no' } });
        return String(error);
      }
    };
    expect(words().replace(/^EvolinkError: /, '')).toMatch(says);
  });

  it('the free space is asked of the system', async () => {
    expect(freeSpace(await tempFolder())).toBeGreaterThan(0);
    expect(freeSpace('/nowhere/at/all')).toBeUndefined();
    const full = /^the disk is too full: the video needs .* left$/;
    const folder = await tempFolder();
    expect(() => requireSpace(folder, Number.MAX_SAFE_INTEGER)).toThrow(full);
    requireSpace(folder, 1);
    requireSpace('/nowhere/at/all', Number.MAX_SAFE_INTEGER);
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
