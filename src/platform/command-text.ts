import { sanitizeServerText } from './text.ts';

/** Longer than any path or command; a cut one could not be copied. */
const MAX_LENGTH = 8_192;

/** Makes a path or a command fit for a screen and a CI log: as `sanitizeServerText`, but never cut. */
export function toHumanPath(text: string): string {
  return sanitizeServerText(text, { maxLength: MAX_LENGTH });
}

/** As `toHumanPath`, for several lines: a stack trace. */
export function toHumanText(text: string): string {
  return sanitizeServerText(text, { maxLength: MAX_LENGTH, multiline: true });
}

/** Without a leading `=`, which zsh expands to the path of a command. */
const SAFE_WORD = /^[\w@%+:,./-][\w@%+=:,./-]*$/;

/** Joins arguments into one line that a POSIX shell reads back as the same arguments. */
export function quoteCommand(words: readonly string[]): string {
  return words.map(quoteWord).join(' ');
}

function quoteWord(word: string): string {
  return SAFE_WORD.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
