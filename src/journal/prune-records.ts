import { readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isTempName } from '../platform/temp-file.ts';
import { placeOf, type RecordStore } from './record-store.ts';

/** A temporary file lives for milliseconds; one of this age was left by a process that was killed. */
const TEMP_LIFE_MS = 24 * 3_600_000;

/** Removes closed records whose last change is older than the age, and temporary files that were left behind. */
export async function pruneRecords(
  store: RecordStore,
  { olderThanMs, nowMs }: { olderThanMs: number; nowMs: number },
): Promise<number> {
  let count = 0;
  for (const name of store.list('closed')) {
    const stored = store.read(name, 'closed');
    if (stored?.kind !== 'record' || placeOf(stored.record) !== 'closed') continue;
    if (nowMs - stored.record.updatedAtMs <= olderThanMs) continue;
    await store.remove('closed', name);
    count += 1;
  }
  await removeOldTemps(store.folderOf('open'), nowMs);
  await removeOldTemps(store.folderOf('closed'), nowMs);
  return count;
}

/** Housekeeping: what can't be removed stays for the next time. */
async function removeOldTemps(folder: string, nowMs: number): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter(isTempName)) {
    const path = join(folder, name);
    const file = await stat(path).catch(() => undefined);
    if (file !== undefined && nowMs - file.mtimeMs > TEMP_LIFE_MS) await unlink(path).catch(() => undefined);
  }
}
