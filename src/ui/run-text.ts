import { quoteCommand, toHumanPath } from '../platform/command-text.ts';
import { countStates, isDone, isTrouble, sumHeldCredits } from '../report/facts.ts';
import type { JobReport, RunReport } from '../report/run-report.ts';
import { PLAN_WORDS, stateWord } from '../report/states.ts';
import { formatCount, formatCredits, formatDuration, formatMedia } from './format.ts';
import { formatTable } from './table.ts';
import type { Theme } from './theme.ts';

const MAX_WARNINGS = 10;
const MAX_MEDIA = 20;

/** The plan in two or three lines, ending in a newline. */
export function formatPlanSummary(report: RunReport): string {
  const { totals, credits, balance, shard, uploads } = report;
  const counts = PLAN_WORDS.filter((word) => totals[word] > 0)
    .map((word) => `${totals[word]} ${stateWord(word)}`)
    .join(', ');
  const part = shard === null ? '' : ` (shard ${shard.index} of ${shard.count})`;
  const cost =
    credits.estimated === null
      ? ''
      : `, about ${formatCredits(credits.estimated)} credits${balance === null ? '' : ` of ${formatCredits(balance)}`}`;
  const files = uploads === null || uploads === 0 ? '' : `, ${formatCount(uploads, 'local file')} to upload`;
  const paid = paidJobs(report);
  const unknown = paid.filter((job) => job.credits.estimated === null).length;
  const open = unknown === 0 ? '' : `, ${unknown} of unknown price`;
  const lines = [`plan: ${formatCount(totals.planned, 'job')}${part}: ${counts || 'nothing'}`];
  if (paid.length > 0)
    lines.push(
      `cost: ${formatCount(paid.length, 'clip')}, ${report.billed_seconds ?? 0} s billed${files}${cost}${open}`,
    );
  return `${[...lines, ...mediaLines(paid)].join('\n')}\n`;
}

/** `media: image 1 = style.png, 1600×1200 (12 jobs)`: what the names in the prompts stand for, each once, and where. */
function mediaLines(jobs: readonly JobReport[]): readonly string[] {
  const users = new Map<string, string[]>();
  for (const { name: job, references } of jobs) {
    for (const { name, role, label, facts } of references) {
      const line = formatMedia({ name, role: role ?? undefined, label, facts: facts ?? undefined });
      const known = users.get(line);
      if (known === undefined) users.set(line, [job]);
      else known.push(job);
    }
  }
  const lines = [...users].map(([text, [job = '', ...others]]) => {
    if (others.length > 0) return `${text} (${others.length + 1} jobs)`;
    return jobs.length > 1 ? `${text} (${toHumanPath(job)})` : text;
  });
  const more = lines.length - MAX_MEDIA;
  const shown =
    more > 0 ? [...lines.slice(0, MAX_MEDIA), `and ${more} more (--dry-run --json names all)`] : lines;
  return shown.map((line) => `media: ${line}`);
}

function countedLines(counts: ReadonlyMap<string, number>): readonly string[] {
  return [...counts].map(([text, times]) => (times === 1 ? text : `${text} (${times} jobs)`));
}

/** What a plan makes a person aware of: each warning once, with how often it occurs, fit for a screen. */
export function planWarnings(report: RunReport): readonly string[] {
  const counts = new Map<string, number>();
  for (const warning of [...report.warnings, ...report.jobs.flatMap(({ warnings }) => warnings)]) {
    const line = toHumanPath(warning);
    counts.set(line, (counts.get(line) ?? 0) + 1);
  }
  const lines = countedLines(counts);
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
    ...(report.jobs.some((job) => noteOf(job) !== '') ? [{ header: 'NOTE' }] : []),
  ];
  const rows = report.jobs.map((job) => [
    job.name,
    stateWord(job.action),
    isPaid(job) ? String(job.settings?.duration_seconds ?? '') : '',
    isPaid(job) ? creditsOf(job) : '',
    job.path ?? '',
    noteOf(job),
  ]);
  return `${formatTable(columns, rows)}\n`;
}

/** What makes the jobs that a run has left, where the same command again would not. */
export interface NextCommand {
  readonly words: readonly string[];
  readonly note?: string | undefined;
}

interface SummaryOptions {
  readonly theme: Theme;
  readonly nowMs: number;
  readonly next?: NextCommand | undefined;
  readonly wrap?: ((line: string) => string) | undefined;
}

/** The failures of a run again, one line each: what was said of them may be far above. */
function failureLines({ jobs }: RunReport): readonly string[] {
  const failed = jobs.filter(isTrouble);
  const lines = failed
    .slice(0, MAX_WARNINGS)
    .map(({ name, error }) => toHumanPath(`failed: ${name}: ${error?.message ?? 'for no known reason'}`));
  const more = failed.length - lines.length;
  return more > 0 ? [...lines, `failed: and ${more} more jobs`] : lines;
}

/** The last words of a run, ending in a newline. */
export function formatRunSummary(
  report: RunReport,
  { theme, nowMs, next, wrap = (line) => line }: SummaryOptions,
): string {
  const { credits } = report;
  const counts = countStates(report.jobs).map(({ state, count }) => `${count} ${stateWord(state)}`);
  const held = sumHeldCredits(report.jobs);
  const cost = [
    ...(credits.used === null ? [] : [`, ${formatCredits(credits.used)} credits charged`]),
    ...(held === null ? [] : [`, ${formatCredits(held)} credits reserved`]),
  ].join('');
  const time = formatDuration(nowMs - Date.parse(report.started_at));
  const line = `${counts.join(', ') || 'nothing to do'}${cost}, in ${time}`;
  const isFine = report.jobs.every(isDone);
  const head = isFine ? theme.success(`${theme.symbols.success} done:`) : theme.warning('partly done:');
  const failures = failureLines(report).map((failure) => `${wrap(failure)}\n`);
  return `${failures.join('')}${wrap(`${head} ${line}`)}\n${isFine ? '' : describeNext(next)}`;
}

function describeNext(next: NextCommand | undefined): string {
  if (next === undefined) return 'the same command again takes up what is left\n';
  const note = next.note === undefined ? '' : `${next.note}\n`;
  return `${note}continue with: ${toHumanPath(quoteCommand(next.words))}\n`;
}

function noteOf({
  reason,
  moved_from: movedFrom,
  kept_as: keptAs,
  outside_folder: isOutside,
}: JobReport): string {
  const notes = [
    ...(reason === null ? [] : [reason]),
    ...(isOutside ? ['outside'] : []),
    ...(movedFrom === null ? [] : [`from ${movedFrom}`]),
    ...(keptAs === null ? [] : [`keeps ${keptAs}`]),
  ];
  return notes.join(', ');
}

function creditsOf({ credits }: JobReport): string {
  return credits.estimated === null ? 'unknown' : formatCredits(credits.estimated);
}

/** What is resumed is paid for, but for a request that was never sent: only that has an estimate in a plan. */
function isPaid({ action, credits }: JobReport): boolean {
  if (action === 'resume') return credits.estimated !== null;
  return action === 'new' || action === 'changed';
}

function paidJobs(report: RunReport): readonly JobReport[] {
  return report.jobs.filter(isPaid);
}
