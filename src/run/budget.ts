import { EvolinkError } from '../errors.ts';
import type { Job } from './job.ts';

/** How one task counts. */
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
 * The credits of a run, held against the service's own numbers; without a limit everything fits. What is counted only
 * grows: for each request the largest of its estimate, what the service reserved and what it charged in the end. A refund
 * gives nothing back within the run. What has no answer yet counts at the worst ratio of reservation to estimate that an
 * answer has shown, at least 1.
 */
export function createBudget(limit: number | undefined) {
  const promised = new Map<string, number>();
  const outstanding = new Map<CountedTask, number>();
  let counted = 0;
  let worstRatio = 1;
  const sum = (credits: Iterable<number>): number => [...credits].reduce((total, each) => total + each, 0);
  // A price that is not known fits no limit.
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
    /** Promises room to a request that is being prepared, if there is any. */
    promise(name: string, credits: number | undefined): boolean {
      if (!fits(credits, sum(outstanding.values()) + sum(promised.values()))) return false;
      promised.set(name, credits ?? 0);
      return true;
    },
    /** The promise is void: nothing will be sent. */
    release: (name: string) => void promised.delete(name),
    /** Asked right before a request is sent: counts it, or says that it no longer fits what the answers have shown. */
    send(name: string, credits: number | undefined): CountedTask | undefined {
      promised.delete(name);
      if (!fits(credits, sum(outstanding.values()))) return undefined;
      const task = createTask(credits ?? 0);
      outstanding.set(task, credits ?? 0);
      return task;
    },
    /** Counts a task that was submitted before this run, and is continued by it. */
    attach(credits: number | undefined): CountedTask {
      const task = createTask(0);
      task.charged(credits);
      return task;
    },
  };
}

/** Adds up what the jobs that have to be sent are estimated to cost. Pure. */
export function sumCosts(jobs: readonly Job[]) {
  const paid = jobs.filter(({ isPaid }) => isPaid);
  const sum = (read: (job: Job) => number | undefined, of = paid): number =>
    round(of.reduce((total, job) => total + (read(job) ?? 0), 0));
  const unknown = paid.filter((job) => job.mostCredits === undefined);
  return {
    /** Jobs that need the paid request. */
    toSend: paid.length,
    /** Seconds that are billed, as far as they are known. */
    billedSeconds: sum(({ estimate }) => estimate.billedSeconds),
    /** The sum of what is known; credits with bounds count with their upper one. */
    mostCredits: sum((job) => job.mostCredits),
    /** Jobs whose price is not known, and why. */
    unknownCount: unknown.length,
    unknownReason: unknown[0]?.estimate.reason,
    /** Different local files of these jobs. */
    uploads: new Set(paid.flatMap(({ media }) => media.local.map(({ sha256 }) => sha256))).size,
    /** Credits of the pending tasks that the run continues. */
    attachedCredits: sum((job) => job.attachedCredits, [...jobs]),
    priceListDate: jobs[0]?.estimate.listDate,
  };
}
export type PlanCosts = ReturnType<typeof sumCosts>;

export interface BudgetQuestion {
  readonly costs: Pick<
    PlanCosts,
    'toSend' | 'mostCredits' | 'unknownCount' | 'unknownReason' | 'attachedCredits'
  >;
  readonly maxCredits: number | undefined;
  /** What can be spent; absent where the service does not say. */
  readonly balance?: number | undefined;
  /** Goes as far as the credits reach. */
  readonly allowsPartial?: boolean | undefined;
  /** Of one request, not of a plan of jobs. */
  readonly isSingle?: boolean | undefined;
}

/**
 * Compares a plan with the limit and with the balance before anything is sent.
 * @returns the credits that may be reserved; undefined = no limit
 * @throws EvolinkError `credits`
 */
export function checkBudget({
  costs,
  maxCredits,
  balance,
  allowsPartial = false,
  isSingle = false,
}: BudgetQuestion): number | undefined {
  const { toSend, unknownCount, unknownReason, attachedCredits: attached } = costs;
  if (toSend === 0) return undefined;
  const refuse = (message: string, hint: string) =>
    new EvolinkError('credits', message, { hint, charged: 'no' });
  if (maxCredits !== undefined && unknownCount > 0 && !allowsPartial) {
    const what = isSingle ? 'the price' : `the price of ${unknownCount} of ${toSend} jobs`;
    throw refuse(
      `${what} is not known (${unknownReason}), so it may exceed the limit of ${maxCredits} credits; nothing was sent`,
      isSingle
        ? 'name the price of a clip with --price-credits, or leave out --max-credits'
        : 'name the price of a clip with --price-credits, or leave these jobs out with --allow-partial',
    );
  }
  // What pending tasks have reserved is gone from the balance already.
  const rooms = [maxCredits, balance === undefined ? undefined : balance + attached];
  const room = Math.min(...rooms.filter((each) => each !== undefined));
  const total = round(costs.mostCredits + attached);
  if (total <= room + NOISE) return maxCredits;
  if (allowsPartial) return room;
  const isOwnLimit = room === maxCredits;
  const limit = isOwnLimit ? `the limit of ${maxCredits} (--max-credits)` : `the balance of ${balance}`;
  const reserved =
    isOwnLimit && attached > 0
      ? `, and ${attached} credits are reserved by pending tasks that it continues`
      : '';
  const remedy = isOwnLimit
    ? `raise the limit with --max-credits ${total}`
    : 'top up at https://evolink.ai/dashboard/credits';
  throw isSingle
    ? refuse(
        `about ${total} credits are above the limit of ${maxCredits}; nothing was sent`,
        'a shorter duration, a lower quality or a cheaper --tier costs less',
      )
    : refuse(
        `the plan costs about ${costs.mostCredits} credits${reserved}, which is above ${limit}; nothing was sent`,
        `${remedy}, or go as far as it reaches with --allow-partial`,
      );
}

function round(credits: number): number {
  return Math.round(credits * 1e6) / 1e6;
}

/** How far a limit goes in a plan: a run sends in order, and stops at the first job that would pass it. Pure. */
export function limitReach(jobs: readonly Job[], limitCredits: number) {
  const budget = createBudget(limitCredits);
  for (const { attachedCredits } of jobs) budget.attach(attachedCredits);
  const paid = jobs.filter(({ isPaid }) => isPaid);
  const first = paid.findIndex((job) => !budget.promise(job.entry.name, job.mostCredits));
  return { reached: first < 0 ? paid.length : first, toSend: paid.length };
}
