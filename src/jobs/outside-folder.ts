import { dirname } from 'node:path';
import { isInside } from '../platform/is-inside.ts';
import { realFolder } from '../platform/real-folder.ts';

/** Says whether a path leads out of a folder, by where links really lead. */
export type LeadsOutside = (path: string, folder: string) => Promise<boolean>;

/** Asks the disk once for each folder: thousands of clips share a few. */
export function createOutsideCheck(): LeadsOutside {
  const known = new Map<string, Promise<string>>();
  const real = (path: string): Promise<string> => {
    const found = known.get(path) ?? realFolder(path);
    known.set(path, found);
    return found;
  };
  return async (path, folder) => !isInside(await real(folder), await real(dirname(path)));
}
