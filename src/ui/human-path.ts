import { sanitizeServerText } from '../platform/server-text.ts';

/** Longer than any path or command; a cut one could not be copied. */
const MAX_LENGTH = 8_192;

/** Makes a path or a command fit for a screen and a CI log: as `sanitizeServerText`, but never cut. */
export function toHumanPath(text: string): string {
  return sanitizeServerText(text, { maxLength: MAX_LENGTH });
}
