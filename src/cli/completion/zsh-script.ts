import type { CommandTree, CompletedFlag } from './command-tree.ts';

/** For zsh with `compinit`: sourced, or as `_evolink` in a folder of `$fpath`. */
export function zshScript({ globalFlags, commands }: CommandTree): string {
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
