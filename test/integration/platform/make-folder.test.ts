import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeFolder } from '../../../src/platform/folders.ts';

let base: string;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'evolink-make-folder-'));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

describe('makeFolder', () => {
  it('makes what is missing, with the mode, and returns the topmost folder made', async () => {
    const path = join(base, 'a', 'b', 'c');
    expect(await makeFolder(path, 0o700)).toBe(join(base, 'a'));
    expect(statSync(path).mode & 0o777).toBe(0o700);
    expect(await makeFolder(path)).toBeUndefined();
    expect(await makeFolder(join(base, 'a', 'd'))).toBe(join(base, 'a', 'd'));
  });

  it.each(['file', 'file/below'])('throws the error of the system for %s', async (name) => {
    writeFileSync(join(base, 'file'), '');
    await expect(makeFolder(join(base, name))).rejects.toMatchObject({
      code: name === 'file' ? 'EEXIST' : 'ENOTDIR',
    });
  });

  it('is made once by many at a time', async () => {
    const path = join(base, 'x', 'y', 'z');
    const made = await Promise.all(Array.from({ length: 20 }, () => makeFolder(path)));
    expect(made.filter((folder) => folder === join(base, 'x'))).toHaveLength(1);
  });

  it.runIf(existsSync('/proc/self'))('ends where a file system makes no folders', async () => {
    await expect(makeFolder('/proc/nowhere/at/all')).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
