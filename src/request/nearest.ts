import { distance } from 'fastest-levenshtein';

/** A word this long is no misspelling; measuring its distance would only cost time. */
const MAX_WORD_LENGTH = 100;

/** The candidate a misspelled word most likely meant (case is ignored), or undefined where none is near. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  if (word === '' || word.length > MAX_WORD_LENGTH) return undefined;
  const wanted = word.toLowerCase();
  let best: { candidate: string; edits: number } | undefined;
  for (const candidate of candidates) {
    const edits = distance(wanted, candidate.toLowerCase());
    const allowed = Math.max(1, Math.floor(Math.max(wanted.length, candidate.length) / 3));
    if (edits <= allowed && edits < candidate.length && (best === undefined || edits < best.edits)) {
      best = { candidate, edits };
    }
  }
  return best?.candidate;
}
