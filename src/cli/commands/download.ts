import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { addOutputFlags } from '../flags.ts';

/** Declares `download`. */
export function declareDownload(program: Command, context: Context, end: (exit: number) => void): void {
  const command = program
    .command('download')
    .summary('save finished tasks')
    .description(
      'Saves the clips of finished tasks: those named, also by the bare id on another machine, or all of them.',
    )
    .argument('[id...]', 'task ids or local ids')
    .option('--all', 'everything that is finished and not saved');
  addOutputFlags(command);
  command
    .addHelpText(
      'after',
      '\nExamples:\n  evolink download task-unified-1774857405-abc123 -o clip.mp4\n  evolink download --all',
    )
    .action(async (ids: string[], _options: unknown, self: Command) => {
      const { runDownload } = await import('../run-download.ts');
      end(await runDownload(context, { ids, options: self.optsWithGlobals() }));
    });
}
