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
    renamed: byAction('renamed'),
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
  const live = jobs.filter(isLive);
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

/** Says whether a job cost nothing in the end: what is reserved for a task that ends without a clip is given back. */
export function isFree({ error }: Pick<JobReport, 'error'>): boolean {
  return error?.charged === 'no' || error?.kind === 'task-failed';
}

/** Credits that are reserved for a job, and may yet be used or given back. Absent = none that are known. */
export function heldCredits({ credits, error }: Pick<JobReport, 'credits' | 'error'>): number | undefined {
  return credits.used !== undefined || isFree({ error }) ? undefined : credits.reserved;
}

/** The sum of them over the jobs that the run has to do with. */
export function sumHeldCredits(jobs: readonly JobReport[]): number | undefined {
  const held = jobs.filter(isLive).flatMap((job) => heldCredits(job) ?? []);
  return held.length === 0 ? undefined : round(held.reduce((total, credits) => total + credits, 0));
}

/** Clips that were there already cost nothing now. */
function isLive({ action }: JobReport): boolean {
  return !['up-to-date', 'renamed', 'adopted', 'invalid'].includes(action);
}

/** Credits have four digits after the point; sums of floating-point numbers have more. */
function round(credits: number): number {
  return Math.round(credits * 1e6) / 1e6;
}
