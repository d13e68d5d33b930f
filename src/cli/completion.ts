import { readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Command, Option } from 'commander';
import { EvolinkError, inputError } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { configFolder, isFile, makeFolder } from '../platform/folders.ts';
import { localIoError } from '../platform/fs-error.ts';
import { toHumanPath } from '../platform/text.ts';
import { FIELDS, type FieldRow } from '../request/fields.ts';
import { MODELS } from '../request/models.ts';
import type { TaskRecord } from '../task/record.ts';
import { type Invocation, keyOf } from './flags.ts';
import { statePlace } from './form.ts';
import { openReporter, runInFrame } from './frame.ts';

// ---- What may stand at the cursor

type Candidate = readonly [value: string, help?: string | undefined];
/** Files are listed by the shell itself. */
type Offer = readonly Candidate[] | 'files';

const MAX_ENDED = 50;

function namesOf({ short, long }: Option): readonly string[] {
  return [short, long].filter((name) => name !== undefined);
}

const ofTask = ({ taskId, localId, body }: TaskRecord) => [taskId ?? localId, body?.prompt] as const;

/** Reads the words before the cursor as the parser would take them. */
async function offer(
  context: Context,
  program: Command,
  words: readonly string[],
  current: string,
  pages: readonly string[],
): Promise<Offer> {
  let command = program;
  /** The flag whose value comes next. */
  let flag: Option | undefined;
  /** The last flag; one of media takes all files that follow. */
  let last: Option | undefined;
  /** Words that are neither flags, values of flags, nor the command. */
  const bare: string[] = [];
  const options = (): readonly Option[] => {
    const help = command.createHelp();
    return [...help.visibleOptions(command), ...help.visibleGlobalOptions(command)];
  };
  const optionOf = (name: string) => options().find((option) => namesOf(option).includes(name));
  for (const word of words) {
    if (flag !== undefined) flag = undefined;
    else if (/^-./.test(word)) {
      last = optionOf(word);
      if (last?.required === true) flag = last;
    } else {
      const found = command.commands.find((each) => each.name() === word);
      if (found === undefined || bare.length > 0) bare.push(word);
      else command = found;
    }
  }
  const openJournal = async () => {
    const { folder } = statePlace(context, { sandbox: words.includes('--sandbox') });
    return (await import('../task/journal.ts')).createJournal({ ...context, folder });
  };
  const openTasks = async () => (await (await openJournal()).readOpen()).records.map(ofTask);
  /** By the values of the field that the flag gives, else by the name of its value. */
  const valuesOf = async (option: Option): Promise<Offer> => {
    const fields: readonly FieldRow[] = FIELDS;
    const name = option.attributeName();
    const field = fields.find(({ key }) => key === keyOf(name));
    const values = name === 'model' ? MODELS.map(({ id }) => id) : field?.values;
    if (values !== undefined) return values.map((value) => [value]);
    if (/<(?:file|path|job)/.test(option.flags)) return 'files';
    if (!/<(?:glob|name)>/.test(option.flags)) return name === 'resubmit' ? openTasks() : [];
    const files = [...bare, ...words.filter((_, index) => /^(?:-f|--file)$/.test(words[index - 1] ?? ''))];
    const { readJobFiles } = await import('../run/expand.ts');
    const { jobs } = await readJobFiles(files, context);
    return [...new Set(jobs.flatMap((job) => [job.group, job.name]))].map((job) => [job]);
  };
  if (flag !== undefined) return valuesOf(flag);
  const [, start, name = ''] = /^((--[\w-]+)=)/.exec(current) ?? [];
  if (start !== undefined) {
    const option = optionOf(name);
    const values = option === undefined ? [] : await valuesOf(option);
    return values === 'files' ? values : values.map(([value, help]) => [start + value, help]);
  }
  if (current.startsWith('-'))
    return options().flatMap((each) => namesOf(each).map((value) => [value, each.description] as const));
  const isNext = bare.length === 0;
  if (isNext && command.commands.length > 0)
    return command.commands.map((each) => [each.name(), each.summary()]);
  const [argument] = command.registeredArguments;
  const spelling = argument?.name() ?? '';
  const topics = [...program.commands.map((each) => each.name()), ...pages];
  const choices = command.name() === 'help' ? topics : argument?.argChoices;
  if (choices !== undefined) return isNext ? choices.map((value) => [value]) : [];
  if (spelling.includes('last')) {
    const tasks: Candidate[] = isNext ? [['last', 'the newest task']] : [];
    for (const record of isNext ? (await openJournal()).readEnded() : [])
      if (tasks.push(ofTask(record)) > MAX_ENDED) break;
    // Else it may be the path of a clip.
    return tasks.some(([value]) => value.startsWith(current)) ? tasks : 'files';
  }
  if (spelling.includes('id')) return openTasks();
  if (spelling.includes('key')) {
    const { SETTING_ROWS } = await import('../config/keys.ts');
    return isNext ? SETTING_ROWS.map(({ key, description }) => [key, description]) : [];
  }
  return spelling.includes('file') || last?.flags.includes('<file|url>') === true ? 'files' : [];
}

