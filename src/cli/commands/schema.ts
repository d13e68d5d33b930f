import type { Command } from 'commander';
import type { Context } from '../context.ts';

/** Declares `schema`. */
export function declareSchema(program: Command, context: Context, end: (exit: number) => void): void {
  program
    .command('schema')
    .summary('JSON Schema of the job file, for editors')
    .description('Prints the JSON Schema of job files, so that an editor completes and checks them.')
    .addHelpText('after', '\nExamples:\n  evolink schema > job-file.schema.json')
    .action(async () => {
      const { runSchema } = await import('../run-schema.ts');
      end(await runSchema(context));
    });
}
