import { describeValue } from './describe-value.ts';
import type { Problem, Sourced } from './types.ts';

/** Collects what is wrong while the checks of a request run. */
export interface Findings {
  readonly problems: Problem[];
  readonly warnings: Problem[];
}

/** A problem that names where a value came from, and the value. */
export function problemAt(at: Sourced<unknown>, message: string, suggestion?: string): Problem {
  return {
    source: at.source,
    value: describeValue(at.value),
    message,
    ...(suggestion === undefined ? {} : { suggestion }),
  };
}
