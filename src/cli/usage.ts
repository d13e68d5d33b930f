import type { CommanderError } from 'commander';
import { EvolinkError } from '../errors.ts';
import { quoteCommand } from '../platform/text.ts';
import { OPERATIONS } from '../request/models.ts';
import { COMMANDS } from './commands.ts';
import { mediaCommand, mediaFlag } from './media.ts';
import { createOwnCommands } from './session.ts';

const LOGIN = 'evolink config init --user';
const LIST = 'evolink status (ended tasks: evolink history)';
const MAKE = 'evolink t2v "a paper boat on a lake at dawn"';
const ERASE = 'evolink history --erase --before 90d';
const CANCEL = 'the service cannot cancel a task; to save its clip when it is done: evolink resume';

/** What other tools call it, or 0.1.0 did, too far from our word for a search by spelling; and what to do here. */
const ELSEWHERE: Readonly<Record<string, string | undefined>> = {
  version: 'evolink --version',
  '-v': 'evolink --version',
  list: LIST,
  ls: LIST,
  jobs: LIST,
  tasks: LIST,
  auth: LOGIN,
  login: LOGIN,
  logout: 'evolink config unset api_key',
  init: `${LOGIN} (or a first job file: evolink run --init)`,
  balance: 'evolink credits',
  usage: 'evolink credits',
  models: 'evolink help models',
  prices: 'evolink help models',
  generate: MAKE,
  create: MAKE,
  make: MAKE,
  retry: 'evolink resume (to submit it again: evolink again last)',
  delete: ERASE,
  rm: ERASE,
  cancel: CANCEL,
  stop: CANCEL,
  '--seed': 'the service has no seed; for several clips of a request: --count 3',
  '--output-dir': 'a folder ends in a slash: -o clips/',
  '--ratio': 'did you mean --aspect-ratio?',
  '--size': 'did you mean --aspect-ratio?',
  '--resolution': 'did you mean --quality?',
  '--length': 'did you mean --duration?',
  '--seconds': 'did you mean --duration?',
  '--no-audio': 'did you mean --mute?',
  '--silent': 'did you mean --mute?',
  '--force': 'did you mean --overwrite?',
  'run --adopt': 'leave --adopt out: evolink run copies clips of equal requests by itself',
  'run --no-adopt': 'to make clips again: evolink run FILE --force --only NAME',
};

/** Commands whose one argument is a prompt. */
const PROMPT_VERBS: readonly (string | undefined)[] = OPERATIONS;

/** Commands that only hold others, or do without an argument. */
const GROUPS = ['config', 'report'];

/** The parser's own words, in our form: what, the value, and one command or flag that helps. */
export function usageError(error: CommanderError, argv: readonly string[]): EvolinkError {
  const message = error.code === 'commander.help' ? 'missing command' : error.message;
  const [, text = '', suggestion] = /^(?:error: )?(.*?)(?:\n\(D(id you mean .*)\))?$/s.exec(message) ?? [];
  const verb = argv.find((word) => /^[a-z][a-z0-9]*$/.test(word));
  const [, word = ''] = /^unknown (?:option|command|command or topic) '(.*)'$/s.exec(text) ?? [];
  const [flag = '', value] = word.split(/=(.*)/s);
  // Nothing reads a key from there: the arguments of a process can be read by every user of the machine.
  if (/^--(api-?)?(key|token)\b/i.test(flag))
    return new EvolinkError('usage', 'the API key is never taken from a flag, as other users could see it', {
      hint: LOGIN,
    });
  const isExcess = error.code === 'commander.excessArguments';
  // A group takes no argument of its own: what it got is a subcommand that there is none of.
  const group = isExcess && GROUPS.find((name) => name === verb);
  const what = group
    ? `unknown command '${group} ${argv[argv.indexOf(group) + 1]}'`
    : text
        .replace(
          /^option '(?:-\w, )?(--[\w-]+).*?' argument '(.*)' is invalid\. It must be (.*)\.$/s,
          '$1 "$2": must be $3',
        )
        .replace(
          /^command-argument value '(.*)' is invalid for argument '.*'\. Allowed choices are (.*)\.$/s,
          '"$1": must be one of $2',
        );
  const hint = () => {
    // The flag had a value in 0.1.0, and must not become a wider force.
    if (verb === 'run' && flag === '--force') return `evolink run FILE --force --only '${value}'`;
    const elsewhere = (verb === 'run' ? ELSEWHERE[`run ${flag}`] : undefined) ?? ELSEWHERE[flag];
    if (elsewhere !== undefined) return elsewhere;
    // A prompt that begins with a dash: no flag has white space or a digit first.
    if (PROMPT_VERBS.includes(verb) && /^-\d|^-.*\s/.test(word))
      return `to use it as the prompt: ${quoteCommand(['evolink', verb ?? '', '-p', word])}`;
    if (verb === undefined && /^[^-]\S*\s+\S/.test(word)) return quoteCommand(['evolink', 't2v', word]);
    if (suggestion !== undefined) return `d${suggestion}`;
    if (isExcess && verb !== undefined && PROMPT_VERBS.includes(verb)) {
      // More than one argument: a media file that lacks its flag, else a prompt without quotes.
      const words = argv.slice(argv.indexOf(verb) + 1);
      const file = words.find((each, index) => mediaFlag(each) && !words[index - 1]?.startsWith('-'));
      return file === undefined
        ? `put the whole prompt in quotes: evolink ${verb} "a paper boat in the rain"`
        : `name a media file with its flag: ${mediaCommand(verb, file)}`;
    }
    if (verb === undefined || text.startsWith('unknown command')) return 'evolink --help';
    const subcommand = `${verb} ${argv[argv.indexOf(verb) + 1]}`;
    return `evolink ${COMMANDS.some(({ name }) => name === subcommand) ? subcommand : verb} --help`;
  };
  return new EvolinkError('usage', what, {
    hint: createOwnCommands(argv.includes('--sandbox')).inText(hint()),
  });
}
