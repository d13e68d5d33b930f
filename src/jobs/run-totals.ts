import type { CreditFacts, JobReport, JobState, PlanAction, RunTotals } from './run-report.ts';

/** How many jobs have come to what. Pure. */
export function sumTotals(jobs: readonly JobReport[]): RunTotals {
  const byAction = (action: PlanAction): number => jobs.filter((job) => job.action === action).length;
  const byState = (state: JobState): number => jobs.filter((job) => job.state === state).length;
  return {
    planned: jobs.length,
    new: byAction('new'),
    changed: byAction('changed'),
    forced: byAction('forced'),
    attached: byAction('attached'),
    upToDate: byAction('up-to-date'),
    adopted: byAction('adopted'),
    invalid: byAction('invalid'),
    saved: byState('saved'),
    submitted: byState('submitted'),
    failed: byState('failed'),
    skipped: byState('skipped'),
  };
}

/** Credits of the jobs that the run has to do with; clips that were there already cost nothing now. Absent = not known. */
export function sumCredits(jobs: readonly JobReport[]): CreditFacts {
  const live = jobs.filter(({ action }) => !['up-to-date', 'adopted', 'invalid'].includes(action));
  const sum = (read: (credits: CreditFacts) => number | undefined): number | undefined => {
    const known = live.flatMap(({ credits }) => read(credits) ?? []);
    return known.length === 0 ? undefined : round(known.reduce((total, credits) => total + credits, 0));
  };
  return {
    estimated: sum(({ estimated }) => estimated),
    reserved: sum(({ reserved }) => reserved),
    used: sum(({ used }) => used),
  };
}

/** Credits have four digits after the point; sums of floating-point numbers have more. */
function round(credits: number): number {
  return Math.round(credits * 1e6) / 1e6;
}
