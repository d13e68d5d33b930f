import { EvolinkError } from '../errors.ts';
import type { Job } from './job.ts';

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
  const outstanding = new Map<object, number>();
  let counted = 0;
  let worstRatio = 1;
  const sum = (credits: Iterable<number>): number => [...credits].reduce((total, each) => total + each, 0);
  // A price that is not known fits no limit.
  const fits = (credits: number | undefined, others: number): boolean =>
    limit === undefined ||
    (credits !== undefined && counted + (others + credits) * worstRatio <= limit + NOISE);
  /** How one task counts. */
  const createTask = (estimated: number) => {
    let own = 0;
    const key = {};
    outstanding.set(key, estimated);
    /** What the service charged in the end. */
    const charged = (credits = 0): void => {
      outstanding.delete(key);
      counted += Math.max(0, credits - own);
      own = Math.max(own, credits);
    };
    return {
      charged,
      /** What the service has reserved. */
      reserved(credits: number | undefined): void {
        charged(Math.max(estimated, credits ?? 0));
        if (credits !== undefined && estimated > 0) worstRatio = Math.max(worstRatio, credits / estimated);
      },
      /** Nothing was reserved. */
      rejected: () => void outstanding.delete(key),
    };
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
    send(name: string, credits: number | undefined) {
      promised.delete(name);
      return fits(credits, sum(outstanding.values())) ? createTask(credits ?? 0) : undefined;
    },
    /** Counts a task that was submitted before this run, and is continued by it. */
    attach(credits: number | undefined) {
      const task = createTask(0);
      task.charged(credits);
      return task;
    },
  };
}
export type CountedTask = NonNullable<ReturnType<ReturnType<typeof createBudget>['send']>>;

/** Adds up what the jobs that have to be sent are estimated to cost. Pure. */
export function sumCosts(jobs: readonly Job[]) {
  const paid = jobs.filter(({ isPaid }) => isPaid);
  const sum = (of: readonly Job[], read: (job: Job) => number | undefined): number =>
    round(of.reduce((total, job) => total + (read(job) ?? 0), 0));
  const unknown = paid.filter((job) => job.mostCredits === undefined);
  return {
    /** Jobs that need the paid request. */
    toSend: paid.length,
    /** Seconds that are billed, as far as they are known. */
    billedSeconds: sum(paid, ({ estimate }) => estimate.billedSeconds),
    /** The sum of what is known; credits with bounds count with their upper one. */
    mostCredits: sum(paid, (job) => job.mostCredits),
    /** Jobs whose price is not known, and why. */
    unknownCount: unknown.length,
    unknownReason: unknown[0]?.estimate.reason,
    /** Different local files of these jobs. */
    uploads: new Set(paid.flatMap(({ media }) => media.local.map(({ sha256 }) => sha256))).size,
    /** Credits of the pending tasks that the run continues. */
    attachedCredits: sum(jobs, (job) => job.attachedCredits),
    priceListDate: jobs[0]?.estimate.listDate,
  };
}

/**
 * Compares what is to be sent with the limit and with the balance, before anything is.
 * @param run absent for a single request, of which the service itself tells what it lacks. `balance`: what can be spent, where
 * the service says so; `allowsPartial`: goes as far as the credits reach
 * @returns the credits that may be reserved; undefined = no limit
 * @throws EvolinkError `credits`
 */
export function checkBudget(
  costs: ReturnType<typeof sumCosts>,
  maxCredits: number | undefined,
  run?: { readonly balance?: number | undefined; readonly allowsPartial: boolean },
): number | undefined {
  const { toSend, unknownCount, unknownReason, mostCredits, attachedCredits: attached } = costs;
  const { balance = Infinity, allowsPartial = false } = run ?? {};
  if (toSend === 0) return undefined;
  const refuse = (message: string, remedy: string, partly: string) =>
    new EvolinkError('credits', `${message}; nothing was sent`, {
      hint: run === undefined ? remedy : `${remedy}, or ${partly} with --allow-partial`,
      charged: 'no',
    });
  if (maxCredits !== undefined && unknownCount > 0 && !allowsPartial) {
    const what = run ? `the price of ${unknownCount} of ${toSend} jobs` : 'the price';
    throw refuse(
      `${what} is not known (${unknownReason}), so it may exceed the limit of ${maxCredits} credits`,
      'name the price of a clip with --price-credits',
      'leave these jobs out',
    );
  }
  // What pending tasks have reserved is gone from the balance already.
  const room = Math.min(maxCredits ?? Infinity, balance + attached);
  const total = round(mostCredits + attached);
  if (total <= room + NOISE) return maxCredits;
  if (allowsPartial) return room;
  const cost = `the plan costs about ${mostCredits} credits`;
  if (room !== maxCredits)
    throw refuse(
      `${cost}, which is above the balance of ${balance}`,
      'top up at https://evolink.ai/dashboard/credits',
      'go as far as it reaches',
    );
  const reserved =
    attached > 0 ? `, and ${attached} credits are reserved by pending tasks that it continues` : '';
  throw refuse(
    `${cost}${reserved}, which is above the limit of ${maxCredits} (--max-credits)`,
    `raise the limit with --max-credits ${total}`,
    'go as far as it reaches',
  );
}

function round(credits: number): number {
  return Math.round(credits * 1e6) / 1e6;
}

/** How far a limit, if there is one, goes in a plan: a run sends in order, and stops at the first job that would pass it. Pure. */
export function limitReach(jobs: readonly Job[], limitCredits: number | undefined) {
  const paid = jobs.filter(({ isPaid }) => isPaid);
  if (limitCredits === undefined) return { reached: paid.length, toSend: paid.length };
  const budget = createBudget(limitCredits);
  for (const { attachedCredits } of jobs) budget.attach(attachedCredits);
  const first = paid.findIndex((job) => !budget.promise(job.entry.name, job.mostCredits));
  return { reached: first < 0 ? paid.length : first, toSend: paid.length };
}
