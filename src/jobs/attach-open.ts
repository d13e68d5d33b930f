import type { TaskRecord } from '../journal/record.ts';
import { createRealPaths } from '../platform/real-folder.ts';
import { type PlannedJob, placeOf } from './plan-jobs.ts';

/**
 * Gives open requests that are left to the jobs whose very place they are for, by whatever spelling (through a link, or by a
 * pattern that comes to the same name), or which they were made for. Each to one job.
 */
export async function attachOpen(
  jobs: readonly PlannedJob[],
  openRecords: readonly TaskRecord[],
): Promise<readonly PlannedJob[]> {
  const realPath = createRealPaths();
  const attached = new Set(jobs.map(({ record }) => record?.localId));
  const wanted = new Set(jobs.filter(isUnmade).map((job) => job.fingerprint));
  const free = new Map<string, TaskRecord>();
  for (const record of openRecords) {
    const path = placeOf(record);
    if (attached.has(record.localId) || !wanted.has(record.fingerprint) || path === undefined) continue;
    free.set(`${record.fingerprint} ${await realPath(path)}`, record);
  }
  if (free.size === 0) return jobs;
  const result: PlannedJob[] = [];
  for (const job of jobs) {
    const key = `${job.fingerprint} ${await realPath(job.outputPath)}`;
    const record = isUnmade(job) ? (free.get(key) ?? ofIdentity(free, job.identity)) : undefined;
    for (const [name, other] of free) if (other === record) free.delete(name);
    result.push(record === undefined ? job : { ...job, action: 'attached', record });
  }
  return result;
}

function isUnmade({ action }: PlannedJob): boolean {
  return action === 'new' || action === 'changed';
}

function ofIdentity(records: ReadonlyMap<string, TaskRecord>, identity: string): TaskRecord | undefined {
  return [...records.values()].find((record) => record.identity === identity);
}
