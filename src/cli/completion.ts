import type { Command, Option } from 'commander';
import { ASPECT_RATIOS, QUALITIES, TIERS } from '../request/models.ts';

export type Shell = 'bash' | 'zsh' | 'fish' | 'powershell';

interface CompletedFlag {
  /** `-d` and `--duration`. */
  readonly names: readonly string[];
  readonly description: string;
  readonly takesValue: boolean;
  /** The values there are, where that is a short list. */
  readonly values: readonly string[];
  /** Its value is a file or a folder. */
  readonly isPath: boolean;
}

interface CompletedCommand {
  readonly name: string;
  readonly summary: string;
  readonly flags: readonly CompletedFlag[];
  /** Names of subcommands, or the values of a first argument. */
  readonly words: readonly string[];
}

interface CommandTree {
  readonly globalFlags: readonly CompletedFlag[];
  readonly commands: readonly CompletedCommand[];
}

const VALUES: Readonly<Record<string, readonly string[]>> = {
  tier: TIERS,
  quality: QUALITIES,
  aspectRatio: ASPECT_RATIOS,
};
const PATH_NAMES = /file|path|job|dir|folder/;
/** Media may be files as well as URLs. */
const MEDIA = new Set(['image', 'video', 'audio', 'first', 'last']);

/** What there is to complete, as plain data. */
export function readCommandTree(program: Command): CommandTree {
  const commands = program.commands.map((command) => ({
    name: command.name(),
    summary: command.summary() || command.description(),
    flags: flagsOf(command),
    words: wordsOf(command, program),
  }));
  return { globalFlags: flagsOf(program), commands };
}

function flagsOf(command: Command): CompletedFlag[] {
  const help = command.createHelp();
  return help.visibleOptions(command).map(toFlag);
}

function toFlag(option: Option): CompletedFlag {
  const name = option.attributeName();
  const takesValue = option.required || option.optional;
  const valueName = /[<[]([^>\]]+)/.exec(option.flags)?.[1] ?? '';
  return {
    names: [option.short, option.long].filter((each) => each !== undefined),
    description: option.description,
    takesValue,
    values: option.argChoices ?? (takesValue ? (VALUES[name] ?? []) : []),
    isPath: takesValue && (PATH_NAMES.test(valueName) || MEDIA.has(name)) && name !== 'job',
  };
}

function wordsOf(command: Command, program: Command): readonly string[] {
  if (command.commands.length > 0) return command.commands.map((child) => child.name());
  const [first] = command.registeredArguments;
  if (command.name() === 'help') return program.commands.map((each) => each.name());
  return first?.argChoices ?? [];
}

/** For bash 3.2 and newer, without the bash-completion package. Names are of letters, digits and dashes only. */
function bashScript({ globalFlags, commands }: CommandTree): string {
  const everyFlag = [...globalFlags, ...commands.flatMap(({ flags }) => flags)];
  const verbs = commands.map(({ name }) => name);
  return `# completion of evolink for bash; load it with: eval "$(evolink completion bash)"
_evolink() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} verb= index words=
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    case \${COMP_WORDS[index]} in
      ${verbs.join('|')}) verb=\${COMP_WORDS[index]}; break ;;
    esac
  done
  case $prev in
${valueCases(everyFlag).join('\n')}
  esac
  case $cur in
    -*)
      case $verb in
${commands.map(({ name, flags }) => `        ${name}) words='${namesOf(flags)}' ;;`).join('\n')}
      esac
      COMPREPLY=($(compgen -W "$words ${namesOf(globalFlags)}" -- "$cur"))
      return ;;
  esac
  case $verb in
    '') COMPREPLY=($(compgen -W '${verbs.join(' ')}' -- "$cur")) ;;
${commands
  .filter(({ words }) => words.length > 0)
  .map(({ name, words }) => `    ${name}) COMPREPLY=($(compgen -W '${words.join(' ')}' -- "$cur")) ;;`)
  .join('\n')}
  esac
}
complete -o default -F _evolink evolink evolink-video
`;
}

function namesOf(flags: readonly CompletedFlag[]): string {
  return [...new Set(flags.flatMap(({ names }) => names))].join(' ');
}

/** After a flag that takes a value: its values, files, or nothing. A flag means the same in every command. */
function valueCases(flags: readonly CompletedFlag[]): string[] {
  const cases = new Map<string, string>();
  for (const { names, takesValue, values, isPath } of flags) {
    if (!takesValue) continue;
    const action =
      values.length > 0
        ? `COMPREPLY=($(compgen -W '${values.join(' ')}' -- "$cur")); return`
        : isPath
          ? 'COMPREPLY=($(compgen -f -- "$cur")); return'
          : 'compopt +o default 2>/dev/null; return';
    cases.set(names.join('|'), `    ${names.join('|')}) ${action} ;;`);
  }
  return [...cases.values()];
}

