import { relativePath } from '../platform/folders.ts';
import { formatBytes, quoteCommand, toHumanPath } from '../platform/text.ts';
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
  const { link_expires_at: expiresAt, path, state, next, media } = result;
  // A line above says that it was accepted, and what is reserved.
  if (state === 'pending')
    return next === undefined
      ? ''
      : `${theme.accent('hint:')} save the clip within 24 h of its end: ${toHumanPath(quoteCommand(next))}\n`;
  const isKept = state === 'skipped';
  const facts = [
    isKept && 'the file already exists',
    !isKept && path === null && 'written to stdout',
    result.size_bytes !== null && formatBytes(result.size_bytes),
    media && formatSeconds(media.duration_seconds),
    media?.width_px && media.height_px && `${media.width_px}${theme.symbols.times}${media.height_px}`,
    media && (media.has_audio ? 'with audio' : 'no audio'),
  ];
  const label = isKept ? 'kept:' : 'saved:';
  const word = theme.success(isLive ? `${theme.symbols.success} ${label}` : label);
  const about = facts.filter(Boolean).join(', ');
  const lines =
    showsPath && path !== null ? [`${word} ${link(path)}`, wrap(`  ${about}`)] : [wrap(`${word} ${about}`)];
  // A clip that was kept cost nothing now.
  const spent = isKept ? undefined : formatCreditsSpent(result.credits);
  if (spent !== undefined) lines.push(wrap(`  ${spent}`));
  if (expiresAt !== null) {
    const atMs = Date.parse(expiresAt);
    const verb = atMs > nowMs ? 'expires' : 'expired';
    lines.push(wrap(`  link ${verb} ${formatLocalTime(atMs)} (${formatRelative(atMs, nowMs)})`));
  }
  return `${lines.join('\n')}\n`;
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
  // What the names in the prompts stand for.
  const media = paid.flatMap(({ name, references }) =>
    references.map((each) => [formatMedia(each), paid.length > 1 ? toHumanPath(name) : ''] as const),
  );
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
    ...grouped(media, MAX_MEDIA, '(--dry-run --json names all)').map((line) => `media: ${line}`),
    '',
  ].join('\n');
}

/** Lines of jobs, each once, with how many jobs it is of, or the one that is named; fit for a screen. */
function grouped(
  lines: readonly (readonly [text: string, job?: string])[],
  max: number,
  what: string,
): readonly string[] {
  const users = new Map<string, { readonly count: number; readonly job: string }>();
  for (const [text, job = ''] of lines) users.set(text, { count: (users.get(text)?.count ?? 0) + 1, job });
  const said = [...users].map(([text, { count, job }]) => {
    const who = count > 1 ? `${count} jobs` : job;
    return who === '' ? text : `${text} (${who})`;
  });
  const more = said.length - max;
  return more > 0 ? [...said.slice(0, max), `and ${more} more ${what}`] : said;
}

/** What a plan makes a person aware of. */
export function planWarnings({ warnings, jobs }: RunReport): readonly string[] {
  const all = [...warnings, ...jobs.flatMap((job) => job.warnings)];
  return grouped(
    all.map((warning) => [toHumanPath(warning)]),
    MAX_WARNINGS,
    'warnings',
  );
}

/**
 * All jobs of a plan as a table, ending in a newline.
 * @param folder for a screen: paths in it are shown as from there
 */
export function formatPlanTable({ jobs }: RunReport, folder?: string): string {
  const rows = jobs.map((job) => {
    const { path, reason, moved_from: from, kept_as: keptAs, credits, settings } = job;
    const near = folder === undefined || path === null ? null : relativePath(folder, path);
    const notes = [
      reason,
      job.outside_folder && 'outside',
      from !== null && `from ${from}`,
      keptAs !== null && `keeps ${keptAs}`,
    ];
    return [
      job.name,
      stateWord(job.action),
      isPaid(job) ? String(settings?.duration_seconds ?? '') : '',
      isPaid(job) ? (credits.estimated === null ? 'unknown' : formatCredits(credits.estimated)) : '',
      (near?.startsWith('..') ? path : near) ?? path ?? '',
      notes.filter(Boolean).join(', '),
    ];
  });
  return formatTable(['JOB', 'PLAN', 'SECONDS', 'CREDITS', 'OUTPUT', 'NOTE'], rows);
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
  const failed = jobs.length < MANY_JOBS ? [] : jobs.filter(isTrouble);
  const failures = failed.map(
    (job) =>
      [toHumanPath(`${stateWord(job.state)}: ${job.name}: ${shortReason(job) ?? 'unknown reason'}`)] as const,
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
    ...grouped(failures, MAX_WARNINGS, 'jobs').map(wrap),
    wrap(`${head} ${facts.join(', ') || 'nothing to do'}, in ${formatDuration(runDurationMs(report))}`),
    ...(isFine ? [] : [...(next?.note === undefined ? [] : [next.note]), command]),
    '',
  ].join('\n');
}
