import { mostCredits, needsSubmit, type PlannedJob } from './plan-jobs.ts';

/** What a plan is going to cost. */
export interface PlanCosts {
  /** Jobs that need the paid request. */
  readonly toSend: number;
  /** Seconds that are billed, as far as they are known. */
  readonly billedSeconds: number;
  /** The sum of what is known. */
  readonly credits: number;
  /** Jobs whose price is not known. */
  readonly unknownCount: number;
  readonly priceListDate?: string | undefined;
  /** Credits with bounds count with their upper one. */
  readonly mostCredits: number;
  /** Different local files of these jobs. */
  readonly uploads: number;
}

/** Adds up what the jobs that have to be sent are estimated to cost. Pure. */
export function sumCosts(jobs: readonly PlannedJob[]): PlanCosts {
  const paid = jobs.filter(needsSubmit);
  const sum = (read: (job: PlannedJob) => number | undefined): number =>
    Math.round(paid.reduce((total, job) => total + (read(job) ?? 0), 0) * 1e6) / 1e6;
  return {
    toSend: paid.length,
    billedSeconds: sum(({ estimate }) => estimate.billedSeconds),
    credits: sum(({ estimate }) => estimate.credits),
    unknownCount: paid.filter((job) => mostCredits(job) === undefined).length,
    mostCredits: sum(mostCredits),
    uploads: new Set(paid.flatMap(({ media }) => media.local.map(({ sha256 }) => sha256))).size,
    priceListDate: jobs[0]?.estimate.listDate,
  };
}
