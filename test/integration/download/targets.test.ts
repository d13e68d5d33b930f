import fs from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { freeSpace, requireSpace } from '../../../src/download/target.ts';
import { publishFile } from '../../../src/platform/durable-file.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';

describe('what is known of the output before anything is paid for', () => {
  it('too little room for a clip: nothing is paid for', async () => {
    const folder = await tempFolder();
    const facts = expect.objectContaining({ charged: 'no' });
    expect(() => requireSpace(folder, Number.MAX_SAFE_INTEGER, 'no')).toThrow(
      expect.objectContaining({ exit: 11, facts }),
    );
  });

  it('the free space is asked of the system', async () => {
    expect(freeSpace(await tempFolder())).toBeGreaterThan(0);
    expect(freeSpace('/nowhere/at/all')).toBeUndefined();
  });
});

describe('publishFile', () => {
  /** As a file system that has no hard links. */
  function refuseLinks(): void {
    const { linkSync } = fs;
    const setLink = (link: typeof linkSync) => {
      fs.linkSync = link;
      syncBuiltinESMExports();
    };
    setLink(() => {
      throw Object.assign(new Error('no links here'), { code: 'EPERM' });
    });
    onTestFinished(() => setLink(linkSync));
  }
  async function setUp(names: Readonly<Record<string, string>> = {}) {
    const folder = await tempFolder();
    const part = join(folder, '.part');
    await writeFile(part, 'video');
    for (const [name, text] of Object.entries(names)) await writeFile(join(folder, name), text);
    const job = { part, target: join(folder, 'clip.mp4'), canReplace: false, isPublished: async () => false };
    return { folder, job, read: (name: string) => readFile(join(folder, name), 'utf8') };
  }

  it.each([
    ['with links', () => undefined],
    ['without links', refuseLinks],
  ])('%s: takes a free name, and only the name; else the next free number', async (_, prepare) => {
    prepare();
    const { folder, job, read } = await setUp();
    expect(await publishFile(job)).toBe(job.target);
    expect(await read('clip.mp4')).toBe('video');
    expect(await readdir(folder)).toEqual(['clip.mp4']);
    const { folder: full, job: next, read: readNext } = await setUp({ 'clip.mp4': 'a', 'clip-2.mp4': '' });
    expect(await publishFile(next)).toBe(join(full, 'clip-3.mp4'));
    const texts = ['clip.mp4', 'clip-2.mp4', 'clip-3.mp4'].map(readNext);
    expect(await Promise.all(texts)).toEqual(['a', '', 'video']);
  });

  it('a number on a name at the limit still fits', async () => {
    const { folder, job } = await setUp();
    const target = join(folder, `${'한'.repeat(83)}.mp4`);
    await writeFile(target, 'taken');
    const path = await publishFile({ ...job, target });
    expect(path).toMatch(/한-2\.mp4$/);
  });
});
