import { isAbsolute, relative, sep } from 'node:path';

/** Says whether a path lies in a folder, or is the folder itself; by the words of the paths alone, links are not followed. */
export function isInside(folder: string, path: string): boolean {
  const rest = relative(folder, path);
  return rest !== '..' && !rest.startsWith(`..${sep}`) && !isAbsolute(rest);
}
