import type { RunReport } from '../jobs/run-report.ts';
import { formatCredits } from '../ui/format.ts';

/**
 * The outputs of a step, for `$GITHUB_OUTPUT`: counts by state, credits, and the report files, one a line.
 * @param delimiter of the multi-line form: random, so that no value can hold it. Pure.
 */
export function formatStepOutputs(
  report: RunReport,
  { reportFiles, delimiter }: { readonly reportFiles: readonly string[]; readonly delimiter: string },
): string {
  const { totals, credits, jobs } = report;
  const outputs: Readonly<Record<string, string>> = {
    saved: String(totals.saved),
    'up-to-date': String(jobs.filter(({ state }) => state === 'up-to-date').length),
    submitted: String(totals.submitted),
    failed: String(totals.failed + totals.invalid),
    skipped: String(totals.skipped),
    credits: credits.used === undefined ? '' : formatCredits(credits.used),
    reports: reportFiles.join('\n'),
  };
  return Object.entries(outputs)
    .map(([name, value]) => `${name}<<${delimiter}\n${value}\n${delimiter}\n`)
    .join('');
}
