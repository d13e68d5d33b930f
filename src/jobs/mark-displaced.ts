import { needsSubmit, type PlannedJob } from './plan-jobs.ts';

/**
 * Marks jobs whose new clip would replace one that another job of the plan asks for just now: rows were inserted, or jobs
 * swapped. It would be bought again there. Pure.
 */
export function markDisplaced(
  jobs: readonly PlannedJob[],
  { isRehearsal }: { readonly isRehearsal: boolean },
): readonly PlannedJob[] {
  const wanting = new Map(jobs.filter(needsSubmit).map((job) => [job.fingerprint, job.entry.name]));
  return jobs.map((job) => {
    const { action, clip } = job;
    const isAtStake = action === 'changed' && clip !== undefined && (isRehearsal || !clip.isRehearsal);
    const wantedBy = isAtStake ? wanting.get(clip.fingerprint) : undefined;
    return wantedBy === undefined ? job : { ...job, wantedBy };
  });
}
