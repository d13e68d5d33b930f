import { dirname, resolve } from 'node:path';
import { EvolinkError } from '../errors.ts';
import { readTextFile } from '../platform/read-file.ts';
import { quoteCommand } from '../platform/text.ts';
import { mergeReports, missingText } from '../report/merge.ts';
import { type RunReport, readReport } from '../report/run-report.ts';
import { checkReports, writeReports } from '../report/write.ts';
import type { Invocation } from './flags.ts';
import { runInFrame } from './frame.ts';

/** About a hundred thousand jobs. */
const MAX_REPORT_BYTES = 256 * 1_000_000;

/**
 * `evolink report merge`: stdout names the files that were written, one a line. That jobs failed is told by the runs
 * themselves, so the exit code speaks of the merge alone: 14 where the report of a shard is missing.
 */
export function runReportMerge({ context, args: files, options }: Invocation): Promise<number> {
  const { cwd } = context;
  const { report: targets = [] } = options;
  return runInFrame(context, { form: options }, async ({ warn, reporter }) => {
    if (targets.length === 0)
      throw new EvolinkError('usage', 'no file to write the merged report to', {
        hint: `evolink report merge ${quoteCommand(files)} --report report.html`,
      });
    await checkReports(targets, cwd);
    const read: RunReport[] = [];
    for (const file of files) {
      const path = resolve(cwd, file);
      const { text } = await readTextFile(path, { label: 'report', maxBytes: MAX_REPORT_BYTES });
      read.push(readReport(text, file, dirname(path)));
    }
    const merged = mergeReports(read);
    const { missing_shards: shards, totals, credits, warnings } = merged;
    const missing = shards.length === 0 ? undefined : missingText(shards);
    for (const warning of warnings.filter((text) => text !== missing)) warn(warning);
    await writeReports(targets, merged, context);
    // The reports are written all the same, and tell of it.
    const error =
      missing === undefined
        ? undefined
        : new EvolinkError('partial', missing, {
            details: targets.map((file) => `written without it: ${file}`),
            hint: 'run that shard again with --report, then merge again',
          });
    const reports = targets.map((file) => resolve(cwd, file));
    const names = targets.map((file) => `${file}\n`).join('');
    await reporter.print('merge', { reports, totals, credits, warnings }, names, error);
    return error?.exit ?? 0;
  });
}
