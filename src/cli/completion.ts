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

export type Shell = keyof typeof SCRIPTS;

/** The script that a shell loads: it calls `evolink __complete`. Ends in a newline. */
export function completionScript(shell: Shell): string {
  return SCRIPTS[shell];
}
