import { fillPattern } from './fill-pattern.ts';
import { parsePattern } from './pattern.ts';
import type { OutputFields, OutputPlan } from './types.ts';

/**
 * The absolute path of a clip; undefined while the pattern has fields that are not known yet (`{id}`).
 * @throws EvolinkError `usage` as `fillPattern`
 */
export function knownPath(
  plan: Extract<OutputPlan, { kind: 'file' }>,
  fields: OutputFields,
): string | undefined {
  const isKnown = parsePattern(plan.pattern).every(
    (part) => part.kind === 'text' || fields[part.field] !== undefined,
  );
  return isKnown ? fillPattern(plan, fields) : undefined;
}
