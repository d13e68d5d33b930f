import { statfs } from 'node:fs/promises';
import { EvolinkError } from '../errors.ts';
import { formatBytes } from './format-bytes.ts';

/**
 * Bytes that this user may still write to the file system of a folder; `undefined` where it does not tell (some network
 * and virtual file systems report nothing).
 */
export async function freeSpace(folder: string): Promise<number | undefined> {
  try {
    const { bavail, bsize, blocks } = await statfs(folder);
    return blocks > 0 ? bavail * bsize : undefined;
  } catch {
    // A hint only: the write itself will say what is wrong.
    return undefined;
  }
}

/**
 * Says before the first byte what the disk would say after most of them.
 * @throws EvolinkError `local-io` when the file can't fit
 */
export async function requireSpace(folder: string, neededBytes: number): Promise<void> {
  const freeBytes = await freeSpace(folder);
  if (freeBytes === undefined || freeBytes >= neededBytes) return;
  const room = `the video needs ${formatBytes(neededBytes)}, "${folder}" has ${formatBytes(freeBytes)} left`;
  throw new EvolinkError('local-io', `the disk is too full: ${room}`, {
    hint: 'free some space, then run the command again',
  });
}
