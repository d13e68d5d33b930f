import { isAbsolute, relative, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { MediaFacts } from '../config/output-pattern.ts';
import type { Charged, ErrorKind } from '../errors.ts';
import type { Operation, WireBody } from '../request/models.ts';
import { formatCredits, formatSeconds } from '../ui/format.ts';

/**
 * What became of a job. `saved`: a clip was made (or the clip of an open request was saved) in this run. `up-to-date`:
 * the clip was there already. `submitted`: taken by the service, still running (deadline, `--no-wait`, stop). `failed`:
 * see `error`. `skipped`: left out on purpose (budget reached, `--fail-fast`, stopped before its turn); nothing was sent.
 * `invalid`: the job file is wrong there. `planned`: a dry run.
 */
export const JOB_STATES = [
  'planned',
  'up-to-date',
  'saved',
  'submitted',
  'failed',
  'skipped',
  'invalid',
] as const;
export type JobState = (typeof JOB_STATES)[number];

/**
 * Why a job was sent or not: `new` no clip yet; `changed` the request differs from the clip's; `attached` an open request;
 * `restored` its clip was deleted or damaged, and is downloaded again; `adopted` its clip lies under another name, and is
 * copied; `renamed` is of reports of 0.1.0: such a clip, and nobody had said what to do.
 */
export const PLAN_ACTIONS = [
  'new',
  'changed',
  'forced',
  'attached',
  'up-to-date',
  'restored',
  'renamed',
  'adopted',
  'invalid',
] as const;
export type PlanAction = (typeof PLAN_ACTIONS)[number];

/** What a job was made of, as a person would write it. */
export interface JobSettings {
  readonly operation: Operation;
  readonly model: string;
  readonly tier?: string | undefined;
  /** Absent, as the next four, where the model is not known and nobody named it. */
  readonly durationSeconds?: number | undefined;
  readonly quality?: string | undefined;
  readonly aspectRatio?: string | undefined;
  readonly generateAudio?: boolean | undefined;
  readonly contentFilter?: boolean | undefined;
  readonly webSearch?: boolean | undefined;
}

/** Credits of one job or of a run. Absent = not known, never 0. */
export interface CreditFacts {
  readonly estimated?: number | undefined;
  readonly reserved?: number | undefined;
  readonly used?: number | undefined;
}

export interface JobError {
  /** `not-sent`: the run stopped before this job was submitted. */
  readonly kind: ErrorKind | 'not-sent';
  /** The service's own code, such as `content_policy_violation`. */
  readonly code?: string | undefined;
  readonly message: string;
  readonly details: readonly string[];
  readonly hint?: string | undefined;
  readonly retryable: boolean;
  readonly charged?: Charged | undefined;
}

/** One picture, clip or sound that a job refers to: `image 1 (first frame) = style.png, 1600×1200`. */
export interface ReferenceReport {
  readonly name: string;
  readonly role?: string | undefined;
  /** The name of the file, or the URL without its query. */
  readonly label: string;
  /** Pixels and length; absent where they are not known. */
  readonly facts?: string | undefined;
  readonly isLocal: boolean;
}

export interface JobReport {
  /** Unique in the run: `hero`, `hero/16:9`, `product/frog-01/9:16`. */
  readonly name: string;
  /** The key of the job in its file: jobs of one matrix share it. */
  readonly group: string;
  /** The job file as the person named it, and where the job stands in it (1-based). */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** Values of the matrix axes, columns of the row and `vars` of this job. */
  readonly variables: Readonly<Record<string, unknown>>;
  readonly state: JobState;
  readonly action: PlanAction;
  /** The body that is sent; absent for an invalid job. */
  readonly request?: WireBody | undefined;
  readonly settings?: JobSettings | undefined;
  readonly prompt?: string | undefined;
  /** In the order of images, videos, sounds; absent without any. */
  readonly references?: readonly ReferenceReport[] | undefined;
  /** Absolute path of the clip: where it is, or where it will be. Absent while only the task id will name it. */
  readonly outputPath?: string | undefined;
  /** The clip goes, or a link leads it, out of the folder of the job file. */
  readonly isOutside?: boolean | undefined;
  /** Where the clip of this request lies under another name. */
  readonly movedFrom?: string | undefined;
  /** Where a clip that was in the way is kept. */
  readonly keptAs?: string | undefined;
  readonly sizeBytes?: number | undefined;
  /** Hexadecimal. */
  readonly sha256?: string | undefined;
  readonly media?: MediaFacts | undefined;
  readonly credits: CreditFacts;
  readonly taskId?: string | undefined;
  readonly localId?: string | undefined;
  /** From the start of this job in this run to its end; absent for a job that did not start. */
  readonly durationMs?: number | undefined;
  readonly warnings: readonly string[];
  readonly error?: JobError | undefined;
}

export interface RunTotals {
  /** Jobs of the files after `--only`, `--skip` and `--shard`. All below count jobs. */
  readonly planned: number;
  /** By action of the plan. */
  readonly new: number;
  readonly changed: number;
  readonly forced: number;
  readonly attached: number;
  readonly upToDate: number;
  readonly restored: number;
  readonly renamed: number;
  readonly adopted: number;
  readonly invalid: number;
  /** By state at the end. */
  readonly saved: number;
  readonly submitted: number;
  readonly failed: number;
  readonly skipped: number;
}

/** One `evolink run`, as plain data: what every report format is made from. */
export interface RunReport {
  readonly schemaVersion: 1;
  readonly toolVersion: string;
  /** True when nothing could be sent: `--dry-run`. */
  readonly isDryRun: boolean;
  readonly isSandbox: boolean;
  /** True when a signal or `--fail-fast` ended the run early. */
  readonly isStopped: boolean;
  /**
   * Where the names of the job files start: absolute, or from the top of the workspace on a CI runner, so that two machines
   * call the same file the same. Absent in reports of 0.1.0.
   */
  readonly folder?: string | undefined;
  /** Job files as the person named them. */
  readonly files: readonly string[];
  readonly shard?: { readonly index: number; readonly count: number } | undefined;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly totals: RunTotals;
  /** Sums over the jobs that were sent or continued in this run (in a dry run: that would be). */
  readonly credits: CreditFacts;
  /** What could be spent before the run; absent in a dry run or where the service does not say. */
  readonly balance?: number | undefined;
  readonly priceListDate?: string | undefined;
  /** Seconds that are billed for the jobs to be sent, seconds of reference videos included, as far as they are known. */
  readonly billedSeconds?: number | undefined;
  /** Different local files that the jobs to be sent refer to; some may be uploaded already. */
  readonly uploads?: number | undefined;
  /** In the order of the files. */
  readonly jobs: readonly JobReport[];
  /** Why the run was refused before anything was sent, where that is no matter of one job. */
  readonly error?: JobError | undefined;
  /** Warnings that belong to no job. */
  readonly warnings: readonly string[];
  /** In a merged report: parts whose report was not there, such as `2/4`. */
  readonly missingShards?: readonly string[] | undefined;
}

/** How many jobs have come to what. Pure. */
export function sumTotals(jobs: readonly JobReport[]): RunTotals {
  const byAction = (action: PlanAction): number => jobs.filter((job) => job.action === action).length;
  const byState = (state: JobState): number => jobs.filter((job) => job.state === state).length;
  return {
    planned: jobs.length,
    new: byAction('new'),
    changed: byAction('changed'),
    forced: byAction('forced'),
    attached: byAction('attached'),
    upToDate: byAction('up-to-date'),
    restored: byAction('restored'),
    renamed: byAction('renamed'),
    adopted: byAction('adopted'),
    invalid: byAction('invalid'),
    saved: byState('saved'),
    submitted: byState('submitted'),
    failed: byState('failed'),
    skipped: byState('skipped'),
  };
}

/** Credits of the jobs that the run has to do with; clips that were there already cost nothing now. Absent = not known. */
export function sumCredits(jobs: readonly JobReport[]): CreditFacts {
  const live = jobs.filter(isLive);
  const sum = (read: (credits: CreditFacts) => number | undefined): number | undefined => {
    const known = live.flatMap(({ credits }) => read(credits) ?? []);
    return known.length === 0 ? undefined : round(known.reduce((total, credits) => total + credits, 0));
  };
  return {
    estimated: sum(({ estimated }) => estimated),
    reserved: sum(({ reserved }) => reserved),
    used: sum(({ used }) => used),
  };
}

/** Says whether a job cost nothing in the end: what is reserved for a task that ends without a clip is given back. */
function isFree({ error }: Pick<JobReport, 'error'>): boolean {
  return error?.charged === 'no' || error?.kind === 'task-failed';
}

/** Credits that are reserved for a job, and may yet be used or given back. Absent = none that are known. */
export function heldCredits({ credits, error }: Pick<JobReport, 'credits' | 'error'>): number | undefined {
  return credits.used !== undefined || isFree({ error }) ? undefined : credits.reserved;
}

/** The sum of them over the jobs that the run has to do with. */
export function sumHeldCredits(jobs: readonly JobReport[]): number | undefined {
  const held = jobs.filter(isLive).flatMap((job) => heldCredits(job) ?? []);
  return held.length === 0 ? undefined : round(held.reduce((total, credits) => total + credits, 0));
}

/** Clips that were there already cost nothing now. */
function isLive({ action }: JobReport): boolean {
  return !['up-to-date', 'restored', 'renamed', 'adopted', 'invalid'].includes(action);
}

/** Credits have four digits after the point; sums of floating-point numbers have more. */
function round(credits: number): number {
  return Math.round(credits * 1e6) / 1e6;
}

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
  const { durationSeconds, generateAudio } = settings;
  return [
    OPERATION_WORDS[settings.operation],
    settings.tier ?? settings.model,
    durationSeconds === undefined ? undefined : formatSeconds(durationSeconds),
    settings.quality,
    settings.aspectRatio,
    generateAudio === undefined ? undefined : generateAudio ? 'audio' : 'no audio',
    settings.contentFilter === false ? 'no content filter' : undefined,
    settings.webSearch === true ? 'web search' : undefined,
  ].filter((word) => word !== undefined);
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
