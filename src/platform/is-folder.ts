import { stat } from 'node:fs/promises';

/** Says whether a path is a folder, or a link to one. Whatever can't be looked at is none. */
export async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}
