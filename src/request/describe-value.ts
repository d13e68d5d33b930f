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
  const line = safe.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\s]+/gu, ' ').trim();
  const characters = [...line];
  return characters.length > MAX_CHARACTERS ? `${characters.slice(0, MAX_CHARACTERS - 1).join('')}…` : line;
}
