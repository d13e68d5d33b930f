import { EvolinkError } from '../errors.ts';
import type { PlanCosts } from './run-summary.ts';

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
