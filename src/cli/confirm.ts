import { EvolinkError } from '../errors.ts';
import { askLine } from '../platform/ask.ts';
import type { Context } from '../platform/context.ts';
import type { PlanCosts } from '../run/budget.ts';
import type { FlagValues } from './flags.ts';
import { formOf } from './form.ts';
import type { Frame } from './frame.ts';

/**
 * Between a plan and its execution: shows the plan by `announce`, and asks where that is wanted.
 * @throws EvolinkError `usage` where the answer is no, or nobody can be asked
 */
export type ConfirmPlan = (frame: Frame, costs: PlanCosts, announce: () => void) => Promise<void>;

interface Question {
  /** What is known, as said before the question and without it. */
  readonly finding: string;
  /** What it may cost to say yes. */
  readonly warning: string;
  /** The verb: `dismiss`. */
  readonly verb: string;
  /** Shows what the warning says, in its place. */
  readonly announce?: () => void;
}

/** @throws EvolinkError `usage` where nobody can be asked, or the answer is no */
export async function confirm(
  context: Context,
  { reporter }: Frame,
  options: FlagValues,
  { finding, warning, verb, announce }: Question,
): Promise<void> {
  if (options.yes !== true && !canAsk(context, options))
    throw new EvolinkError('usage', `${finding}; it needs --yes`, { hint: `add --yes; ${warning}` });
  announce?.();
  if (options.yes === true) return reporter.note(finding);
  await context.io.stderr.write(`${finding}\n${announce === undefined ? `${warning}\n` : ''}`);
  if (!(await isYes(context, `${verb} it?`)))
    throw new EvolinkError('usage', 'not confirmed; nothing was done');
}

/** Whether there is a person who reads what is written and can answer. */
export function canAsk({ io }: Pick<Context, 'io'>, options: FlagValues): boolean {
  return io.stdin.isTty && io.stderr.isTty && formOf(options) === 'human';
}

export async function isYes({ signals }: Pick<Context, 'signals'>, question: string): Promise<boolean> {
  return /^y(es)?$/i.test((await askLine(`${question} [y/N] `, signals.signal)).trim());
}
