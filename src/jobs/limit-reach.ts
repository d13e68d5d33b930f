import { createBudget } from './budget.ts';
import { mostCredits, needsSubmit, type PlannedJob } from './plan-jobs.ts';

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
