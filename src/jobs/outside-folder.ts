import { dirname } from 'node:path';
import { isInside } from '../platform/is-inside.ts';
import { createRealFolders } from '../platform/real-folder.ts';

/** Says whether a path leads out of a folder, by where links really lead. */
export type LeadsOutside = (path: string, folder: string) => Promise<boolean>;

/** Compares by real folders. */
export function createOutsideCheck(): LeadsOutside {
  const real = createRealFolders();
  return async (path, folder) => !isInside(await real(folder), await real(dirname(path)));
}
