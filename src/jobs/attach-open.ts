import type { TaskRecord } from '../journal/record.ts';
import { createRealPaths } from '../platform/real-folder.ts';
import { type PlannedJob, placeOf } from './plan-jobs.ts';

/**
 * Gives open requests to the jobs whose very place they are for, by whatever spelling: through a link, or by a pattern that
 * comes to the same name.
 */
export async function attachOpen(
  jobs: readonly PlannedJob[],
  openRecords: readonly TaskRecord[],
): Promise<readonly PlannedJob[]> {
  const realPath = createRealPaths();
  const attached = new Set(jobs.map(({ record }) => record?.localId));
  const wanted = new Set(jobs.filter(({ action }) => action === 'new').map((job) => job.fingerprint));
  const byPlace = new Map<string, TaskRecord>();
  for (const record of openRecords) {
    if (attached.has(record.localId) || !wanted.has(record.fingerprint)) continue;
    const path = placeOf(record);
    if (path !== undefined) byPlace.set(`${record.fingerprint} ${await realPath(path)}`, record);
  }
  if (byPlace.size === 0) return jobs;
  const result: PlannedJob[] = [];
  for (const job of jobs) {
    const isNew = job.action === 'new';
    const record = isNew ? byPlace.get(`${job.fingerprint} ${await realPath(job.outputPath)}`) : undefined;
    result.push(record === undefined ? job : { ...job, action: 'attached', record });
  }
  return result;
}
