import type { Command } from 'commander';
import type { Context } from '../context.ts';

/** Declares `credits`. */
export function declareCredits(program: Command, context: Context, end: (exit: number) => void): void {
  program
    .command('credits')
    .summary('balance, and what was spent from here')
    .description(
      'The balance of the account and of the key, and what the records on this machine say was spent. Costs nothing.',
    )
    .addHelpText('after', '\nExamples:\n  evolink credits\n  evolink credits --json')
    .action(async (_options: unknown, self: Command) => {
      const { runCredits } = await import('../run-credits.ts');
      end(await runCredits(context, self.optsWithGlobals()));
    });
}
