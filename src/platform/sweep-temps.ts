import { lstat, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from './clock.ts';
import { isTempName } from './temp-file.ts';

/** A temporary file lives for milliseconds; one this old was left by a process that was killed, on whatever machine. */
const STALE_AFTER_MS = 60 * 60_000;

/** Removes from a folder what killed processes have left of `openTempBeside`. Housekeeping: never throws. */
export async function sweepTemps(folder: string, nowMs: number): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter(isTempName)) {
    await removeIfStale(join(folder, name), nowMs).catch(() => undefined);
  }
}

/** The same for each folder once, so that a run of thousands of clips reads theirs once. */
export function createTempSweeper(clock: Clock): (folder: string) => Promise<void> {
  const seen = new Set<string>();
  return async (folder) => {
    if (seen.has(folder)) return;
    seen.add(folder);
    await sweepTemps(folder, clock.now());
  };
}

async function removeIfStale(path: string, nowMs: number): Promise<void> {
  const stats = await lstat(path);
  if (stats.isFile() && nowMs - stats.mtimeMs > STALE_AFTER_MS) await unlink(path);
}
