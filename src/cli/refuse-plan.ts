import { EvolinkError } from '../errors.ts';
import { continueId } from '../generate/failures.ts';
import { checkRunBudget } from '../jobs/check-budget.ts';
import type { PlannedJob } from '../jobs/plan-jobs.ts';
import type { PlanCosts } from '../jobs/run-summary.ts';
import type { RunOptions } from './run-options.ts';

const MAX_NAMED = 20;

/**
 * A renamed output is not a new clip unless a person says so, and a clip that another job asks for is not replaced.
 * @throws EvolinkError `usage`
 */
export function refuseUndecided(jobs: readonly PlannedJob[]): void {
  refuseDisplaced(jobs);
  const moved = jobs.filter(({ action }) => action === 'renamed');
  if (moved.length === 0) return;
  throw new EvolinkError(
    'usage',
    `${moved.length === 1 ? 'an output was' : `${moved.length} outputs were`} renamed, and the clips of the same requests are there, or on their way, under their old names; nothing was sent`,
    {
      details: moved.slice(0, MAX_NAMED).map(describeMoved),
      hint: 'add --adopt to give them their new names at no cost, or --no-adopt to make them anew',
      charged: 'no',
    },
  );
}

function describeMoved({ entry, movedFrom, record }: PlannedJob): string {
  const state = record === undefined ? '' : ` (open: ${continueId(record)})`;
  return `${entry.name}: ${movedFrom}${state}`;
}

function refuseDisplaced(jobs: readonly PlannedJob[]): void {
  const displaced = jobs.filter(({ wantedBy }) => wantedBy !== undefined);
  if (displaced.length === 0) return;
  const one = displaced.length === 1;
  throw new EvolinkError(
    'usage',
    `${one ? 'a clip' : `${displaced.length} clips`} would be replaced and bought again elsewhere, as other jobs ask for just ${one ? 'it' : 'them'}; nothing was sent`,
    {
      details: displaced
        .slice(0, MAX_NAMED)
        .map(
          ({ entry, outputPath, wantedBy }) => `${entry.name}: ${outputPath} is what ${wantedBy} asks for`,
        ),
      hint: 'name outputs by what stays, {job} or a {{variable}} instead of {index}; or rename the clips together with their .json; or add --no-adopt to make them anew',
      charged: 'no',
    },
  );
}

export interface PlanFacts {
  readonly jobs: readonly PlannedJob[];
  readonly costs: PlanCosts;
  readonly maxCredits: number | undefined;
  readonly options: RunOptions;
}

/** What a run would say and end with after this plan, as far as it can be known without the balance. */
export function refusalOf({ jobs, costs, maxCredits, options }: PlanFacts): EvolinkError | undefined {
  try {
    refuseUndecided(jobs);
    checkRunBudget({
      costs,
      maxCredits,
      balance: undefined,
      allowsPartial: options.allowPartial === true,
    });
    return undefined;
  } catch (error) {
    if (error instanceof EvolinkError) return error;
    throw error;
  }
}