/** For zsh with `compinit`: sourced, or as `_evolink` in a folder of `$fpath`. */
function zshScript({ globalFlags, commands }: CommandTree): string {
  const verbs = commands.map(({ name, summary }) => `    ${quote(`${name}:${plain(summary)}`)}`);
  const cases = commands.map(({ name, flags, words }) => {
    const rest = words.length > 0 ? `'*: :(${words.join(' ')})'` : "'*: :_files'";
    return `    ${name})\n      _arguments -s ${[...flags, ...globalFlags].flatMap(specsOf).join(' ')} ${rest} ;;`;
  });
  return `#compdef evolink evolink-video
# completion of evolink for zsh; load it with: eval "$(evolink completion zsh)"
_evolink() {
  local -a verbs
  verbs=(
${verbs.join('\n')}
  )
  local index verb=
  for ((index = 2; index < CURRENT; index++)); do
    if (( \${verbs[(I)\${words[index]}:*]} )); then verb=\${words[index]}; break; fi
  done
  if [[ -z $verb ]]; then
    if [[ $PREFIX == -* ]]; then
      _arguments -s ${globalFlags.flatMap(specsOf).join(' ')}
    else
      _describe command verbs
    fi
    return
  fi
  shift $((index - 1)) words
  (( CURRENT -= index - 1 ))
  case $verb in
${cases.join('\n')}
  esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _evolink "$@"
else
  compdef _evolink evolink evolink-video
fi
`;
}

/** \`_arguments\` reads brackets and colons, so neither may be in a description. */
function plain(text: string): string {
  return text
    .replace(/[[\]:\\]/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function specsOf({ names, description, takesValue, values, isPath }: CompletedFlag): string[] {
  const value = values.length > 0 ? `(${values.join(' ').replaceAll(':', '\\:')})` : isPath ? '_files' : ' ';
  return names.map((name) => quote(`*${name}[${plain(description)}]${takesValue ? `:value:${value}` : ''}`));
}

/** For fish: sourced, or as `evolink.fish` in a folder of `$fish_complete_path`. */
function fishScript({ globalFlags, commands }: CommandTree): string {
  const verbs = commands.map(({ name }) => name).join(' ');
  const lines = ['evolink', 'evolink-video'].flatMap((program) => [
    ...globalFlags.map((flag) => flagLine(program, flag)),
    ...commands.map(
      ({ name, summary }) =>
        `complete -c ${program} -n "not __fish_seen_subcommand_from ${verbs}" -f -a ${name} -d ${quoteOfFishScript(summary)}`,
    ),
    ...commands.flatMap(({ name, flags, words }) => [
      ...flags.map((flag) => flagLine(program, flag, name)),
      ...(words.length === 0
        ? []
        : [
            `complete -c ${program} -n "__fish_seen_subcommand_from ${name}" -f -a ${quoteOfFishScript(words.join(' '))}`,
          ]),
    ]),
  ]);
  return `# completion of evolink for fish; load it with: evolink completion fish | source\n${lines.join('\n')}\n`;
}

function flagLine(program: string, flag: CompletedFlag, verb?: string): string {
  const condition = verb === undefined ? '' : ` -n "__fish_seen_subcommand_from ${verb}"`;
  const names = flag.names.map((name) =>
    name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`,
  );
  const value =
    flag.values.length > 0
      ? ` -x -a ${quoteOfFishScript(flag.values.join(' '))}`
      : flag.isPath
        ? ' -r -F'
        : ' -x';
  return `complete -c ${program}${condition} ${names.join(' ')}${flag.takesValue ? value : ''} -d ${quoteOfFishScript(flag.description)}`;
}

function quoteOfFishScript(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

/** For PowerShell 5.1 and newer: put it into `$PROFILE`. */
function powershellScript({ globalFlags, commands }: CommandTree): string {
  const rows = commands.map(
    ({ name, flags, words }) =>
      `    ${quoteOfPowershellScript(name)} = ${list([...words, ...flags.flatMap(({ names }) => names)])}`,
  );
  const values = new Map<string, string>();
  for (const flag of [...globalFlags, ...commands.flatMap(({ flags }) => flags)]) {
    for (const name of flag.names) if (flag.values.length > 0) values.set(name, valueRow(name, flag));
  }
  return `# completion of evolink for PowerShell; load it with: evolink completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName evolink, evolink-video -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $commands = @{
${rows.join('\n')}
  }
  $values = @{
${[...values.values()].join('\n')}
  }
  $before = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object { $_.ToString() })
  $verb = $before | Select-Object -Skip 1 | Where-Object { $commands.ContainsKey($_) } | Select-Object -First 1
  $last = if ($before.Count -gt 0) { $before[-1] } else { '' }
  $words = if ($values.ContainsKey($last)) { $values[$last] }
    elseif ($verb) { $commands[$verb] + ${list(globalFlags.flatMap(({ names }) => names))} }
    else { ${list([...commands.map(({ name }) => name), ...globalFlags.flatMap(({ names }) => names)])} }
  $words | Where-Object { $_ -clike "$wordToComplete*" } | ForEach-Object {
    [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
  }
}
`;
}

function valueRow(name: string, { values }: CompletedFlag): string {
  return `    ${quoteOfPowershellScript(name)} = ${list(values)}`;
}

function list(words: readonly string[]): string {
  return `@(${[...new Set(words)].map(quoteOfPowershellScript).join(', ')})`;
}

function quoteOfPowershellScript(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

const SCRIPTS: Readonly<Record<Shell, (tree: CommandTree) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
  powershell: powershellScript,
};

/** The completion script for a shell: static, it never runs evolink. Ends in a newline. */
export function completionScript(shell: Shell, tree: CommandTree): string {
  return SCRIPTS[shell](tree);
}
