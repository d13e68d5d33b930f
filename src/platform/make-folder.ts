import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fsErrorCode } from './fs-error.ts';
import { isFolder } from './is-folder.ts';

/**
 * Makes a folder with all its parents. Node's own `recursive` asks for ever where a file system says ENOENT below a folder
 * that exists (/proc and the like do).
 * @returns the topmost folder that was made; undefined where the path was a folder already
 * @throws the system's error
 */
export async function makeFolder(path: string, mode = 0o777): Promise<string | undefined> {
  try {
    await mkdir(path, mode);
    return path;
  } catch (error) {
    const code = fsErrorCode(error);
    if (code === 'ENOENT' && dirname(path) !== path)
      return makeBelow(await makeFolder(dirname(path), mode), path, mode);
    // Windows and read-only disks refuse before they look whether it is there.
    if (await isFolder(path)) return undefined;
    throw error;
  }
}

async function makeBelow(
  firstMade: string | undefined,
  path: string,
  mode: number,
): Promise<string | undefined> {
  try {
    await mkdir(path, mode);
    return firstMade ?? path;
  } catch (error) {
    // Another process was quicker.
    if (fsErrorCode(error) === 'EEXIST' && (await isFolder(path))) return firstMade;
    throw error;
  }
}
