import { placeOf } from '../generate/place-of.ts';
import type { TaskRecord } from '../journal/record.ts';
import { createRealPaths } from '../platform/real-folder.ts';
import type { PlannedJob } from './plan-jobs.ts';

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
  const byPlace = new Map<string, TaskRecord>();
  const byIdentity = new Map<string, TaskRecord>();
  for (const record of openRecords) {
    const path = placeOf(record);
    if (attached.has(record.localId) || !wanted.has(record.fingerprint) || path === undefined) continue;
    byPlace.set(`${record.fingerprint} ${await realPath(path)}`, record);
    byIdentity.set(record.identity, record);
  }
  if (byPlace.size === 0) return jobs;
  const given = new Map<PlannedJob, TaskRecord>();
  const give = (job: PlannedJob, record: TaskRecord | undefined): void => {
    if (record === undefined || attached.has(record.localId) || given.has(job)) return;
    attached.add(record.localId);
    given.set(job, record);
  };
  const unmade = jobs.filter(isUnmade);
  for (const job of unmade) give(job, byPlace.get(`${job.fingerprint} ${await realPath(job.outputPath)}`));
  for (const job of unmade) give(job, byIdentity.get(job.identity));
  return jobs.map((job) => {
    const record = given.get(job);
    return record === undefined ? job : { ...job, action: 'attached', record };
  });
}

function isUnmade({ action }: PlannedJob): boolean {
  return action === 'new' || action === 'changed';
}
