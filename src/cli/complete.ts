import { resolve } from 'node:path';
import type { Context } from '../platform/context.ts';
import type { TaskRecord } from '../task/record.ts';
import { COMMANDS, type CommandRow, TOPICS } from './commands.ts';
import { FLAGS, type FlagRow, FORM_FLAGS, namesOf } from './flags.ts';
import { statePlace } from './form.ts';

interface Candidate {
  readonly value: string;
  readonly help?: string | undefined;
}

/** What may stand at the cursor; files are listed by the shell itself. */
type Offer = readonly Candidate[] | 'files';

const HELP: CommandRow = {
  name: 'help',
  summary: 'help for a command or a topic',
  argument: ['[name]', 'command or topic'],
  choices: [...COMMANDS.flatMap(({ name }) => (name.includes(' ') ? [] : [name])), ...Object.keys(TOPICS)],
};
const ROWS = [...COMMANDS, HELP];

/** The words before the cursor, as the parser would take them. */
type Line = ReturnType<typeof readLine>;

function flagsOf(command: CommandRow | undefined): readonly FlagRow[] {
  const uses = [...Object.values(command?.flags ?? {}).flat(), ...FORM_FLAGS];
  const rows = uses.flatMap((use) => {
    const [name, help] = typeof use === 'string' ? [use] : use;
    const row: FlagRow = FLAGS[name];
    if (row.isHidden === true) return [];
    const no = { spelling: row.spelling.replace('--', '--no-'), help: row.noHelp ?? '' };
    return [{ ...row, help: help ?? row.help }, ...(row.noHelp === undefined ? [] : [no])];
  });
  return [...rows, { spelling: '-h, --help', help: 'print help' }];
}

function readLine(words: readonly string[]) {
  let command: CommandRow | undefined;
  /** The flag whose value comes next. */
  let flag: FlagRow | undefined;
  /** The last flag; one of media takes all files that follow. */
  let last: FlagRow | undefined;
  /** Words that are neither flags, values of flags, nor the command. */
  const bare: string[] = [];
  for (const word of words) {
    if (flag !== undefined) flag = undefined;
    else if (/^-./.test(word)) {
      last = flagsOf(command).find((row) => namesOf(row).includes(word));
      if (last?.spelling.includes('<')) flag = last;
    } else {
      const name = command === undefined ? word : `${command.name} ${word}`;
      const found = bare.length === 0 ? ROWS.find((row) => row.name === name) : undefined;
      if (found === undefined) bare.push(word);
      else command = found;
    }
  }
  return { command, bare, flag, last, words };
}

async function offer(line: Line, current: string, context: Context): Promise<Offer> {
  const { command, bare, flag, last } = line;
  if (flag !== undefined) return offerValue(flag, line, context);
  const [, start, name = ''] = /^((--[\w-]+)=)/.exec(current) ?? [];
  if (start !== undefined) {
    const row = flagsOf(command).find((each) => namesOf(each).includes(name));
    const values = row === undefined ? [] : await offerValue(row, line, context);
    return values === 'files' ? values : values.map((each) => ({ ...each, value: `${start}${each.value}` }));
  }
  if (current.startsWith('-'))
    return flagsOf(command).flatMap((row) => namesOf(row).map((value) => ({ value, help: row.help })));
  const inside = command === undefined ? '' : `${command.name} `;
  const below = ROWS.flatMap(({ name: whole, summary: help }) => {
    const value = whole.slice(inside.length);
    return whole.startsWith(inside) && !value.includes(' ') ? [{ value, help }] : [];
  });
  if (bare.length === 0 && below.length > 0) return below;
  const [spelling = ''] = command?.argument ?? [];
  const isNext = bare.length === 0;
  if (command?.choices !== undefined) return isNext ? command.choices.map((value) => ({ value })) : [];
  if (spelling.includes('last')) {
    const tasks = isNext ? await offerEnded(line, context) : [];
    // Else it may be the path of a clip.
    return tasks.some(({ value }) => value.startsWith(current)) ? tasks : 'files';
  }
  if (spelling.includes('id')) return offerIds(line, context);
  if (spelling.includes('key')) {
    const { SETTING_ROWS } = await import('../config/keys.ts');
    return isNext ? SETTING_ROWS.map(({ key, description }) => ({ value: key, help: description })) : [];
  }
  return spelling.includes('file') || last?.spelling.includes('<file|url>') ? 'files' : [];
}

