import { distance } from 'fastest-levenshtein';
import { EvolinkError } from '../errors.ts';
import { isPlain } from '../platform/text.ts';
import type { Origin, Problem } from './models.ts';

export type JobObject = Readonly<Record<string, unknown>>;
export type KeyPath = readonly (string | number)[];
/** Says where a key stands, for messages: `duration (job.yaml:7:5)`. */
export type Locate = (keyPath: KeyPath) => Origin;

/** What a job, flags or settings ask for, under the keys of job files; values may have any type. */
export interface Asked {
  readonly value: JobObject;
  readonly locate: Locate;
}

const MAX_CHARACTERS = 60;
/** Enough for any user name and password that may have to be hidden, little enough to be fast. */
const MAX_SCANNED = 4096;

function toText(value: unknown): string {
  if (typeof value !== 'object') return String(value);
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return typeof value;
  }
}

/** Passwords stand before the `@` of a URL, tokens in its query: neither may reach a message or a log. */
function withoutUrlSecrets(text: string): string {
  if (!text.includes('://')) return text;
  return text.replace(/:\/\/[^/?#\s\\]*@/g, '://***@').replace(/(https?:\/\/[^\s"?#]*)\?[^\s"]*/gi, '$1?…');
}

/** Any value as one readable line of at most 60 characters, without control characters and without URL secrets. */
export function describeValue(value: unknown): string {
  const safe = withoutUrlSecrets(toText(value).slice(0, MAX_SCANNED));
  const line = safe.replace(isPlain(safe) ? / +/g : /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\s]+/gu, ' ').trim();
  const characters = [...line];
  return characters.length > MAX_CHARACTERS ? `${characters.slice(0, MAX_CHARACTERS - 1).join('')}…` : line;
}

/** A problem that names where a value came from, and the value, if there is one. */
export function problemAt(
  { value, locate }: Asked,
  keyPath: KeyPath,
  message: string,
  suggestion?: string,
): Problem {
  const held = keyPath.reduce<unknown>((outer, key) => Object(outer)[key], value);
  const { source, place, typed = held } = locate(keyPath);
  const shown = typed === undefined ? undefined : describeValue(typed);
  return { source, place, value: shown, message, suggestion };
}

/** One line for a person: `--quality "730p": must be one of 480p, 720p; did you mean 720p?`. */
export function formatProblem(problem: Problem): string {
  const value = problem.value === undefined ? '' : ` "${problem.value}"`;
  const suggestion = problem.suggestion === undefined ? '' : `; did you mean ${problem.suggestion}?`;
  return `${problem.source}${value}: ${problem.message}${suggestion}`;
}

/**
 * All problems of an input as one `usage` error; a single one is the message itself. Pure.
 * @param summary says how many there are; the message where they are several
 */
export function listError(
  lines: readonly string[],
  { summary, hint }: { readonly summary: string; readonly hint?: string | undefined },
): EvolinkError {
  const [first] = lines;
  if (first !== undefined && lines.length === 1) return new EvolinkError('usage', first, { hint });
  return new EvolinkError('usage', summary, { details: lines, hint });
}

/** A word this long is no misspelling; measuring its distance would only cost time. */
const MAX_WORD_LENGTH = 100;

/** The candidate a misspelled word most likely meant (case is ignored), or undefined where none is near. */
export function nearest(word: unknown, candidates: readonly string[]): string | undefined {
  if (typeof word !== 'string' && typeof word !== 'number') return undefined;
  const wanted = String(word).toLowerCase();
  if (wanted === '' || wanted.length > MAX_WORD_LENGTH) return undefined;
  let best: { candidate: string; edits: number } | undefined;
  for (const candidate of candidates) {
    const edits = distance(wanted, candidate.toLowerCase());
    const allowed = Math.max(1, Math.floor(Math.max(wanted.length, candidate.length) / 3));
    if (edits <= allowed && edits < candidate.length && edits < (best?.edits ?? Infinity))
      best = { candidate, edits };
  }
  return best?.candidate;
}
