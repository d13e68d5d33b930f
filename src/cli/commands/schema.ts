import { Argument, type Command } from 'commander';
import type { Context } from '../context.ts';

export const SCHEMAS = ['job-file', 'report'] as const;
export type SchemaName = (typeof SCHEMAS)[number];

/** Declares `schema`. */
export function declareSchema(program: Command, context: Context, end: (exit: number) => void): void {
  program
    .command('schema')
    .summary('JSON Schema of the job file and of the report, for editors and scripts')
    .description(
      'Prints the JSON Schema of job files, so that an editor completes and checks them, or of the JSON report of a run, which is what --json prints as well.',
    )
    .addArgument(new Argument('[of]', 'which one').choices(SCHEMAS).default('job-file'))
    .addHelpText(
      'after',
      '\nExamples:\n  evolink schema > job-file.schema.json\n  evolink schema report > report.schema.json',
    )
    .action(async (name: SchemaName) => {
      const { runSchema } = await import('../run-schema.ts');
      end(await runSchema(context, name));
    });
}
