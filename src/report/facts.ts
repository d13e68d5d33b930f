import { pathToFileURL } from 'node:url';
import { relativePath } from '../platform/folders.ts';
import { formatCredits, formatDuration, formatSeconds } from '../ui/format.ts';
// Types only: its schemas take milliseconds to make, and most runs write no report.
import type { JobReport, RunReport } from './run-report.ts';
import { JOB_STATES, type JobState, stateWord } from './states.ts';

/** The job is done, and its clip is there. */
export function isDone({ state }: Pick<JobReport, 'state'>): boolean {
  return state === 'saved' || state === 'up_to_date' || state === 'copied';
}

/** Needs a person: failed in whatever way, or wrong in the file. */
export function isTrouble({ state }: Pick<JobReport, 'state'>): boolean {
  return !isDone({ state }) && state !== 'running' && state !== 'not_sent';
}

/**
 * Where the clip of a job lies as seen from the folder of a report, so that folder and clips can move together; undefined for
 * a job without one, whatever lies under its future name. The address is URL-encoded for a page, and a `file:` URL where no
 * relative path leads there.
 */
export function savedClip(job: JobReport, folder: string) {
  if (!isDone(job) || job.path === null) return undefined;
  const found = relativePath(folder, job.path);
  if (found === null) return { path: job.path, address: pathToFileURL(job.path).href };
  // A lone surrogate, possible in names on Windows, has no encoding.
  const encode = (segment: string) => encodeURIComponent(segment.replace(/\p{Surrogate}/gu, '\uFFFD'));
  return { path: found, address: found.split('/').map(encode).join('/') };
}

/** How many jobs there are in each state, without those that have none. */
export function countStates(jobs: readonly JobReport[]): readonly { state: JobState; count: number }[] {
  const counts = JOB_STATES.map((state) => ({
    state,
    count: jobs.filter((job) => job.state === state).length,
  }));
  return counts.filter(({ count }) => count > 0);
}

/** Clips that were there already cost nothing now. */
function isPaidHere({ action }: JobReport): boolean {
  return action === 'new' || action === 'changed' || action === 'resume';
}

/** Credits of the jobs that were sent or resumed in this run. */
export function sumCredits(jobs: readonly JobReport[]): JobReport['credits'] {
  return addCredits(jobs.filter(isPaidHere).map(({ credits }) => credits));
}

export function addCredits(all: readonly JobReport['credits'][]): JobReport['credits'] {
  const sum = (key: keyof JobReport['credits']) => sumOf(all.map((credits) => credits[key]));
  return { estimated: sum('estimated'), reserved: sum('reserved'), used: sum('used') };
}

/** The sum of what is known; null where nothing is. Credits have four digits after the point, sums of them more. */
export function sumOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.round(known.reduce((sum, value) => sum + value, 0) * 1e6) / 1e6;
}

/** What is reserved for a task that ends without a clip is refunded. */
function isFree({ error }: Pick<JobReport, 'error'>): boolean {
  return error?.charged === 'no' || error?.code === 'task-failed';
}

/** What a job has cost, or may yet be charged or refunded, as far as that is known now. */
export function takenCredits({ credits, error }: JobReport): number | null {
  return credits.used ?? (isFree({ error }) ? null : credits.reserved);
}

/** What is reserved and neither charged nor refunded. */
export function sumHeldCredits(jobs: readonly JobReport[]): number | null {
  return sumOf(jobs.filter((job) => isPaidHere(job) && job.credits.used === null).map(takenCredits));
}

/**
 * Credits of a job with what the number means, the surest first: `67.5 credits`, `67.5 credits reserved`, `about 67.5
 * credits`; undefined where nothing is known, or nothing will be charged.
 */
export function creditWords(job: JobReport): string | undefined {
  const { used, reserved, estimated } = job.credits;
  if (used !== null) return `${formatCredits(used)} credits`;
  if (isFree(job)) return undefined;
  if (reserved !== null) return `${formatCredits(reserved)} credits reserved`;
  return estimated === null ? undefined : `about ${formatCredits(estimated)} credits`;
}

const OPERATION_WORDS = { t2v: 'text to video', i2v: 'image to video', ref: 'reference to video' } as const;

/** The settings as short words: `text to video · fast · 8 s · 720p · 16:9 · no audio`. */
export function settingWords({ settings }: JobReport): string {
  if (settings === null) return '';
  const { duration_seconds: duration, generate_audio: audio } = settings;
  const words = [
    OPERATION_WORDS[settings.operation],
    settings.tier ?? settings.model,
    duration && formatSeconds(duration),
    settings.quality,
    settings.aspect_ratio,
    audio === null ? null : audio ? 'audio' : 'no audio',
    settings.content_filter === false && 'no content filter',
    settings.web_search && 'web search',
  ];
  return words.filter((word) => word).join(' · ');
}

const CHARGE_WORDS = {
  no: 'nothing was charged',
  yes: 'it was charged',
  unknown: "can't tell whether it was charged",
} as const;

/** Why a job has no clip, one line each: message, details, hint, charge. Empty for a job without an error. */
export function reasonLines({ error }: Pick<JobReport, 'error'>): readonly string[] {
  if (error === null) return [];
  const { code, service_code: serviceCode, message, details, hint, charged } = error;
  // Money is named where it could have moved.
  const isPlain = charged === null || (charged === 'no' && (code === 'usage' || code === 'not-sent'));
  const lines = [
    serviceCode === null || message.includes(serviceCode) ? message : `${message} (${serviceCode})`,
    ...details,
    ...(hint === null ? [] : [`next: ${hint}`]),
    ...(isPlain ? [] : [CHARGE_WORDS[charged]]),
  ];
  return [...new Set(lines)];
}

/** What a run is called in a heading. */
export function runTitle({ files }: RunReport): string {
  return files.join(', ') || 'evolink run';
}

/** From its start to its end. */
export function runDurationMs({ started_at, ended_at }: RunReport): number {
  return Math.max(0, Date.parse(ended_at) - Date.parse(started_at));
}

/** What a reader of the run must know first: `dry run`, `sandbox`. */
export function runFlags({ shard, dry_run, sandbox, error, stopped }: RunReport): readonly string[] {
  return [
    shard !== null && `shard ${shard.index}/${shard.count}`,
    dry_run && 'dry run',
    sandbox && 'sandbox',
    error !== null && 'refused',
    stopped && 'stopped early',
  ].filter((flag) => flag !== false);
}

/** `took 12 min 30 s` */
export function runEnd(report: RunReport): string {
  if (report.dry_run || report.error !== null) return 'nothing was sent';
  return `took ${formatDuration(runDurationMs(report))}`;
}

/** Jobs by their states, and what they cost. */
export function runTotals({ jobs, credits, dry_run }: RunReport): readonly (readonly [string, string])[] {
  const sum = dry_run ? credits.estimated : credits.used;
  return [
    ['jobs', `${jobs.length}`],
    ...countStates(jobs).map(({ state, count }) => [stateWord(state), `${count}`] as const),
    ...(sum === null ? [] : [[dry_run ? 'estimated credits' : 'credits', formatCredits(sum)] as const]),
  ];
}
