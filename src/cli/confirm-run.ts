import type { PlanCosts } from '../jobs/run-summary.ts';
import { askLine } from '../platform/ask-line.ts';
import { formatCount, formatCredits } from '../ui/format.ts';
import type { Context } from './context.ts';
import type { RunOptions } from './run-options.ts';

/** What a person may spend without being asked. */
const ASK_ABOVE_CREDITS = 500;
const ASK_ABOVE_CLIPS = 20;

/** Asks before a large plan, on a terminal only: a script has decided already. */
export async function confirmRun(
  { io, signals }: Context,
  { costs, options }: { readonly costs: PlanCosts; readonly options: RunOptions },
): Promise<boolean> {
  const isLarge = costs.mostCredits > ASK_ABOVE_CREDITS || costs.toSend > ASK_ABOVE_CLIPS;
  const isPerson = io.stdin.isTty && io.stderr.isTty && options.json !== true && options.events !== true;
  if (!isLarge || !isPerson || options.yes === true || options.sandbox === true) return true;
  const unknown = costs.unknownCount > 0 ? ` and what ${costs.unknownCount} of unknown price cost` : '';
  const question = `make ${formatCount(costs.toSend, 'clip')} for about ${formatCredits(costs.mostCredits)} credits${unknown}? [y/N] `;
  return /^y(es)?$/i.test((await askLine(question, signals.signal)).trim());
}
