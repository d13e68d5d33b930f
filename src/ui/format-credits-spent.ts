import { formatCredits } from './format.ts';

export interface CreditFigures {
  readonly estimatedCredits?: number | undefined;
  readonly reservedCredits?: number | undefined;
  readonly usedCredits?: number | undefined;
}

/** Smaller differences come from rounding, not from prices. */
const SMALLEST_DIFFERENCE = 0.005;

/**
 * What a task cost, and how that differs from what was estimated: `70 credits used (75 reserved), 2.5 more than the
 * estimate of 67.5`. Absent when the service named no figure.
 */
export function formatCreditsSpent(figures: CreditFigures): string | undefined {
  const { estimatedCredits, reservedCredits, usedCredits } = figures;
  const actual = usedCredits ?? reservedCredits;
  if (actual === undefined) return undefined;
  const verb = usedCredits === undefined ? 'reserved' : 'used';
  const isReservedApart =
    usedCredits !== undefined && reservedCredits !== undefined && reservedCredits !== usedCredits;
  const reserved = isReservedApart ? ` (${formatCredits(reservedCredits)} reserved)` : '';
  return `${formatCredits(actual)} credits ${verb}${reserved}${describeDifference(actual, estimatedCredits)}`;
}

function describeDifference(actual: number, estimate: number | undefined): string {
  if (estimate === undefined || Math.abs(actual - estimate) < SMALLEST_DIFFERENCE) return '';
  const direction = actual > estimate ? 'more' : 'less';
  const difference = formatCredits(Math.abs(actual - estimate));
  return `, ${difference} ${direction} than the estimate of ${formatCredits(estimate)}`;
}