/** By the list of values that the row has, else by the name of the value. */
async function offerValue(row: FlagRow, line: Line, context: Context): Promise<Offer> {
  if (row.values !== undefined) return row.values.map((value) => ({ value }));
  if (/<(?:file|path|job)/.test(row.spelling)) return 'files';
  if (/<(?:glob|name)>/.test(row.spelling)) return offerJobs(line, context);
  return row.spelling.includes('--resubmit') ? offerIds(line, context) : [];
}

async function openJournal({ words }: Line, context: Context) {
  const { folder } = statePlace(context, { sandbox: words.includes('--sandbox') });
  const { createJournal } = await import('../task/journal.ts');
  return createJournal({ ...context, folder });
}

const toCandidate = ({ taskId, localId, body }: TaskRecord): Candidate => ({
  value: taskId ?? localId,
  help: body?.prompt,
});

async function offerIds(line: Line, context: Context): Promise<Offer> {
  const { records } = await (await openJournal(line, context)).readOpen();
  return records.map(toCandidate);
}

const MAX_ENDED = 50;

/** `last`, and the newest of the tasks that have ended. */
async function offerEnded(line: Line, context: Context): Promise<readonly Candidate[]> {
  const tasks: Candidate[] = [];
  for (const record of (await openJournal(line, context)).readEnded())
    if (tasks.push(toCandidate(record)) >= MAX_ENDED) break;
  return [{ value: 'last', help: 'the newest task' }, ...tasks];
}

/** The names of the entries of the job files on the line. */
async function offerJobs({ words, bare }: Line, context: Context): Promise<Offer> {
  const [{ MAX_YAML_BYTES, readYaml }, { readTextFile }] = await Promise.all([
    import('../config/yaml.ts'),
    import('../platform/read-file.ts'),
  ]);
  const files = [...bare, ...words.filter((_, index) => /^(?:-f|--file)$/.test(words[index - 1] ?? ''))];
  const names = files.map(async (file) => {
    const path = resolve(context.cwd, file);
    const { text } = await readTextFile(path, { label: 'job file', maxBytes: MAX_YAML_BYTES });
    const jobs: unknown = Object(readYaml(text).document?.value).jobs;
    // In a list, only some may have a name.
    if (Array.isArray(jobs))
      return jobs.flatMap((job) => (job?.name === undefined ? [] : [String(job.name)]));
    return Object.keys(Object(jobs));
  });
  return (await Promise.all(names)).flat().map((value) => ({ value }));
}

/** The words of a line of bash up to the cursor: the last may be empty. Quotes and backslashes are read, nothing is run. */
function splitLine(line: string): readonly string[] {
  const words = line.match(/(?:\\.|"(?:\\.|[^"\\])*"?|'[^']*'?|[^\s"'\\])+|\s+$/gs) ?? [];
  return words.map((word) => (/^\s+$/.test(word) ? '' : word.replaceAll(/\\(.)|["']/gs, '$1')));
}

/**
 * `evolink __complete SHELL …`, which the scripts of `completion.ts` call: the words that may stand at the cursor, one a line, each with
 * its description as the shell takes it; `:files` where the shell lists files. Reads no key and never fails.
 * @param input for bash the characters that end a word and the line up to the cursor, else the word at the cursor with
 *   `=` before it (an empty argument may get lost) and the words before
 */
export async function completeWords(context: Context, [shell, ...input]: readonly string[]): Promise<string> {
  const [first = '', second = ''] = input;
  const words = shell === 'bash' ? splitLine(second).slice(1) : [...input.slice(1), first.slice(1)];
  const current = words.at(-1) ?? '';
  const found = await offer(readLine(words.slice(0, -1)), current, context).catch(() => []);
  if (found === 'files') return ':files\n';
  // bash completes what follows the last colon or equals sign alone.
  const ends = [...'=:'].filter((each) => shell === 'bash' && first.includes(each));
  const cut = Math.max(0, ...ends.map((each) => current.lastIndexOf(each) + 1));
  return found
    .filter(({ value }) => value.startsWith(current))
    .map(({ value, help = '' }) => {
      const text = help.replaceAll(/[\p{C}\p{Z}]+/gu, ' ').slice(0, 100);
      if (shell === 'bash') return `${value.slice(cut)}\n`;
      return shell === 'zsh' ? `${value.replaceAll(':', '\\:')}:${text}\n` : `${value}\t${text}\n`;
    })
    .join('');
}
