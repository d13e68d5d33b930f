import { EvolinkError } from '../errors.ts';
import { mostCredits, needsSubmit, type PlannedJob } from './plan.ts';

/** Credits of a run: what is promised before a request is sent, and what the service said that it took. */
export interface Budget {
  /** Promises the credits of a job, or says that they would pass the limit. A price that is not known can't be promised. */
  tryReserve(name: string, credits: number | undefined): boolean;
  /** What the service has reserved takes the place of the promise. */
  settle(name: string, credits: number | undefined): void;
  /** The request was not taken: the promise is void. */
  release(name: string): void;
  /** Promised and taken. */
  committed(): number;
}

/** Sums of floating-point credits: differences below this are noise. */
const NOISE = 1e-6;

/** A budget of so many credits; without a limit it only counts. */
export function createBudget(limit: number | undefined): Budget {
  const promised = new Map<string, number>();
  let taken = 0;
  const committed = (): number => [...promised.values()].reduce((sum, credits) => sum + credits, taken);
  return {
    committed,
    tryReserve(name, credits) {
      if (limit !== undefined && (credits === undefined || committed() + credits > limit + NOISE))
        return false;
      promised.set(name, credits ?? 0);
      return true;
    },
    settle(name, credits) {
      const promise = promised.get(name);
      promised.delete(name);
      taken += credits ?? promise ?? 0;
    },
    release: (name) => void promised.delete(name),
  };
}

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

export interface BudgetQuestion {
  readonly costs: PlanCosts;
  readonly maxCredits: number | undefined;
  /** What can be spent; absent where the service does not say. */
  readonly balance: number | undefined;
  /** Goes as far as the credits reach. */
  readonly allowsPartial: boolean;
}

/**
 * Compares a plan with the limit and with the balance before anything is sent.
 * @returns the credits that the run may reserve; undefined = no limit
 * @throws EvolinkError `credits`
 */
export function checkRunBudget({
  costs,
  maxCredits,
  balance,
  allowsPartial,
}: BudgetQuestion): number | undefined {
  if (costs.toSend === 0) return undefined;
  if (maxCredits !== undefined && costs.unknownCount > 0 && !allowsPartial) {
    throw refused(
      `the price of ${costs.unknownCount} of ${costs.toSend} jobs is not known, so the run can't be held below ${maxCredits} credits`,
      'set the price in the config (prices), or add --allow-partial to leave these jobs out',
    );
  }
  const limits = [maxCredits, balance].filter((limit) => limit !== undefined);
  const limit = limits.length === 0 ? undefined : Math.min(...limits);
  if (limit === undefined || costs.mostCredits <= limit + 1e-6) return maxCredits ?? undefined;
  if (allowsPartial) return limit;
  const isOwnLimit = limit === maxCredits;
  const name = isOwnLimit ? `the limit of ${maxCredits} (--max-credits)` : `the balance of ${balance}`;
  const remedy = isOwnLimit
    ? `raise the limit with --max-credits ${costs.mostCredits}`
    : 'top up at https://evolink.ai/dashboard/credits';
  throw refused(
    `the plan costs about ${costs.mostCredits} credits, which is above ${name}; nothing was sent`,
    `${remedy}, choose jobs with --only, or add --allow-partial to go as far as it reaches`,
  );
}

function refused(message: string, hint: string): EvolinkError {
  return new EvolinkError('credits', message, { hint, charged: 'no' });
}

/** How far a limit goes in a plan: a run sends in order, and stops at the first job that would pass it. Pure. */
export function limitReach(
  jobs: readonly PlannedJob[],
  limitCredits: number,
): { readonly reached: number; readonly toSend: number } {
  const budget = createBudget(limitCredits);
  const paid = jobs.filter(needsSubmit);
  const first = paid.findIndex((job) => !budget.tryReserve(job.entry.name, mostCredits(job)));
  return { reached: first < 0 ? paid.length : first, toSend: paid.length };
}