/** The words of a line of bash up to the cursor: the last may be empty. Quotes and backslashes are read, nothing is run. */
function splitLine(line: string): readonly string[] {
  const words = line.match(/(?:\\.|"(?:\\.|[^"\\])*"?|'[^']*'?|[^\s"'\\])+|\s+$/gs) ?? [];
  return words.map((word) => (/^\s+$/.test(word) ? '' : word.replaceAll(/\\(.)|["']/gs, '$1')));
}

/**
 * `evolink __complete SHELL …`, which the scripts below call: the words that may stand at the cursor, one a line, each with
 * its description as the shell takes it; `:files` where the shell lists files. Reads no key and never fails.
 * @param input for bash the characters that end a word and the line up to the cursor, else the word at the cursor with
 *   `=` before it (an empty argument may get lost) and the words before
 */
export async function completeWords(
  context: Context,
  [shell, ...input]: readonly string[],
  programOf: (words: readonly string[]) => Command,
  pages: readonly string[],
): Promise<string> {
  const [first = '', second = ''] = input;
  const words = shell === 'bash' ? splitLine(second).slice(1) : [...input.slice(1), first.slice(1)];
  const current = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  const found = await offer(context, programOf(before), before, current, pages).catch(() => []);
  if (found === 'files') return ':files\n';
  // bash completes what follows the last colon or equals sign alone.
  const ends = [...'=:'].filter((each) => shell === 'bash' && first.includes(each));
  const cut = Math.max(0, ...ends.map((each) => current.lastIndexOf(each) + 1));
  // The name of a job may be anything. zsh and fish quote what they insert, the others insert it as it is, and a shell runs
  // what a name holds behind a `$`.
  const unfit = shell === 'zsh' || shell === 'fish' ? /\p{C}/u : /[\p{C}\s"'`$&|;<>()[\]{}*?!#~^\\]/u;
  return found
    .filter(([value]) => value.startsWith(current) && !unfit.test(value))
    .map(([value, help = '']) => {
      const text = help.replaceAll(/[\p{C}\p{Z}]+/gu, ' ').slice(0, 100);
      if (shell === 'bash') return `${value.slice(cut)}\n`;
      if (shell !== 'zsh') return `${value}\t${text}\n`;
      // Behind a colon zsh shows even an empty text.
      return `${value.replaceAll(':', '\\:')}${text && `:${text}`}\n`;
    })
    .join('');
}

// ---- The scripts

/** What a shell loads: each calls `evolink __complete`. */
const SCRIPTS = {
  bash: `# completion of evolink for bash; load it with: eval "$(evolink completion bash)"
_evolink() {
  local IFS=$'\\n'
  COMPREPLY=($("$1" __complete bash "$COMP_WORDBREAKS" "\${COMP_LINE:0:COMP_POINT}" 2>/dev/null))
  if [[ \${COMPREPLY[0]-} == :files ]]; then
    COMPREPLY=()
    compopt -o default 2>/dev/null || COMPREPLY=($(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}"))
  fi
}
complete -F _evolink evolink evolink-video
`,
  zsh: `#compdef evolink evolink-video
# completion of evolink for zsh; load it with: eval "$(evolink completion zsh)"
_evolink() {
  local -a found
  found=("\${(@f)$($words[1] __complete zsh "=$PREFIX" "\${(@Q)words[2,CURRENT-1]}" 2>/dev/null)}")
  if [[ $found[1] == :files ]]; then
    compset -P '--*='
    _files
  elif [[ -n $found[1] ]]; then
    _describe evolink found
  fi
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _evolink "$@"; else compdef _evolink evolink evolink-video; fi
`,
  fish: `# completion of evolink for fish; load it with: evolink completion fish | source
function __evolink_complete
  set -l words (commandline -opc)
  set -l found ($words[1] __complete fish "="(commandline -ct) $words[2..-1] 2>/dev/null)
  if test "$found[1]" = :files
    __fish_complete_path (commandline -ct)
  else
    printf '%s\\n' $found
  end
end
complete -c evolink -f -a '(__evolink_complete)'
complete -c evolink-video -f -a '(__evolink_complete)'
`,
  powershell: `# completion of evolink for PowerShell; load it with: evolink completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName evolink, evolink-video -ScriptBlock {
  param($word, $ast, $cursor)
  $words = @($ast.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursor } | ForEach-Object { "$_" })
  $program, $before = $words
  & $program __complete powershell "=$word" @before | ForEach-Object {
    $value, $help = $_ -split "\`t", 2
    if ($value -eq ':files') { return }
    [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $(if ($help) { $help } else { $value }))
  }
}
`,
};

type Shell = keyof typeof SCRIPTS;

const MARK = '# evolink completion';

/** Where the script goes, and for most shells the file that loads it, with the line that does. */
function placeOf(shell: Shell, { env, platform, home }: Context) {
  const config = env.XDG_CONFIG_HOME || join(home, '.config');
  const isPowershell = shell === 'powershell';
  if (shell === 'fish') return { script: join(config, 'fish', 'completions', 'evolink.fish') };
  const script = join(configFolder(env, platform, home), `completion.${isPowershell ? 'ps1' : shell}`);
  const quoted = `'${script.replaceAll("'", isPowershell ? "''" : "'\\''")}'`;
  if (isPowershell) {
    const profiles = platform === 'win32' ? join(home, 'Documents', 'PowerShell') : join(config, shell);
    const startFile = join(profiles, 'Microsoft.PowerShell_profile.ps1');
    return { script, startFile, line: `if (Test-Path ${quoted}) { . ${quoted} } ${MARK}` };
  }
  const isBash = shell === 'bash';
  // Completion of zsh has to be switched on first, which many, but not all, start files do.
  const load = isBash
    ? `. ${quoted}`
    : `{ (( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }; . ${quoted}; }`;
  const startFile = isBash ? join(home, '.bashrc') : join(env.ZDOTDIR || home, '.zshrc');
  return { script, startFile, line: `[ -f ${quoted} ] && ${load} ${MARK}` };
}

/**
 * `evolink completion SHELL`: its script. With `--install` that becomes a file of our own, and a marked line at the end of
 * the start file of the shell; nothing of the user's is changed, and a second time changes nothing.
 */
export async function runCompletion({ context, args: [shell], options }: Invocation): Promise<number> {
  if (options.installShell !== true && isShell(shell)) {
    const text = SCRIPTS[shell];
    await (await openReporter(context, options)).print('text', { text }, text);
    return 0;
  }
  return runInFrame(context, { form: options }, async ({ reporter }) => {
    if (options.installShell !== true)
      throw inputError(
        "missing required argument 'shell'",
        'evolink completion --install sets up your shell',
      );
    const { SHELL, PSModulePath } = context.env;
    const found = shell ?? (SHELL ? basename(SHELL) : PSModulePath && 'powershell');
    if (!isShell(found))
      throw inputError(
        `there is no completion for the shell "${found ?? ''}"`,
        'evolink completion bash --install (or zsh, fish, powershell)',
      );
    const { script, startFile, line } = placeOf(found, context);
    const isScriptNew = await change(script, 'w', (before) => {
      if (before !== '' && !before.includes('completion of evolink for'))
        throw new EvolinkError('local-io', `"${script}" exists, and is not by evolink`);
      return before === SCRIPTS[found] ? '' : SCRIPTS[found];
    });
    const toLine = (before: string) =>
      before.includes(MARK) ? '' : `${before === '' || before.endsWith('\n') ? '' : '\n'}${line}\n`;
    const isLineNew = startFile !== undefined && (await change(startFile, 'a', toLine));
    if (isScriptNew) reporter.note(`wrote ${toHumanPath(script)}`);
    if (isLineNew) reporter.note(`added a line to ${toHumanPath(startFile)}`);
    const isNew = isScriptNew || isLineNew;
    reporter.note(
      isNew ? `new ${found} sessions complete evolink` : `completion for ${found} is already installed`,
    );
    const path = startFile ?? script;
    await reporter.print('written', { path }, `${toHumanPath(path)}\n`);
    return 0;
  });
}

function isShell(name: string | undefined): name is Shell {
  return name !== undefined && Object.hasOwn(SCRIPTS, name);
}

/** Writes what is wanted beside what is there. @returns whether it was anything @throws EvolinkError `local-io` */
async function change(path: string, flag: 'w' | 'a', toText: (before: string) => string): Promise<boolean> {
  try {
    const text = toText(isFile(path) ? await readFile(path, 'utf8') : '');
    if (text === '') return false;
    await makeFolder(dirname(path));
    await writeFile(path, text, { flag });
    return true;
  } catch (error) {
    throw localIoError(error, 'write', path);
  }
}
