import type { Secrets } from '../platform/secrets.ts';
import { type ServerTextOptions, sanitizeServerText } from '../platform/server-text.ts';

/** Makes text of the other side fit to be kept and shown: no key in it, no control characters, bounded. */
export type CleanText = (text: string, options?: ServerTextOptions) => string;

/** A filter that knows the secrets of one client. */
export function createCleanText(secrets: Secrets): CleanText {
  // Masked before the cut, so that no half of a key remains; and after, for a key split by what was taken out.
  return (text, options) => secrets.mask(sanitizeServerText(secrets.mask(text), options));
}

const MAX_RAW_CHARACTERS = 16 * 1024;

/**
 * The start of a body for the record of a request whose outcome is unknown: without the key, anything that looks like a
 * bearer token, and the queries of links (their signatures).
 */
export function keepRawBody(text: string, secrets: Secrets): string {
  return secrets
    .mask(text.slice(0, MAX_RAW_CHARACTERS * 4))
    .replace(/\b(bearer\s+)[\w.~+/=-]+/gi, '$1***')
    .replace(/\bsk-[\w-]{8,}/g, '***')
    .replace(/(https?:\/\/[^\s"'<>?#]+)\?[^\s"'<>]*/gi, '$1?***')
    .slice(0, MAX_RAW_CHARACTERS);
}
