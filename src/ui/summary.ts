import type { MediaFacts } from '../config/output-pattern.ts';
import { formatBytes, quoteCommand, sanitizeServerText, toHumanPath } from '../platform/text.ts';
import { countStates, isDone, isTrouble, sumHeldCredits } from '../report/facts.ts';
import type { JobReport, RunReport } from '../report/run-report.ts';
import { PLAN_WORDS, stateWord } from '../report/states.ts';
import type { TaskResult } from '../task/events.ts';
import {
  formatCount,
  formatCredits,
  formatCreditsSpent,
  formatDuration,
  formatLocalTime,
  formatMedia,
  formatRelative,
  formatSeconds,
} from './format.ts';
import { formatTable } from './table.ts';
import type { Theme } from './theme.ts';

const MAX_WARNINGS = 10;
const MAX_MEDIA = 20;

interface ResultContext {
  readonly theme: Theme;
  readonly nowMs: number;
  /** Absent for a log. On a screen lines without a path are broken at spaces. */
  readonly wrap?: ((line: string) => string) | undefined;
  /** False where the path stands on the same screen anyway, as the result on stdout. */
  readonly showsPath: boolean;
}

/** The summary on stderr after a success, ending in a newline. */
export function formatResult(result: TaskResult, context: ResultContext): string {
  const lines = result.state === 'pending' ? formatPending(result, context) : formatSaved(result, context);
  return lines.map((line) => `${line}\n`).join('');
}

/** What a script reads on stdout: the saved path or the task id, one line; empty when the video itself went there. */
export function formatResultForScripts({ state, path, taskId, localId }: TaskResult): string {
  const value = state === 'pending' ? (taskId ?? localId) : path;
  return value === undefined ? '' : `${value}\n`;
}

function formatPending(result: TaskResult, context: ResultContext): string[] {
  const id = sanitizeServerText(result.taskId ?? result.localId ?? '');
  const credits = formatCreditsSpent(result);
  const head = `${formatLabel('submitted', context)} ${id}${credits === undefined ? '' : ` (${credits})`}`;
  if (result.next === undefined) return [head];
  const command = sanitizeServerText(quoteCommand(result.next));
  return [
    head,
    `${context.theme.accent('hint:')} \`${command}\` saves the clip; its link expires after 24 h`,
  ];
}

function formatSaved(result: TaskResult, context: ResultContext): string[] {
  const { nowMs, wrap = (line) => line, showsPath } = context;
  const isKept = result.state === 'skipped';
  const label = formatLabel(isKept ? 'kept' : 'saved', context);
  const path = showsPath ? result.path : undefined;
  const facts = describeFile(result, context.theme);
  // A clip that was kept cost nothing now.
  const credits = isKept ? undefined : formatCreditsSpent(result);
  const expiresAtMs = result.linkExpiresAtMs;
  return [
    ...(path === undefined
      ? [wrap(`${label} ${facts}`)]
      : [`${label} ${toHumanPath(path)}`, wrap(`  ${facts}`)]),
    ...(credits === undefined ? [] : [wrap(`  ${credits}`)]),
    ...(expiresAtMs === undefined
      ? []
      : [
          wrap(
            `  link ${expiresAtMs > nowMs ? 'expires' : 'expired'} ${formatLocalTime(expiresAtMs)} (${formatRelative(expiresAtMs, nowMs)})`,
          ),
        ]),
  ];
}

function formatLabel(word: string, { theme, wrap }: ResultContext): string {
  return theme.success(wrap === undefined ? `${word}:` : `${theme.symbols.success} ${word}:`);
}

function describeFile({ state, path, sizeBytes, media }: TaskResult, theme: Theme): string {
  const parts = [
    ...(state === 'skipped' ? ['the file already exists'] : []),
    ...(state === 'saved' && path === undefined ? ['written to stdout'] : []),
    ...(sizeBytes === undefined ? [] : [formatBytes(sizeBytes)]),
    ...(media === undefined ? [] : describeMedia(media, theme)),
  ];
  return parts.join(', ');
}

function describeMedia({ durationSeconds, widthPx, heightPx, hasAudio }: MediaFacts, theme: Theme): string[] {
  const isSized = widthPx !== undefined && heightPx !== undefined;
  return [
    formatSeconds(durationSeconds),
    ...(isSized ? [`${widthPx}${theme.symbols.times}${heightPx}`] : []),
    hasAudio ? 'with audio' : 'no audio',
  ];
}

/** The plan in two or three lines, ending in a newline. */
export function formatPlanSummary(report: RunReport, fromProject: readonly string[]): string {
  const { totals, credits, balance, shard, uploads } = report;
  const counts = PLAN_WORDS.filter((word) => totals[word] > 0).map(
    (word) => `${totals[word]} ${stateWord(word)}`,
  );
  const part = shard === null ? '' : ` (shard ${shard.index} of ${shard.count})`;
  const origin = fromProject.length === 0 ? '' : ` (from .evolinkrc: ${toHumanPath(fromProject.join(', '))})`;
  const paid = report.jobs.filter(isPaid);
  const unknown = paid.filter((job) => job.credits.estimated === null).length;
  const cost = [
    `cost: ${formatCount(paid.length, 'clip')}`,
    `${report.billed_seconds ?? 0} s billed`,
    ...(uploads === null || uploads === 0 ? [] : [`${formatCount(uploads, 'local file')} to upload`]),
    ...(credits.estimated === null
      ? []
      : [
          `about ${formatCredits(credits.estimated)} credits${balance === null ? '' : ` of ${formatCredits(balance)}`}`,
        ]),
    ...(unknown === 0 ? [] : [`${unknown} of unknown price`]),
  ];
  return [
    `plan: ${formatCount(totals.planned, 'job')}${part}: ${counts.join(', ') || 'nothing'}${origin}`,
    ...(paid.length === 0 ? [] : [cost.join(', ')]),
    ...mediaLines(paid),
    '',
  ].join('\n');
}

