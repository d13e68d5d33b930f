import type { Shell } from '../commands/completion.ts';
import { bashScript } from './bash-script.ts';
import type { CommandTree } from './command-tree.ts';
import { fishScript } from './fish-script.ts';
import { powershellScript } from './powershell-script.ts';
import { zshScript } from './zsh-script.ts';

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
