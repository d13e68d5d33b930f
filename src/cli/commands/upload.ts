import { type Command, Option } from 'commander';
import type { Context } from '../context.ts';
import { collect } from '../flags.ts';

/** Declares `upload`. */
export function declareUpload(program: Command, context: Context, end: (exit: number) => void): void {
  program
    .command('upload')
    .summary('upload reference media, print their URLs')
    .description(
      'Checks local files, uploads them (free; kept for 72 hours) and prints one URL a line, in order. Generating commands do the same by themselves.',
    )
    .argument('[file...]', 'pictures, clips or sounds')
    .addOption(new Option('--list', 'show the files that the service holds').conflicts('delete'))
    .option('--delete <id>', 'delete an uploaded file; repeatable', collect)
    .addHelpText(
      'after',
      '\nExamples:\n  evolink upload style.png bgm.mp3\n  evolink upload --list\n  evolink upload --delete file_abc123',
    )
    .action(async (files: string[], _options: unknown, self: Command) => {
      const { runUpload } = await import('../run-upload.ts');
      end(await runUpload(context, { files, options: self.optsWithGlobals() }));
    });
}
