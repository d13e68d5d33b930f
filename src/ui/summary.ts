import { relativePath } from '../platform/folders.ts';
import { formatBytes, quoteCommand, sanitizeServerText, toHumanPath } from '../platform/text.ts';
import { countStates, isDone, isTrouble, runDurationMs, sumHeldCredits } from '../report/facts.ts';
import type { JobReport, RunReport } from '../report/run-report.ts';
import { PLAN_WORDS, stateWord } from '../report/states.ts';
import { CREDITS_PER_USD } from '../request/models.ts';
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
  formatUsd,
} from './format.ts';
import { formatTable } from './table.ts';
import type { Theme } from './theme.ts';

/** What they have to say no longer stands on one screen. */
const MANY_JOBS = 20;
const MAX_WARNINGS = 10;
const MAX_MEDIA = 20;

interface ResultContext {
  readonly theme: Theme;
  readonly nowMs: number;
  /** Breaks lines without a path at spaces, on a screen. */
  readonly wrap: (line: string) => string;
  /** A path as it is shown. */
  readonly link: (path: string) => string;
  readonly isLive: boolean;
  /** False where the path stands on the same screen anyway, as the result on stdout. */
  readonly showsPath: boolean;
}

/** The summary on stderr after a success, ending in a newline. */
export function formatResult(result: TaskResult, context: ResultContext): string {
  const { theme, link, nowMs, wrap, isLive, showsPath } = context;
  const { credits, link_expires_at: expiresAt, path, state } = result;
  // A line above says that it was accepted, and what is reserved.
  if (state === 'pending') {
    if (result.next === undefined) return '';
    const command = sanitizeServerText(quoteCommand(result.next));
    return `${theme.accent('hint:')} save the clip within 24 h of its end: ${command}\n`;
  }
  // A clip that was kept cost nothing now.
  const spent = state === 'skipped' ? undefined : formatCreditsSpent(credits);
  const label = state === 'skipped' ? 'kept:' : 'saved:';
  const word = theme.success(isLive ? `${theme.symbols.success} ${label}` : label);
  const facts = describeFile(result, theme);
  const lines = [
    ...(showsPath && path !== null
      ? [`${word} ${link(path)}`, wrap(`  ${facts}`)]
      : [wrap(`${word} ${facts}`)]),
    ...(spent === undefined ? [] : [wrap(`  ${spent}`)]),
    ...(expiresAt === null ? [] : [wrap(`  link ${describeExpiry(Date.parse(expiresAt), nowMs)}`)]),
  ];
  return `${lines.join('\n')}\n`;
}

function describeExpiry(atMs: number, nowMs: number): string {
  const verb = atMs > nowMs ? 'expires' : 'expired';
  return `${verb} ${formatLocalTime(atMs)} (${formatRelative(atMs, nowMs)})`;
}

function describeFile({ state, path, size_bytes: sizeBytes, media }: TaskResult, theme: Theme): string {
  return [
    state === 'skipped' && 'the file already exists',
    state === 'saved' && path === null && 'written to stdout',
    sizeBytes !== null && formatBytes(sizeBytes),
    media && formatSeconds(media.duration_seconds),
    media?.width_px && media.height_px && `${media.width_px}${theme.symbols.times}${media.height_px}`,
    media && (media.has_audio ? 'with audio' : 'no audio'),
  ]
    .filter((part) => part)
    .join(', ');
}

/** Why a job has no clip, without the id of its task: its name stands beside it. */
export function shortReason({ error, task_id: id }: JobReport): string | undefined {
  return error?.message.replace(`task ${id} `, '');
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
  const of = balance === null ? '' : ` of ${formatCredits(balance)}`;
  const cost = [
    `cost: ${formatCount(paid.length, 'clip')}`,
    `${report.billed_seconds ?? 0} s billed`,
    uploads && `${formatCount(uploads, 'local file')} to upload`,
    credits.estimated !== null &&
      `about ${formatCredits(credits.estimated)} credits (${formatUsd(credits.estimated / CREDITS_PER_USD)})${of}`,
    unknown > 0 && `${unknown} of unknown price`,
  ].filter((part) => part);
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
  for (const { name, references } of jobs)
    for (const line of references.map(formatMedia)) {
      const names = users.get(line) ?? [];
      names.push(name);
      users.set(line, names);
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

/**
 * All jobs of a plan as a table, ending in a newline.
 * @param folder for a screen: paths in it are shown as from there
 */
export function formatPlanTable({ jobs }: RunReport, folder?: string): string {
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
    pathFrom(folder, job.path ?? ''),
    noteOf(job),
  ]);
  return formatTable(columns, rows);
}

function pathFrom(folder: string | undefined, path: string): string {
  const found = folder === undefined || path === '' ? null : relativePath(folder, path);
  return found === null || found.startsWith('..') ? path : found;
}

function noteOf({ reason, moved_from, kept_as, outside_folder }: JobReport): string {
  return [
    reason,
    outside_folder && 'outside',
    moved_from !== null && `from ${moved_from}`,
    kept_as !== null && `keeps ${kept_as}`,
  ]
    .filter((note) => note)
    .join(', ');
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

/** The summary of a run, ending in a newline. Of many jobs its failures again, one line each: the first word is far above. */
export function formatRunSummary(
  report: RunReport,
  next: NextCommand | undefined,
  { theme, wrap }: Pick<ResultContext, 'theme' | 'wrap'>,
): string {
  const { jobs, credits } = report;
  const failures = (jobs.length < MANY_JOBS ? [] : jobs.filter(isTrouble)).map((job) =>
    toHumanPath(`${stateWord(job.state)}: ${job.name}: ${shortReason(job) ?? 'unknown reason'}`),
  );
  const held = sumHeldCredits(jobs);
  const facts = [
    ...countStates(jobs).map(({ state, count }) => `${count} ${stateWord(state)}`),
    ...(credits.used === null ? [] : [`${formatCredits(credits.used)} credits charged`]),
    ...(held === null ? [] : [`${formatCredits(held)} credits reserved`]),
  ];
  const isFine = jobs.every(isDone);
  const head = isFine ? theme.success(`${theme.symbols.success} done:`) : theme.warning('partly done:');
  const command =
    next === undefined
      ? 'run the same command again to continue'
      : `continue with: ${toHumanPath(quoteCommand(next.words))}`;
  return [
    ...capped(failures, MAX_WARNINGS, 'jobs').map(wrap),
    wrap(`${head} ${facts.join(', ') || 'nothing to do'}, in ${formatDuration(runDurationMs(report))}`),
    ...(isFine ? [] : [...(next?.note === undefined ? [] : [next.note]), command]),
    '',
  ].join('\n');
}
