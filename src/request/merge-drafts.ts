import type { RequestDraft } from './types.ts';

function definedEntries(draft: RequestDraft): Partial<RequestDraft> {
  return Object.fromEntries(Object.entries(draft).filter(([, value]) => value !== undefined));
}

/**
 * One draft from two: what `over` names wins (flags over a file, a job over its defaults), each value keeps its source. A
 * list of media replaces the other as a whole. `model` and `tier` are one choice: either in `over` replaces both below.
 */
export function mergeDrafts(over: RequestDraft, under: RequestDraft): RequestDraft {
  const hasChoice = over.model !== undefined || over.tier !== undefined;
  const base = hasChoice ? { ...under, model: undefined, tier: undefined } : under;
  return { ...definedEntries(base), ...definedEntries(over), operation: over.operation };
}
