import { extname } from 'node:path';
import type { CommanderError } from 'commander';
import { EvolinkError } from '../errors.ts';
import { quoteCommand } from '../platform/text.ts';

/** What other tools call it, and too far from our word for a search by spelling. */
const OTHER_FLAGS: Readonly<Record<string, string | undefined>> = {
  '--ratio': '--aspect-ratio',
  '--size': '--aspect-ratio',
  '--resolution': '--quality',
  '--length': '--duration',
  '--seconds': '--duration',
  '--no-audio': '--mute',
  '--silent': '--mute',
  '--force': '--overwrite',
};

const LOGIN = 'set EVOLINK_API_KEY to your key, then: evolink doctor';

/** Commands that other tools have, and what to do here. */
const OTHER_COMMANDS: Readonly<Record<string, string | undefined>> = {
  version: 'evolink --version',
  list: 'evolink status',
  ls: 'evolink status',
  auth: LOGIN,
  login: LOGIN,
  cancel: 'the service cannot cancel a task; once it has ended: evolink resume',
  stop: 'the service cannot stop a task; once it has ended: evolink resume',
};

/** Flags of `run` that 0.1.0 had, with what takes their place. */
const WITHDRAWN: readonly (readonly [RegExp, (value: string) => string])[] = [
  [/^unknown option '--force=(.*)'$/, (glob) => `evolink run FILE --force --only '${glob}'`],
  [
    /^unknown option '(--adopt)/,
    () => 'leave --adopt out: evolink run copies clips of equal requests by itself',
  ],
  [/^unknown option '(--no-adopt)/, () => 'to make clips again: evolink run FILE --force --only NAME'],
];

function withdrawnFlag(text: string, verb: string | undefined): string | undefined {
  if (verb !== 'run') return undefined;
  for (const [pattern, replacement] of WITHDRAWN) {
    const [, value] = pattern.exec(text) ?? [];
    if (value !== undefined) return replacement(value);
  }
  return undefined;
}

/** Commands whose one argument is a prompt. */
const PROMPT_VERBS = ['t2v', 'i2v', 'ref'];

/** The flag that names a file of this kind. */
const MEDIA_FLAGS: Readonly<Record<string, string | undefined>> = {
  '.jpg': '-i',
  '.jpeg': '-i',
  '.png': '-i',
  '.webp': '-i',
  '.mp4': '-v',
  '.mov': '-v',
  '.mp3': '-a',
  '.wav': '-a',
};

/** The parser's words for a wrong value, and ours. */
const VALUE_ERRORS: readonly RegExp[] = [
  /^option '(?:-\w, )?(--[\w-]+).*?' argument '(.*)' is invalid\. It must be (.*)\.$/s,
  /^command-argument value '(.*)' is invalid for argument '(.*)'\. Allowed choices are (.*)\.$/s,
];

function describeMistake(text: string): string {
  const [, flag, given, expected] = VALUE_ERRORS[0]?.exec(text) ?? [];
  if (flag !== undefined) return `${flag} "${given}": must be ${expected}`;
  const [, word, , choices] = VALUE_ERRORS[1]?.exec(text) ?? [];
  return word === undefined ? text : `"${word}": must be one of ${choices}`;
}

/** The parser's own words, in our form: what, the value, and one command or flag that helps. */
export function usageError(error: CommanderError, argv: readonly string[]): EvolinkError {
  const message = error.message.replace(/^error: /, '');
  const [text = message, suggestion] = message.split('\n').map((line) => line.replace(/^\(|\)$/g, ''));
  const verb = argv.find((word) => /^[a-z][a-z0-9]*$/.test(word));
  const isVerb = verb !== undefined && !text.startsWith('unknown command');
  const [, flag = ''] = /^unknown option '(-[\w-]+)/.exec(text) ?? [];
  const [, name = ''] = /^unknown command(?: or topic)? '(.*)'$/.exec(text) ?? [];
  if (isKeyFlag(flag)) {
    return new EvolinkError('usage', 'the API key is never taken from a flag, as other users could see it', {
      hint: 'set EVOLINK_API_KEY or EVOLINK_API_KEY_FILE',
    });
  }
  const withdrawn = withdrawnFlag(text, verb);
  const ours = OTHER_FLAGS[flag];
  const hints = [
    withdrawn,
    flag === '-v' ? OTHER_COMMANDS.version : OTHER_COMMANDS[name],
    ours && `did you mean ${ours}?`,
    suggestion?.replace(/^D/, 'd'),
    error.code === 'commander.excessArguments' ? excessHint(argv, verb) : undefined,
    isVerb ? `evolink ${verb} --help` : 'evolink --help',
  ];
  const what = error.code === 'commander.help' ? 'missing command' : describeMistake(text);
  return new EvolinkError('usage', what, { hint: hints.find((hint) => hint !== undefined) });
}

/** More than one argument: a media file that lacks its flag, else a prompt without quotes. */
function excessHint(argv: readonly string[], verb: string | undefined): string | undefined {
  if (verb === undefined || !PROMPT_VERBS.includes(verb)) return undefined;
  const bare = argv.slice(argv.indexOf(verb) + 1);
  const isFlagged = (index: number): boolean => bare[index - 1]?.startsWith('-') === true;
  const file = bare.find((word, index) => MEDIA_FLAGS[extname(word).toLowerCase()] && !isFlagged(index));
  if (file === undefined) return `put the whole prompt in quotes: evolink ${verb} "a paper boat in the rain"`;
  const command = verb === 't2v' ? 'i2v' : verb;
  const flag = MEDIA_FLAGS[extname(file).toLowerCase()] ?? '-i';
  return `name a media file with its flag: ${quoteCommand(['evolink', command])} "…" ${quoteCommand([flag, file])}`;
}

/** Nothing reads a key from there: the arguments of a process can be read by every user of the machine. */
function isKeyFlag(flag: string): boolean {
  return /^--(api-?)?(key|token)\b/i.test(flag);
}
