import { readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { configFolder, makeFolder } from '../platform/folders.ts';
import { fsErrorCode, localIoError } from '../platform/fs-error.ts';
import { toHumanPath } from '../platform/text.ts';
import type { Invocation } from './flags.ts';
import { runInFrame } from './frame.ts';

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
  const folder = configFolder(env, platform, home);
  if (shell === 'fish') return { script: join(config, 'fish', 'completions', 'evolink.fish') };
  const script = join(folder, shell === 'powershell' ? 'completion.ps1' : `completion.${shell}`);
  const quote = shell === 'powershell' ? "''" : "'\\''";
  const quoted = `'${script.replaceAll("'", quote)}'`;
  if (shell === 'powershell') {
    const profiles =
      platform === 'win32' ? join(home, 'Documents', 'PowerShell') : join(config, 'powershell');
    const startFile = join(profiles, 'Microsoft.PowerShell_profile.ps1');
    return { script, startFile, line: `if (Test-Path ${quoted}) { . ${quoted} } ${MARK}` };
  }
  if (shell === 'bash')
    return { script, startFile: join(home, '.bashrc'), line: `[ -f ${quoted} ] && . ${quoted} ${MARK}` };
  // Completion of zsh has to be switched on first, which many, but not all, start files do.
  const load = `{ (( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }; . ${quoted}; }`;
  const startFile = join(env.ZDOTDIR || home, '.zshrc');
  return { script, startFile, line: `[ -f ${quoted} ] && ${load} ${MARK}` };
}

/**
 * `evolink completion SHELL`: its script. With `--install` that becomes a file of our own, and a marked line at the end of
 * the start file of the shell; nothing of the user's is changed, and a second time changes nothing.
 */
export async function runCompletion({ context, args: [shell], options, print }: Invocation): Promise<number> {
  if (options.installShell !== true && shell !== undefined && isShell(shell)) {
    print(SCRIPTS[shell]);
    return 0;
  }
  return runInFrame(context, { form: options }, async ({ reporter }) => {
    if (options.installShell !== true)
      throw new EvolinkError('usage', "missing required argument 'shell'", {
        hint: 'evolink completion --install sets up your shell',
      });
    const { SHELL, PSModulePath } = context.env;
    const found = shell ?? (SHELL ? basename(SHELL) : PSModulePath && 'powershell') ?? '';
    if (!isShell(found))
      throw new EvolinkError('usage', `there is no completion for the shell "${found}"`, {
        hint: 'evolink completion bash --install (or zsh, fish, powershell)',
      });
    const { script, startFile, line } = placeOf(found, context);
    const hasWritten = await change(script, 'w', (before) => {
      if (before !== '' && !before.includes('completion of evolink for'))
        throw new EvolinkError('local-io', `"${script}" exists, and is not by evolink`);
      return before === SCRIPTS[found] ? '' : SCRIPTS[found];
    });
    const toLine = (before: string) =>
      before.includes(MARK) ? '' : `${before === '' || before.endsWith('\n') ? '' : '\n'}${line}\n`;
    const hasAdded = startFile !== undefined && (await change(startFile, 'a', toLine));
    if (hasWritten) reporter.note(`wrote ${toHumanPath(script)}`);
    if (hasAdded) reporter.note(`added a line to ${toHumanPath(startFile)}`);
    reporter.note(
      hasWritten || hasAdded
        ? `new ${found} sessions complete evolink`
        : `completion for ${found} is already installed`,
    );
    const path = startFile ?? script;
    await reporter.print('written', { path }, `${toHumanPath(path)}\n`);
    return 0;
  });
}

function isShell(name: string): name is Shell {
  return Object.hasOwn(SCRIPTS, name);
}

/** Writes what is wanted beside what is there. @returns whether it was anything @throws EvolinkError `local-io` */
async function change(path: string, flag: 'w' | 'a', toText: (before: string) => string): Promise<boolean> {
  try {
    const text = toText(
      await readFile(path, 'utf8').catch((error) => {
        if (fsErrorCode(error) === 'ENOENT') return '';
        throw error;
      }),
    );
    if (text === '') return false;
    await makeFolder(dirname(path));
    await writeFile(path, text, { flag });
    return true;
  } catch (error) {
    throw isEvolinkError(error) ? error : localIoError(error, 'write', path);
  }
}
