import { pathToFileURL } from 'node:url';
import { relativePath } from '../platform/folders.ts';
import { formatCredits, formatSeconds } from '../ui/format.ts';
// Types only: its schemas take milliseconds to make, and most runs write no report.
import type { CreditFacts, JobReport, JobSettings, RunReport } from './run-report.ts';
import { JOB_STATES, type JobState } from './states.ts';

/** The job is done, and its clip is there. */
export function isDone({ state }: Pick<JobReport, 'state'>): boolean {
  return state === 'saved' || state === 'up_to_date' || state === 'copied';
}

/** Needs a person: failed in whatever way, or wrong in the file. */
export function isTrouble({ state }: Pick<JobReport, 'state'>): boolean {
  return !isDone({ state }) && state !== 'running' && state !== 'not_sent';
}

/** The path of a clip that is there now; null for a job without one, whatever lies under its future name. */
export function savedClip(job: JobReport): string | null {
  return isDone(job) ? job.path : null;
}

/** How many jobs there are in each state, without those that have none. */
export function countStates(jobs: readonly JobReport[]): readonly { state: JobState; count: number }[] {
  return JOB_STATES.map((state) => ({
    state,
    count: jobs.filter((job) => job.state === state).length,
  })).filter(({ count }) => count > 0);
}

/** Clips that were there already cost nothing now. */
function isPaidHere({ action }: JobReport): boolean {
  return action === 'new' || action === 'changed' || action === 'resume';
}

/** Credits of the jobs that were sent or resumed in this run. */
export function sumCredits(jobs: readonly JobReport[]): CreditFacts {
  return addCredits(jobs.filter(isPaidHere).map(({ credits }) => credits));
}

export function addCredits(all: readonly CreditFacts[]): CreditFacts {
  const sum = (key: keyof CreditFacts) => sumOf(all.map((credits) => credits[key]));
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

/** Credits that are reserved for a job, and may yet be charged or refunded. */
function heldCredits({ credits, error }: JobReport): number | null {
  return credits.used !== null || isFree({ error }) ? null : credits.reserved;
}

/** What a job has cost, as far as that is known now. */
export function takenCredits(job: JobReport): number | null {
  return job.credits.used ?? heldCredits(job);
}

export function sumHeldCredits(jobs: readonly JobReport[]): number | null {
  return sumOf(jobs.filter(isPaidHere).map(heldCredits));
}

/**
 * Credits of a job with what the number means, the surest first: `67.5 credits`, `67.5 credits reserved`, `about 67.5
 * credits`; undefined where nothing is known, or nothing will be charged.
 * @param unit what follows the number, such as nothing in a column of credits
 */
export function creditWords(job: JobReport, unit = ' credits'): string | undefined {
  const { used, reserved, estimated } = job.credits;
  if (used !== null) return `${formatCredits(used)}${unit}`;
  if (isFree(job)) return undefined;
  if (reserved !== null) return `${formatCredits(reserved)}${unit} reserved`;
  return estimated === null ? undefined : `about ${formatCredits(estimated)}${unit}`;
}

/**
 * The address of a file for a page that stands in a folder: relative and URL-encoded, so that folder and files can move
 * together; a `file:` URL where no relative path leads there.
 */
export function clipAddress(folder: string, path: string): string {
  const found = relativePath(folder, path);
  if (found === null) return pathToFileURL(path).href;
  // A lone surrogate, possible in names on Windows, has no encoding.
  return found
    .split('/')
    .map((segment) => encodeURIComponent(segment.replace(/\p{Surrogate}/gu, '\uFFFD')))
    .join('/');
}

const OPERATION_WORDS = { t2v: 'text to video', i2v: 'image to video', ref: 'reference to video' } as const;

/** The settings as short words: `text to video`, `fast`, `8 s`, `720p`, `16:9`, `no audio`. */
export function settingWords(settings: JobSettings): readonly string[] {
  const { duration_seconds: duration, generate_audio: audio } = settings;
  return [
    OPERATION_WORDS[settings.operation],
    settings.tier ?? settings.model,
    duration === null ? null : formatSeconds(duration),
    settings.quality,
    settings.aspect_ratio,
    audio === null ? null : audio ? 'audio' : 'no audio',
    settings.content_filter === false ? 'no content filter' : null,
    settings.web_search === true ? 'web search' : null,
  ].filter((word) => word !== null);
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
export function runTitle(files: readonly string[]): string {
  if (files.length === 0) return 'evolink run';
  return files.length > 3 ? `${files.length} job files` : files.join(', ');
}

/** From its start to its end. */
export function runDurationMs({ started_at, ended_at }: RunReport): number {
  return Math.max(0, Date.parse(ended_at) - Date.parse(started_at));
}
