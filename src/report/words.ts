import { isAbsolute, relative, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { formatCredits, formatSeconds } from '../ui/format.ts';
import { isFree, type JobReport, type JobSettings, type JobState } from './run-report.ts';

/** Where and when a report is written. */
export interface ReportPlace {
  /** Absolute path of the folder that the report stands in: links to clips start there. */
  readonly folder: string;
  /** Time of writing, ms since the epoch. */
  readonly nowMs: number;
}

/** A path as seen from a folder, with `/` on every platform; undefined where only an absolute path leads there (another drive). */
export function relativePath(folder: string, path: string): string | undefined {
  const found = relative(folder, path);
  return isAbsolute(found) ? undefined : found.split(sep).join('/');
}

/**
 * The address of a file for a page that stands in a folder: relative and URL-encoded, so that folder and files can move
 * together; a `file:` URL where no relative path leads there.
 */
export function clipAddress(folder: string, path: string): string {
  const found = relativePath(folder, path);
  if (found === undefined) return pathToFileURL(path).href;
  return found.split('/').map(encodeSegment).join('/');
}

function encodeSegment(segment: string): string {
  // A lone surrogate, possible in names on Windows, has no encoding.
  return encodeURIComponent(segment.replace(/\p{Surrogate}/gu, '\uFFFD'));
}

/** States as people read them. */
export const STATE_WORDS: Readonly<Record<JobState, string>> = {
  saved: 'saved',
  'up-to-date': 'up to date',
  submitted: 'still running',
  failed: 'failed',
  skipped: 'skipped',
  invalid: 'invalid',
  planned: 'planned',
};

/** The order in which states are summed up: what succeeded, what is open, what needs a person. */
const STATE_ORDER = [
  'saved',
  'up-to-date',
  'planned',
  'submitted',
  'skipped',
  'failed',
  'invalid',
] as const satisfies readonly JobState[];

/** Says whether a job needs a person: failed, or wrong in the file. */
export function isTrouble({ state }: JobReport): boolean {
  return state === 'failed' || state === 'invalid';
}

/** The path of a clip that is there now; undefined for a job without one, whatever lies under its future name. */
export function savedClip({ state, outputPath }: JobReport): string | undefined {
  return state === 'saved' || state === 'up-to-date' ? outputPath : undefined;
}

/** How many jobs there are in each state, without those that have none. */
export function countStates(jobs: readonly JobReport[]): readonly { state: JobState; count: number }[] {
  return STATE_ORDER.map((state) => ({
    state,
    count: jobs.filter((job) => job.state === state).length,
  })).filter(({ count }) => count > 0);
}

/** The settings as short words: `text to video`, `fast`, `8 s`, `720p`, `16:9`, `no audio`. */
export function settingWords(settings: JobSettings): readonly string[] {
  return [
    OPERATION_WORDS[settings.operation],
    settings.tier ?? settings.model,
    formatSeconds(settings.durationSeconds),
    settings.quality,
    settings.aspectRatio,
    settings.generateAudio ? 'audio' : 'no audio',
    ...(settings.contentFilter ? [] : ['no content filter']),
    ...(settings.webSearch === true ? ['web search'] : []),
  ];
}

const OPERATION_WORDS: Readonly<Record<JobSettings['operation'], string>> = {
  t2v: 'text to video',
  i2v: 'image to video',
  ref: 'reference to video',
};

/**
 * Credits of a job with what the number means, the surest first: `67.5 credits`, `67.5 credits reserved`, `about 67.5
 * credits`; undefined where nothing is known, or where the estimate was never spent.
 * @param unit what follows the number, such as nothing in a column of credits
 */
export function creditWords(job: JobReport, unit = ' credits'): string | undefined {
  const { used, reserved, estimated } = job.credits;
  if (used !== undefined) return `${formatCredits(used)}${unit}`;
  if (isFree(job)) return undefined;
  if (reserved !== undefined) return `${formatCredits(reserved)}${unit} reserved`;
  return estimated === undefined ? undefined : `about ${formatCredits(estimated)}${unit}`;
}

const CHARGE_WORDS = {
  no: 'nothing was charged',
  yes: 'it was charged',
  unknown: 'it is not known whether it was charged',
} as const;

/** Why a job has no clip, one line each: message, details, what to do, charge. Empty for a job without an error. */
export function reasonLines({ error }: Pick<JobReport, 'error'>): readonly string[] {
  if (error === undefined) return [];
  const isNamed = error.code === undefined || error.message.includes(error.code);
  const code = isNamed ? '' : ` (${error.code})`;
  return [
    `${error.message}${code}`,
    ...error.details,
    ...(error.hint === undefined ? [] : [`next: ${error.hint}`]),
    ...(error.charged === undefined ? [] : [CHARGE_WORDS[error.charged]]),
  ];
}

/** What a run is called in a heading: its files, or how many they are. */
export function runTitle(files: readonly string[]): string {
  if (files.length === 0) return 'evolink run';
  return files.length > 3 ? `${files.length} job files` : files.join(', ');
}
