import { type EvolinkError, isEvolinkError } from '../errors.ts';
import { checkBudget, sumCosts } from '../run/budget.ts';
import type { Job } from '../run/job.ts';
import type { Frame } from './frame.ts';

/**
 * Between a plan and its execution: shows the plan by `announce`, and asks where that is wanted.
 * @throws EvolinkError `usage` where the answer is no, or nobody can be asked
 */
export type ConfirmPlan = (costs: ReturnType<typeof sumCosts>, announce: () => void) => Promise<void>;

interface Plan {
  readonly jobs: readonly Job[];
  /** What can be spent, where that was asked. */
  readonly balance?: number | undefined;
}

/** Where a typed request, which is a plan of one job, and a run differ on their one way. */
interface Way<P extends Plan> {
  readonly isSingle: boolean;
  readonly plan: () => Promise<P>;
  /** Hears what ended it before anything was sent. */
  readonly refused?: (error: EvolinkError) => Promise<void>;
  /** The end of a dry run. @param refusal the budget does not reach */
  readonly writePlan: (plan: P, refusal: EvolinkError | undefined) => Promise<number>;
  readonly announce: (plan: P) => void;
  readonly confirm: ConfirmPlan;
  /** @param limit credits that may be reserved; undefined = no limit */
  readonly make: (plan: P, limit: number | undefined) => Promise<number>;
}

/** Plan, budget, question, execution, result: the one way to paid clips. Returns the exit code. */
export async function makeClips<P extends Plan>(
  { options, session }: Frame,
  { isSingle, ...way }: Way<P>,
): Promise<number> {
  const refuse = async (error: unknown): Promise<never> => {
    if (isEvolinkError(error)) await way.refused?.(error);
    throw error;
  };
  const plan = await way.plan().catch(refuse);
  const costs = sumCosts(plan.jobs);
  let limit: number | undefined;
  let refusal: EvolinkError | undefined;
  try {
    const run = { balance: plan.balance, allowsPartial: options.allowPartial === true };
    limit = checkBudget(costs, session.settings.maxCredits.value, isSingle ? undefined : run);
  } catch (error) {
    if (!isEvolinkError(error)) throw error;
    refusal = error;
  }
  if (options.dryRun === true) return way.writePlan(plan, refusal);
  if (refusal !== undefined) return refuse(refusal);
  await way.confirm(costs, () => way.announce(plan));
  return way.make(plan, limit);
}
