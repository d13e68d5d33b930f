import { EvolinkError } from '../errors.ts';
import { mostCredits, needsSubmit, type PlannedJob } from './plan.ts';

/**
 * The credits of a run, held against the service's own numbers. What is counted only grows: for each request the largest of
 * its estimate, what the service reserved and what it charged in the end. A refund gives nothing back within the run.
 */
export interface Budget {
  /** Promises room to a request that is being prepared, if there is any. A price that is not known fits no limit. */
  promise(name: string, credits: number | undefined): boolean;
  /** The promise is void: nothing will be sent. */
  release(name: string): void;
  /** Asked right before a request is sent: counts it, or says that it no longer fits what the answers have shown. */
  send(name: string, credits: number | undefined): CountedTask | undefined;
  /** Counts a task that was submitted before this run, and is continued by it. */
  attach(credits: number | undefined): CountedTask;
}

export interface CountedTask {
  /** What the service has reserved. */
  reserved(credits: number | undefined): void;
  /** What it charged in the end. */
  charged(credits: number | undefined): void;
  /** It was rejected: nothing was reserved. */
  rejected(): void;
}

/** Sums of floating-point credits: differences below this are noise. */
const NOISE = 1e-6;

/**
 * A budget of so many credits; without a limit everything fits. What has no answer yet counts at the worst ratio of
 * reservation to estimate that an answer has shown, at least 1.
 */
export function createBudget(limit: number | undefined): Budget {
  const promised = new Map<string, number>();
  const outstanding = new Map<CountedTask, number>();
  let counted = 0;
  let worstRatio = 1;
  const sum = (credits: Iterable<number>): number => [...credits].reduce((total, each) => total + each, 0);
  const fits = (credits: number | undefined, others: number): boolean =>
    limit === undefined ||
    (credits !== undefined && counted + (others + credits) * worstRatio <= limit + NOISE);
  const createTask = (estimated: number): CountedTask => {
    let own = 0;
    const count = (credits: number): void => {
      outstanding.delete(task);
      counted += Math.max(0, credits - own);
      own = Math.max(own, credits);
    };
    const task: CountedTask = {
      reserved(credits) {
        count(Math.max(estimated, credits ?? 0));
        if (credits !== undefined && estimated > 0) worstRatio = Math.max(worstRatio, credits / estimated);
      },
      charged: (credits = 0) => count(Math.max(own, credits)),
      rejected: () => void outstanding.delete(task),
    };
    return task;
  };
  return {
    promise(name, credits) {
      if (!fits(credits, sum(outstanding.values()) + sum(promised.values()))) return false;
      promised.set(name, credits ?? 0);
      return true;
    },
    release: (name) => void promised.delete(name),
    send(name, credits) {
      promised.delete(name);
      if (!fits(credits, sum(outstanding.values()))) return undefined;
      const task = createTask(credits ?? 0);
      outstanding.set(task, credits ?? 0);
      return task;
    },
    attach(credits) {
      const task = createTask(0);
      task.charged(credits);
      return task;
    },
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
  /** Credits of the pending tasks that the run continues. */
  readonly attachedCredits: number;
}

/** Adds up what the jobs that have to be sent are estimated to cost. Pure. */
export function sumCosts(jobs: readonly PlannedJob[]): PlanCosts {
  const paid = jobs.filter(needsSubmit);
  const sum = (read: (job: PlannedJob) => number | undefined, of: readonly PlannedJob[] = paid): number =>
    round(of.reduce((total, job) => total + (read(job) ?? 0), 0));
  return {
    toSend: paid.length,
    billedSeconds: sum(({ estimate }) => estimate.billedSeconds),
    credits: sum(({ estimate }) => estimate.credits),
    unknownCount: paid.filter((job) => mostCredits(job) === undefined).length,
    mostCredits: sum(mostCredits),
    uploads: new Set(paid.flatMap(({ media }) => media.local.map(({ sha256 }) => sha256))).size,
    attachedCredits: sum(attachedCredits, jobs),
    priceListDate: jobs[0]?.estimate.listDate,
  };
}

/** What a pending task that is continued has reserved, at least its estimate; its clip was not there before this run. */
export function attachedCredits(job: PlannedJob): number | undefined {
  if (job.action !== 'resume' || needsSubmit(job)) return undefined;
  const { reservedCredits, estimatedCredits } = job.record ?? {};
  return Math.max(
    reservedCredits ?? 0,
    estimatedCredits ?? 0,
    reservedCredits === undefined ? (mostCredits(job) ?? 0) : 0,
  );
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
      'say what a clip costs with --price-credits, or add --allow-partial to leave these jobs out',
    );
  }
  // What pending tasks have reserved is gone from the balance already.
  const attached = costs.attachedCredits;
  const rooms = [maxCredits, balance === undefined ? undefined : balance + attached].filter(
    (room) => room !== undefined,
  );
  const room = rooms.length === 0 ? undefined : Math.min(...rooms);
  const total = round(costs.mostCredits + attached);
  if (room === undefined || total <= room + NOISE) return maxCredits;
  if (allowsPartial) return room;
  const isOwnLimit = room === maxCredits;
  const name = isOwnLimit ? `the limit of ${maxCredits} (--max-credits)` : `the balance of ${balance}`;
  const reserved =
    isOwnLimit && attached > 0
      ? `, and ${attached} credits are reserved by pending tasks that it continues`
      : '';
  const remedy = isOwnLimit
    ? `raise the limit with --max-credits ${total}`
    : 'top up at https://evolink.ai/dashboard/credits';
  throw refused(
    `the plan costs about ${costs.mostCredits} credits${reserved}, which is above ${name}; nothing was sent`,
    `${remedy}, choose jobs with --only, or add --allow-partial to go as far as it reaches`,
  );
}

function round(credits: number): number {
  return Math.round(credits * 1e6) / 1e6;
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
  for (const job of jobs) budget.attach(attachedCredits(job));
  const paid = jobs.filter(needsSubmit);
  const first = paid.findIndex((job) => !budget.promise(job.entry.name, mostCredits(job)));
  return { reached: first < 0 ? paid.length : first, toSend: paid.length };
}
