import { dirname, resolve } from 'node:path';
import { EvolinkError } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { readTextFile } from '../platform/read-file.ts';
import { quoteCommand } from '../platform/text.ts';
import { mergeReports, missingText } from '../report/merge.ts';
import { type RunReport, readReport } from '../report/run-report.ts';
import { checkReportFiles, checkReportPlaces, writeReports } from '../report/write.ts';
import type { FlagValues } from './flags.ts';
import { runInFrame } from './frame.ts';

/** About a hundred thousand jobs. */
const MAX_REPORT_BYTES = 256 * 1_000_000;

/**
 * `evolink report merge`: stdout names the files that were written, one a line. That jobs failed is told by the runs
 * themselves, so the exit code speaks of the merge alone: 14 where the report of a shard is missing.
 */
export function runReportMerge(
  context: Context,
  { files, options }: { readonly files: readonly string[]; readonly options: FlagValues },
): Promise<number> {
  const { cwd, secrets } = context;
  const reportFiles = options.report ?? [];
  return runInFrame(context, { form: options }, async ({ warn, reporter }) => {
    if (reportFiles.length === 0) throw needsReport(files);
    checkReportFiles(reportFiles, cwd);
    await checkReportPlaces(reportFiles, { baseFolder: cwd, inputs: [] });
    const read: RunReport[] = [];
    for (const file of files) read.push(await readOne(file, cwd));
    const merged = mergeReports(read);
    const { missing_shards: shards, totals, credits, warnings } = merged;
    const missing = shards.length === 0 ? undefined : missingText(shards);
    for (const warning of warnings.filter((text) => text !== missing)) warn(warning);
    await writeReports(reportFiles, merged, {
      baseFolder: cwd,
      nowMs: context.clock.now(),
      mask: secrets.mask,
    });
    const refusal = missing === undefined ? undefined : withoutShard(missing, reportFiles);
    const reports = reportFiles.map((file) => resolve(cwd, file));
    const names = reportFiles.map((file) => `${file}\n`).join('');
    await reporter.print('merge', { reports, totals, credits, warnings }, names, refusal);
    return refusal?.exit ?? 0;
  });
}

async function readOne(file: string, cwd: string): Promise<RunReport> {
  const path = resolve(cwd, file);
  const { text } = await readTextFile(path, { label: 'report', maxBytes: MAX_REPORT_BYTES });
  return readReport(text, { label: file, folder: dirname(path) });
}

function needsReport(files: readonly string[]): EvolinkError {
  return new EvolinkError('usage', 'no file to write the merged report to', {
    hint: `evolink report merge ${quoteCommand(files)} --report report.html`,
  });
}

/** The reports are written all the same, and tell of it. */
function withoutShard(missing: string, reportFiles: readonly string[]): EvolinkError {
  return new EvolinkError('partial', missing, {
    details: reportFiles.map((file) => `written without it: ${file}`),
    hint: 'run that shard again with --report, then merge again',
  });
}
