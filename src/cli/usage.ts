import type { CommanderError } from 'commander';
import { EvolinkError } from '../errors.ts';
import { quoteCommand } from '../platform/text.ts';
import { OPERATIONS } from '../request/models.ts';
import { COMMANDS } from './commands.ts';
import { mediaCommand, mediaFlag } from './media.ts';
import { createOwnCommands } from './session.ts';

const LOGIN = 'evolink config init --user';

/** What other tools call it, or 0.1.0 did, too far from our word for a search by spelling; and what to do here. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'version -v': 'evolink --version',
  'list ls jobs tasks': 'evolink status (ended tasks: evolink history)',
  'auth login': LOGIN,
  logout: 'evolink config unset api_key',
  init: `${LOGIN} (or a first job file: evolink run --init)`,
  'balance usage': 'evolink credits',
  'models prices': 'evolink help models',
  'generate create make': 'evolink t2v "a paper boat on a lake at dawn"',
  retry: 'evolink resume (to submit it again: evolink again last)',
  'delete rm': 'evolink history --erase --before 90d',
  'cancel stop': 'the service cannot cancel a task; to save its clip when it is done: evolink resume',
  '--seed': 'the service has no seed; for several clips of a request: --count 3',
  '--output-dir': 'a folder ends in a slash: -o clips/',
  '--ratio --size': 'did you mean --aspect-ratio?',
  '--resolution': 'did you mean --quality?',
  '--length --seconds': 'did you mean --duration?',
  '--no-audio --silent': 'did you mean --mute?',
  '--force': 'did you mean --overwrite?',
  '--adopt': 'leave --adopt out: evolink run copies clips of equal requests by itself',
  '--no-adopt': 'to make clips again: evolink run FILE --force --only NAME',
};

/** Commands whose one argument is a prompt. */
const PROMPT_VERBS: readonly string[] = OPERATIONS;

const WRONG_VALUE = /^option '(?:-\w, )?(--[\w-]+).*?' argument '(.*)' is invalid\. It must be (.*)\.$/s;
const WRONG_CHOICE =
  /^command-argument value '(.*)' is invalid for argument '.*'\. Allowed choices are (.*)\.$/s;

/** The parser's own words, in our form: what, the value, and one command or flag that helps. */
export function usageError(error: CommanderError, argv: readonly string[]): EvolinkError {
  const message = error.code === 'commander.help' ? 'missing command' : error.message;
  const [, text = '', suggestion] = /^(?:error: )?(.*?)(?:\n\(D(id you mean .*)\))?$/s.exec(message) ?? [];
  const verb = argv.find((word) => /^[a-z][a-z0-9]*$/.test(word)) ?? '';
  const rest = argv.slice(argv.indexOf(verb) + 1);
  const [, word = ''] = /^unknown (?:option|command|command or topic) '(.*)'$/s.exec(text) ?? [];
  const [flag = '', value] = word.split(/=(.*)/s);
  // Nothing reads a key from there: the arguments of a process can be read by every user of the machine.
  if (/^--(?:[\w-]*api[-_]?)?(?:key|token)\b/i.test(flag))
    return new EvolinkError('usage', 'the API key is never taken from a flag, as other users could see it', {
      hint: LOGIN,
    });
  const isExcess = error.code === 'commander.excessArguments';
  const subcommand = `${verb} ${rest[0]}`;
  // A group takes no argument of its own: what it got is a subcommand that there is none of.
  const isGroup = isExcess && COMMANDS.some(({ name }) => name.startsWith(`${verb} `));
  const what = isGroup
    ? `unknown command '${subcommand}'`
    : text.replace(WRONG_VALUE, '$1 "$2": must be $3').replace(WRONG_CHOICE, '"$1": must be one of $2');
  const hint = () => {
    // The flag had a value in 0.1.0, and must not become a wider force.
    if (verb === 'run' && flag === '--force') return `evolink run FILE --force --only '${value}'`;
    const [, elsewhere] = Object.entries(ELSEWHERE).find(([words]) => words.split(' ').includes(flag)) ?? [];
    if (elsewhere !== undefined) return elsewhere;
    // A prompt that begins with a dash: no flag has white space or a digit first.
    if (PROMPT_VERBS.includes(verb) && /^-\d|^-.*\s/.test(word))
      return `to use it as the prompt: ${quoteCommand(['evolink', verb, '-p', word])}`;
    if (verb === '' && /^[^-]\S*\s+\S/.test(word)) return quoteCommand(['evolink', 't2v', word]);
    if (suggestion !== undefined) return `d${suggestion}`;
    if (isExcess && PROMPT_VERBS.includes(verb)) {
      // More than one argument: a media file that lacks its flag, else a prompt without quotes.
      const file = rest.find((each, index) => mediaFlag(each) && !rest[index - 1]?.startsWith('-'));
      return file === undefined
        ? `put the whole prompt in quotes: evolink ${verb} "a paper boat in the rain"`
        : `name a media file with its flag: ${mediaCommand(verb, file)}`;
    }
    if (verb === '' || text.startsWith('unknown command')) return 'evolink --help';
    return `evolink ${COMMANDS.some(({ name }) => name === subcommand) ? subcommand : verb} --help`;
  };
  return new EvolinkError('usage', what, {
    hint: createOwnCommands(argv.includes('--sandbox')).inText(hint()),
  });
}
