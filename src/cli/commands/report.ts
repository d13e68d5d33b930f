import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { collect } from '../flags.ts';

/** Declares `report merge`. */
export function declareReport(program: Command, context: Context, end: (exit: number) => void): void {
  const report = program
    .command('report')
    .summary('reports of finished runs')
    .description('Works on the JSON reports of finished runs. Nothing is sent.')
    .helpCommand(false)
    .addHelpText(
      'after',
      '\nExamples:\n  evolink report merge shard-1.json shard-2.json --report gallery.html',
    );
  report
    .command('merge')
    .summary('one report of several runs, such as shards')
    .description(
      'Reads JSON reports of `evolink run` and writes one report of all, in any format: merged shards, or another form of a single report.',
    )
    .argument('<file...>', 'JSON reports')
    .option('--report <file>', 'where to write: .json, .xml (JUnit), .md or .html; repeatable', collect)
    .addHelpText(
      'after',
      '\nExamples:\n  evolink report merge shard-1.json shard-2.json --report gallery.html\n  evolink report merge run.json --report run.html --report run.xml',
    )
    .action(async (files: string[], _options: unknown, self: Command) => {
      const { runReportMerge } = await import('../run-report-merge.ts');
      end(await runReportMerge(context, { files, options: self.optsWithGlobals() }));
    });
}
