import type { CommandTree, CompletedFlag } from './command-tree.ts';

/** For bash 3.2 and newer, without the bash-completion package. Names are of letters, digits and dashes only. */
export function bashScript({ globalFlags, commands }: CommandTree): string {
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
