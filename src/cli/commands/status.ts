import { type Command, Option } from 'commander';
import type { Context } from '../context.ts';

/** Declares `status`. */
export function declareStatus(program: Command, context: Context, end: (exit: number) => void): void {
  program
    .command('status')
    .summary('state of tasks, and the time left on their links')
    .description(
      'State, progress and time left on the link: of the tasks named, or of everything unfinished or unsaved.',
    )
    .argument('[id...]', 'task ids or local ids')
    .option('--watch', 'look again until everything has ended')
    .addOption(
      new Option(
        '--prune [age]',
        'remove records of tasks that ended longer ago than this (default 30d)',
      ).conflicts('watch'),
    )
    .addHelpText(
      'after',
      '\nExamples:\n  evolink status\n  evolink status task-unified-1774857405-abc123 --json',
    )
    .action(async (ids: string[], _options: unknown, self: Command) => {
      const { runStatus } = await import('../run-status.ts');
      end(await runStatus(context, { ids, options: self.optsWithGlobals() }));
    });
}
