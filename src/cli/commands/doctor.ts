import type { Command } from 'commander';
import type { Context } from '../context.ts';

/** Declares `doctor`. */
export function declareDoctor(program: Command, context: Context, end: (exit: number) => void): void {
  program
    .command('doctor')
    .summary('one look at everything that can be wrong')
    .description(
      'Looks at Node, config, key, proxy, service, clock, records and disk. Costs nothing; ends with 0, or with the exit code of the first thing that is wrong.',
    )
    .addHelpText('after', '\nExamples:\n  evolink doctor\n  evolink doctor --json')
    .action(async (_options: unknown, self: Command) => {
      const { runDoctor } = await import('../run-doctor.ts');
      end(await runDoctor(context, self.optsWithGlobals()));
    });
}
