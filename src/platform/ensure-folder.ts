import { dirname } from 'node:path';
import { localIoError } from './local-io-error.ts';
import { makeFolder } from './make-folder.ts';
import { syncFolder } from './sync-folder.ts';

/**
 * Makes a folder with all its parents, private (0700), its names on the disk. An existing one is left as it is.
 * @throws EvolinkError `local-io`
 */
export async function ensureFolder(path: string): Promise<void> {
  try {
    const firstMade = await makeFolder(path, 0o700);
    if (firstMade === undefined) return;
    const top = dirname(firstMade);
    for (let folder = dirname(path); folder.length >= top.length; folder = dirname(folder)) {
      await syncFolder(folder);
      if (folder === dirname(folder)) return;
    }
  } catch (error) {
    throw localIoError(error, 'make the folder', path);
  }
}
