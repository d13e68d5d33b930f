import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { addOutputFlags } from '../flags.ts';

/** Declares `resume`. */
export function declareResume(program: Command, context: Context, end: (exit: number) => void): void {
  const command = program
    .command('resume')
    .summary('continue unfinished tasks: settle, wait, save')
    .description(
      'Continues everything unfinished, or the tasks named: settles uncertain submissions by looking, waits, saves. Buys nothing.',
    )
    .argument('[id...]', 'task ids or local ids')
    .option('--timeout <time>', 'how long to wait, such as 90s, 30m, 2h; 0 looks once (default 30m)')
    .option(
      '--resubmit <id>',
      'send an uncertain request again, with the same idempotency key: your decision',
    )
    .option('--task <id>', 'with one id: its task, which you have found in the dashboard: your decision')
    .option('--dry-run', 'show what would be done; do nothing');
  addOutputFlags(command);
  command
    .addHelpText(
      'after',
      '\nExamples:\n  evolink resume\n  evolink resume task-unified-1774857405-abc123 --timeout 2h',
    )
    .action(async (ids: string[], _options: unknown, self: Command) => {
      const { runResume } = await import('../run-resume.ts');
      end(await runResume(context, { ids, options: self.optsWithGlobals() }));
    });
}