/** `media: image 1 = style.png, 1600×1200 (12 jobs)`: what the names in the prompts stand for, each once, and where. */
function mediaLines(jobs: readonly JobReport[]): readonly string[] {
  const users = new Map<string, string[]>();
  for (const { name: job, references } of jobs)
    for (const { name, role, label, facts } of references) {
      const line = formatMedia({ name, role: role ?? undefined, label, facts: facts ?? undefined });
      users.set(line, [...(users.get(line) ?? []), job]);
    }
  const lines = [...users].map(([text, [job = '', ...others]]) => {
    if (others.length > 0) return `${text} (${others.length + 1} jobs)`;
    return jobs.length > 1 ? `${text} (${toHumanPath(job)})` : text;
  });
  return capped(lines, MAX_MEDIA, '(--dry-run --json names all)').map((line) => `media: ${line}`);
}

function capped(lines: readonly string[], max: number, what: string): readonly string[] {
  const more = lines.length - max;
  return more > 0 ? [...lines.slice(0, max), `and ${more} more ${what}`] : lines;
}

/** What a plan makes a person aware of: each warning once, with how often it occurs, fit for a screen. */
export function planWarnings({ warnings, jobs }: RunReport): readonly string[] {
  const counts = new Map<string, number>();
  for (const warning of [...warnings, ...jobs.flatMap((job) => job.warnings)]) {
    const line = toHumanPath(warning);
    counts.set(line, (counts.get(line) ?? 0) + 1);
  }
  const lines = [...counts].map(([text, times]) => (times === 1 ? text : `${text} (${times} jobs)`));
  return capped(lines, MAX_WARNINGS, 'warnings');
}

/** All jobs of a plan as a table, ending in a newline. */
export function formatPlanTable({ jobs }: RunReport): string {
  if (jobs.length === 0) return '';
  const hasNotes = jobs.some((job) => noteOf(job) !== '');
  const columns = [
    { header: 'JOB' },
    { header: 'PLAN' },
    { header: 'SECONDS', align: 'right' as const },
    { header: 'CREDITS', align: 'right' as const },
    { header: 'OUTPUT' },
    ...(hasNotes ? [{ header: 'NOTE' }] : []),
  ];
  const rows = jobs.map((job) => [
    job.name,
    stateWord(job.action),
    isPaid(job) ? String(job.settings?.duration_seconds ?? '') : '',
    isPaid(job) ? (job.credits.estimated === null ? 'unknown' : formatCredits(job.credits.estimated)) : '',
    job.path ?? '',
    noteOf(job),
  ]);
  return `${formatTable(columns, rows)}\n`;
}

function noteOf({ reason, moved_from, kept_as, outside_folder }: JobReport): string {
  const notes = [
    ...(reason === null ? [] : [reason]),
    ...(outside_folder ? ['outside'] : []),
    ...(moved_from === null ? [] : [`from ${moved_from}`]),
    ...(kept_as === null ? [] : [`keeps ${kept_as}`]),
  ];
  return notes.join(', ');
}

/** What is resumed is paid for, but for a request that was never sent: only that has an estimate in a plan. */
function isPaid({ action, credits }: JobReport): boolean {
  if (action === 'resume') return credits.estimated !== null;
  return action === 'new' || action === 'changed';
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

/** The summary of a run, ending in a newline. Its failures again, one line each: the first word may be far above. */
export function formatRunSummary(report: RunReport, options: SummaryOptions): string {
  const { theme, nowMs, next, wrap = (line) => line } = options;
  const { jobs, credits } = report;
  const failures = jobs
    .filter(isTrouble)
    .map(({ name, state, error }) =>
      toHumanPath(`${stateWord(state)}: ${name}: ${error?.message ?? 'unknown reason'}`),
    );
  const held = sumHeldCredits(jobs);
  const facts = [
    ...countStates(jobs).map(({ state, count }) => `${count} ${stateWord(state)}`),
    ...(credits.used === null ? [] : [`${formatCredits(credits.used)} credits charged`]),
    ...(held === null ? [] : [`${formatCredits(held)} credits reserved`]),
  ];
  const isFine = jobs.every(isDone);
  const head = isFine ? theme.success(`${theme.symbols.success} done:`) : theme.warning('partly done:');
  const time = formatDuration(nowMs - Date.parse(report.started_at));
  return [
    ...capped(failures, MAX_WARNINGS, 'jobs').map(wrap),
    wrap(`${head} ${facts.join(', ') || 'nothing to do'}, in ${time}`),
    ...(isFine ? [] : describeNext(next)),
    '',
  ].join('\n');
}

function describeNext(next: NextCommand | undefined): readonly string[] {
  if (next === undefined) return ['run the same command again to continue'];
  const command = `continue with: ${toHumanPath(quoteCommand(next.words))}`;
  return next.note === undefined ? [command] : [next.note, command];
}
