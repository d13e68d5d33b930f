import type { JobReport, JobState, PlanAction, RunTotals } from '../jobs/run-report.ts';

/** Counts jobs by action of the plan and by state at the end. */
export function countTotals(jobs: readonly JobReport[]): RunTotals {
  const actions = tally(jobs.map(({ action }) => action));
  const states = tally(jobs.map(({ state }) => state));
  const did = (action: PlanAction): number => actions.get(action) ?? 0;
  const ended = (state: JobState): number => states.get(state) ?? 0;
  return {
    planned: jobs.length,
    new: did('new'),
    changed: did('changed'),
    forced: did('forced'),
    attached: did('attached'),
    upToDate: did('up-to-date'),
    adopted: did('adopted'),
    invalid: did('invalid'),
    saved: ended('saved'),
    submitted: ended('submitted'),
    failed: ended('failed'),
    skipped: ended('skipped'),
  };
}

function tally<T>(values: readonly T[]): ReadonlyMap<T, number> {
  const counts = new Map<T, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}
