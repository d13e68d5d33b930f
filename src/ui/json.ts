/** What `JSON.stringify` leaves bare: DEL and C1, format characters (bidi, zero width, tags), U+2028 and U+2029. */
const BARE_CONTROLS = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * One JSON document, on one line unless indented, without the final newline. No control or invisible character stands
 * bare in it: they are escaped, so that the data stay the same. `##[` is escaped too, as GitHub's runner obeys it
 * anywhere in a line.
 */
export function toJsonText(document: unknown, indent?: number): string {
  return JSON.stringify(document, null, indent)
    .replace(BARE_CONTROLS, escapeUnits)
    .replace(/#(?=#\w*\[)/g, '\\u0023');
}

function escapeUnits(text: string): string {
  return text
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');
}

/** The furthest moment that a `Date` can hold (ECMA-262); beyond it `toISOString` throws. */
const LAST_MOMENT_MS = 8.64e15;

/** ISO 8601 in UTC, or null for a moment that is unknown or makes no sense. */
export function toIsoTime(atMs: number | undefined): string | null {
  const isMoment = atMs !== undefined && Math.abs(atMs) <= LAST_MOMENT_MS;
  return isMoment ? new Date(atMs).toISOString() : null;
}
