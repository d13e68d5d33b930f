import { realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/**
 * Where a folder really is, links followed. What is not there yet is made below the nearest folder that is, and stands where
 * that one really stands. Never throws.
 */
export async function realFolder(path: string): Promise<string> {
  const parent = dirname(path);
  try {
    return await realpath(path);
  } catch {
    if (parent === path) return path;
    return `${await realFolder(parent)}${path.slice(parent.length)}`;
  }
}

/** As `realFolder`, asking the disk once for each folder: thousands of clips share a few. */
export function createRealFolders(): (path: string) => Promise<string> {
  const known = new Map<string, Promise<string>>();
  return (path) => {
    const found = known.get(path) ?? realFolder(path);
    known.set(path, found);
    return found;
  };
}

/** As `createRealFolders`, for the paths of files: what a name itself links to is not followed. */
export function createRealPaths(): (path: string) => Promise<string> {
  const folderOf = createRealFolders();
  return async (path) => join(await folderOf(dirname(path)), basename(path));
}
