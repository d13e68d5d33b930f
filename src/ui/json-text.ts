/** What `JSON.stringify` leaves bare: DEL and C1, format characters (bidi, zero width, tags), U+2028 and U+2029. */
const BARE_CONTROLS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * One JSON document on one line, without the final newline. No control or invisible character stands bare in it: they
 * are escaped, so that the data stay the same. `##[` is escaped too, as GitHub's runner obeys it anywhere in a line.
 */
export function toJsonText(document: unknown): string {
  return JSON.stringify(document).replace(BARE_CONTROLS, escapeUnits).replaceAll('##[', '##\\u005b');
}

function escapeUnits(text: string): string {
  return text
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');
}
