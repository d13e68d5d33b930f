import { sweepTemps } from '../platform/sweep-temps.ts';
import { placeOf, type RecordStore } from './record-store.ts';

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
  await sweepTemps(store.folderOf('open'), nowMs);
  await sweepTemps(store.folderOf('closed'), nowMs);
  return count;
}
