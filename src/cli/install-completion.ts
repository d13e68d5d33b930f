import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { EvolinkError } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { configFolder, makeFolder } from '../platform/folders.ts';
import { fsErrorCode, localIoError } from '../platform/fs-error.ts';
import { toHumanPath } from '../platform/text.ts';
import { completionScript, type Shell } from './completion.ts';
import type { FlagValues } from './flags.ts';
import { runInFrame } from './frame.ts';

const MARK = '# evolink completion';
const SHELLS: readonly string[] = ['bash', 'zsh', 'fish', 'powershell'] satisfies Shell[];

/** Where the script goes, and for most shells the file that loads it, with the line that does. */
interface Place {
  readonly script: string;
  readonly startFile?: string;
  readonly line?: string;
}

function placeOf(shell: Shell, { env, platform, home }: Context): Place {
  const config = env.XDG_CONFIG_HOME || join(home, '.config');
  if (shell === 'fish') return { script: join(config, 'fish', 'completions', 'evolink.fish') };
  const folder = configFolder(env, platform, home);
  if (shell === 'powershell') {
    const script = join(folder, 'completion.ps1');
    const profiles =
      platform === 'win32' ? join(home, 'Documents', 'PowerShell') : join(config, 'powershell');
    const quoted = `'${script.replaceAll("'", "''")}'`;
    const line = `if (Test-Path ${quoted}) { . ${quoted} } ${MARK}`;
    return { script, startFile: join(profiles, 'Microsoft.PowerShell_profile.ps1'), line };
  }
  const script = join(folder, `completion.${shell}`);
  const quoted = `'${script.replaceAll("'", "'\\''")}'`;
  if (shell === 'bash')
    return {
      script,
      startFile: join(home, '.bashrc'),
      line: `[ -f ${quoted} ] && . ${quoted} ${MARK}`,
    };
  // Completion of zsh has to be switched on first, which many, but not all, start files do.
  const load = `{ (( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }; . ${quoted}; }`;
  return {
    script,
    startFile: join(env.ZDOTDIR || home, '.zshrc'),
    line: `[ -f ${quoted} ] && ${load} ${MARK}`,
  };
}

/**
 * `evolink completion [shell] --install`: a script of our own, and a marked line at the end of the start file of the shell.
 * Nothing of the user's is changed, and a second time changes nothing.
 */
export function installCompletion(
  context: Context,
  { shell, options }: { readonly shell: string | undefined; readonly options: FlagValues },
): Promise<number> {
  return runInFrame(context, { form: options }, async ({ reporter }) => {
    if (options.installShell !== true)
      throw new EvolinkError('usage', "missing required argument 'shell'", {
        hint: 'evolink completion --install sets up your shell',
      });
    const { SHELL, PSModulePath } = context.env;
    const found = shell ?? (SHELL ? basename(SHELL) : PSModulePath && 'powershell');
    if (!isShell(found))
      throw new EvolinkError('usage', `there is no completion for the shell "${found ?? ''}"`, {
        hint: `evolink completion bash --install (or ${SHELLS.slice(1).join(', ')})`,
      });
    const { script, startFile, line } = placeOf(found, context);
    const hasWritten = await writeScript(script, completionScript(found));
    const hasAdded = startFile !== undefined && (await addLine(startFile, line ?? ''));
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

function isShell(name: string | undefined): name is Shell {
  return name !== undefined && SHELLS.includes(name);
}

/** @returns false where the script is there already. @throws EvolinkError `local-io` where the file is another's */
async function writeScript(path: string, text: string): Promise<boolean> {
  const before = await readIfThere(path);
  if (before === text) return false;
  if (before !== undefined && !before.includes('completion of evolink for'))
    throw new EvolinkError('local-io', `"${path}" exists, and is not by evolink`);
  try {
    await makeFolder(dirname(path));
    await writeFile(path, text);
  } catch (error) {
    throw localIoError(error, 'write', path);
  }
  return true;
}

/** @returns false where the line, or one like it, is there already */
async function addLine(path: string, line: string): Promise<boolean> {
  const before = (await readIfThere(path)) ?? '';
  if (before.includes(MARK)) return false;
  try {
    await makeFolder(dirname(path));
    await appendFile(path, `${before === '' || before.endsWith('\n') ? '' : '\n'}${line}\n`);
  } catch (error) {
    throw localIoError(error, 'write', path);
  }
  return true;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (fsErrorCode(error) === 'ENOENT') return undefined;
    throw localIoError(error, 'read', path);
  }
}
