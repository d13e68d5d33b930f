import type { Command } from 'commander';
import type { Context } from '../context.ts';

/** Declares `check`. */
export function declareCheck(program: Command, context: Context, end: (exit: number) => void): void {
  program
    .command('check')
    .summary('check reference media by the limits of the service')
    .description(
      'Looks at pictures, clips and sounds, or at the media of all jobs of a job file (YAML or JSON): type, pixels, length, frame rate, size. Sends nothing. Exit 0 when all fit, 2 when not.',
    )
    .argument('<file...>', 'media files, or job files')
    .option('--check-urls', 'look at the first bytes of URLs too')
    .option('--job <name>', 'the job to take where a job file has several (default: all)')
    .addHelpText(
      'after',
      '\nExamples:\n  evolink check style.png intro.mp4\n  evolink check job.yaml --json\n  evolink check https://example.com/clip.mp4 --check-urls',
    )
    .action(async (files: string[], _options: unknown, self: Command) => {
      const { runCheck } = await import('../run-check.ts');
      end(await runCheck(context, { files, options: self.optsWithGlobals() }));
    });
}
