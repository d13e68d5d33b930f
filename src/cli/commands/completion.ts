import { Argument, type Command } from 'commander';
import type { ProgramOutput } from '../program.ts';

export const SHELLS = ['bash', 'zsh', 'fish', 'powershell'] as const;
export type Shell = (typeof SHELLS)[number];

/** Declares `completion`. It reads the commands when it runs, so their order does not matter. */
export function declareCompletion(
  program: Command,
  output: ProgramOutput,
  end: (exit: number) => void,
): void {
  program
    .command('completion')
    .summary(`completion for ${SHELLS.join(', ')}`)
    .description('Prints a script that completes commands, flags and values in a shell.')
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .addHelpText(
      'after',
      '\nExamples:\n  eval "$(evolink completion bash)"\n  evolink completion fish > ~/.config/fish/completions/evolink.fish',
    )
    .action(async (shell: Shell) => {
      const { completionScript } = await import('../completion/completion-script.ts');
      const { readCommandTree } = await import('../completion/command-tree.ts');
      output.writeOut(completionScript(shell, readCommandTree(program)));
      end(0);
    });
}
