import type { JobReport, RunReport } from '../jobs/run-report.ts';
import { formatCredits, formatDuration } from './format.ts';
import { toHumanPath } from './human-path.ts';
import { formatTable } from './table.ts';
import type { Theme } from './theme.ts';

const MAX_WARNINGS = 10;

/** The plan in two or three lines, ending in a newline. */
export function formatPlanSummary(report: RunReport): string {
  const { totals, credits, balance, shard } = report;
  const counts = [
    count(totals.new, 'new'),
    count(totals.changed, 'changed'),
    count(totals.forced, 'made again'),
    count(totals.attached, 'continued'),
    count(totals.upToDate, 'up to date'),
    count(totals.adopted, 'renamed'),
    count(totals.invalid, 'invalid'),
  ].filter((part) => part !== '');
  const part = shard === undefined ? '' : ` (shard ${shard.index} of ${shard.count})`;
  const cost =
    credits.estimated === undefined
      ? ''
      : `, about ${formatCredits(credits.estimated)} credits${balance === undefined ? '' : ` of ${formatCredits(balance)}`}`;
  const { uploads = 0 } = report;
  const files = uploads === 0 ? '' : `, ${uploads} local file${uploads === 1 ? '' : 's'} to upload`;
  const paid = paidJobs(report).length;
  const lines = [`plan: ${totals.planned} jobs${part}: ${counts.join(', ') || 'nothing'}`];
  if (paid > 0) lines.push(`cost: ${paid} clips, ${report.billedSeconds ?? 0} s billed${files}${cost}`);
  return `${lines.join('\n')}\n`;
}

/** What a plan makes a person aware of: each warning once, with how often it occurs. */
export function planWarnings(report: RunReport): readonly string[] {
  const counts = new Map<string, number>();
  for (const warning of [...report.warnings, ...report.jobs.flatMap(({ warnings }) => warnings)])
    counts.set(warning, (counts.get(warning) ?? 0) + 1);
  const lines = [...counts].map(([text, times]) => (times === 1 ? text : `${text} (${times} jobs)`));
  const more = lines.length - MAX_WARNINGS;
  return more > 0 ? [...lines.slice(0, MAX_WARNINGS), `and ${more} more warnings`] : lines;
}

/** All jobs of a plan as a table, ending in a newline. */
export function formatPlanTable(report: RunReport): string {
  if (report.jobs.length === 0) return '';
  const columns = [
    { header: 'JOB' },
    { header: 'PLAN' },
    { header: 'SECONDS', align: 'right' as const },
    { header: 'CREDITS', align: 'right' as const },
    { header: 'OUTPUT' },
  ];
  const rows = report.jobs.map((job) => [
    job.name,
    job.action,
    isPaid(job) ? String(job.settings?.durationSeconds ?? '') : '',
    isPaid(job) ? creditsOf(job) : '',
    toHumanPath(job.outputPath ?? ''),
  ]);
  return `${formatTable(columns, rows)}\n`;
}

/** The last words of a run, ending in a newline. */
export function formatRunSummary(
  report: RunReport,
  { theme, nowMs }: { readonly theme: Theme; readonly nowMs: number },
): string {
  const { totals, credits } = report;
  const parts = [
    count(totals.saved, 'saved'),
    count(totals.upToDate + totals.adopted, 'up to date'),
    count(totals.submitted, 'still running'),
    count(totals.failed, 'failed'),
    count(totals.skipped, 'not started'),
  ].filter((part) => part !== '');
  const spent = credits.reserved ?? credits.used;
  const cost = spent === undefined ? '' : `, ${formatCredits(spent)} credits`;
  const time = formatDuration(nowMs - report.startedAtMs);
  const line = `${parts.join(', ') || 'nothing to do'}${cost}, in ${time}`;
  const isFine = totals.failed + totals.submitted + totals.skipped === 0;
  const head = isFine ? theme.success(`${theme.symbols.success} done:`) : theme.warning('done in part:');
  const again = isFine ? '' : `the same command again takes up what is left\n`;
  return `${head} ${line}\n${again}`;
}

function creditsOf({ credits }: JobReport): string {
  return credits.estimated === undefined ? 'unknown' : formatCredits(credits.estimated);
}

function isPaid({ action }: JobReport): boolean {
  return action === 'new' || action === 'changed' || action === 'forced';
}

function paidJobs(report: RunReport): readonly JobReport[] {
  return report.jobs.filter(isPaid);
}

function count(number: number, what: string): string {
  return number === 0 ? '' : `${number} ${what}`;
}
