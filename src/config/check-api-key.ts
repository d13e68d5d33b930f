import { EvolinkError } from '../errors.ts';

export const KEYS_PAGE = 'https://evolink.ai/dashboard/keys';
const MAX_KEY_CHARACTERS = 1000;

export interface CheckedApiKey {
  readonly key: string;
  readonly notes: readonly string[];
}

/**
 * Checks that a text can be an API key, before any request: one word of printable ASCII (it becomes an HTTP header).
 * White space around it is left out, with a note unless it is the line end that files and commands put there.
 * @throws EvolinkError `auth`; the message names the source and what is wrong, never the text
 */
export function checkApiKey(text: string, source: string): CheckedApiKey {
  const line = text.replace(/^\uFEFF/, '').replace(/\r?\n$/, '');
  const key = line.trim();
  const problem = keyProblem(key);
  if (problem !== undefined) {
    throw new EvolinkError('auth', `the API key from ${source} ${problem}`, {
      hint: `copy the key again from ${KEYS_PAGE}`,
      charged: 'no',
    });
  }
  return {
    key,
    notes: key === line ? [] : [`the API key from ${source} had white space around it, which was left out`],
  };
}

function keyProblem(key: string): string | undefined {
  if (key === '') return 'is empty';
  if (/[\r\n]/.test(key)) return 'holds a line break; a key is one line';
  if (/^bearer\s/i.test(key)) return 'starts with "Bearer"; give the key alone';
  if (/\s/.test(key)) return 'holds white space';
  if (!/^[\x21-\x7e]+$/.test(key))
    return 'holds a character that no key has (only printable ASCII is allowed)';
  if (/^(["'`]).*\1$/.test(key)) return 'is in quotes; leave the quotes out';
  return key.length > MAX_KEY_CHARACTERS ? `is longer than ${MAX_KEY_CHARACTERS} characters` : undefined;
}
