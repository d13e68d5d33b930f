import type { Command } from 'commander';
import type { Context } from '../context.ts';

/** Declares `config` and `config init`. */
export function declareConfig(program: Command, context: Context, end: (exit: number) => void): void {
  const config = program
    .command('config')
    .summary('every setting, its value and where it came from')
    .description('Shows every setting, its value and where it came from; secrets are masked.')
    .addHelpText('after', '\nExamples:\n  evolink config\n  evolink config init')
    .action(async (_options: unknown, self: Command) => {
      const { runConfig } = await import('../run-config.ts');
      end(await runConfig(context, self.optsWithGlobals()));
    });
  config
    .command('init')
    .summary('write a commented .evolinkrc')
    .description('Writes a commented .evolinkrc into the working directory; an existing one is left alone.')
    .action(async (_options: unknown, self: Command) => {
      const { runConfigInit } = await import('../run-config.ts');
      end(await runConfigInit(context, self.optsWithGlobals()));
    });
}
