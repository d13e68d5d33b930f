import { type Findings, problemAt } from './findings.ts';
import { MEDIA_KINDS, type MediaKind } from './limits.ts';
import { lengthRemark } from './prompt-length.ts';
import { findReferences, type PromptReferences } from './prompt-references.ts';
import type { Operation, Problem, Sourced } from './types.ts';

export interface PromptContext {
  readonly operation: Operation;
  /** How many files of each kind are given. */
  readonly counts: Readonly<Record<MediaKind, number>>;
}

/** As many media as any kind can have. */
const MAX_NAMES = 9;

function joinNames(kind: MediaKind, numbers: readonly number[]): string {
  const shown =
    numbers.length > MAX_NAMES ? [...numbers.slice(0, MAX_NAMES - 1), ...numbers.slice(-1)] : numbers;
  const names = shown.map((number) => `${kind} ${number}`);
  if (shown !== numbers) return `${names.slice(0, -1).join(', ')}, … and ${names.at(-1)}`;
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

function missingMessage(kind: MediaKind, count: number, found: PromptReferences): string | undefined {
  const beyond = [...found.named].filter((number) => number > count || number === 0).sort((a, b) => a - b);
  if (beyond.length === 0) return undefined;
  const noun = kind === 'audio' ? 'audio file' : kind;
  if (count === 0) return `names ${joinNames(kind, beyond)}, but no ${noun} is given`;
  const given = count === 1 ? `only 1 ${noun} is given` : `only ${count} ${noun}s are given`;
  return `names ${joinNames(kind, beyond)}, but ${given} (counted from ${kind} 1)`;
}

function unnamedMessage(kind: MediaKind, count: number, found: PromptReferences): string | undefined {
  if (found.hasPlural || (found.hasSingular && count === 1)) return undefined;
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  const unnamed = numbers.filter((number) => !found.named.has(number) && !found.maybeNamed.has(number));
  if (unnamed.length === 0) return undefined;
  return `never names ${joinNames(kind, unnamed)}; say what it is for, as in "${kind} ${unnamed[0]} as …"`;
}

function referenceWarnings(at: Sourced<string>, context: PromptContext): Problem[] {
  const found = findReferences(at.value);
  return MEDIA_KINDS.flatMap((kind) => {
    const count = context.counts[kind];
    const missing = missingMessage(kind, count, found[kind]);
    const unnamed = context.operation === 'ref' ? unnamedMessage(kind, count, found[kind]) : undefined;
    return [missing, unnamed]
      .filter((message) => message !== undefined)
      .map((message) => problemAt(at, message));
  });
}

/**
 * Reports what is doubtful about a prompt as warnings: its length against the recommendations, numbers of media that are
 * not given and, in `ref`, media that it never speaks of. A prompt that is certainly above the hard limit is a problem.
 */
export function checkPrompt(at: Sourced<string>, context: PromptContext, findings: Findings): void {
  const remark = lengthRemark(at.value);
  if (remark !== undefined) {
    (remark.isOver ? findings.problems : findings.warnings).push(problemAt(at, remark.message));
  }
  findings.warnings.push(...referenceWarnings(at, context));
}
