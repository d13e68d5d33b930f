import type { MediaFacts } from '../config/output-pattern.ts';
import type { Charged, ErrorKind } from '../errors.ts';
import type { Operation, WireBody } from '../request/models.ts';

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
 * `renamed` its clip lies, or is to go, under another name, and nobody said what to do; `adopted` such a clip is copied.
 */
export const PLAN_ACTIONS = [
  'new',
  'changed',
  'forced',
  'attached',
  'up-to-date',
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
  readonly durationSeconds: number;
  readonly quality: string;
  readonly aspectRatio: string;
  readonly generateAudio: boolean;
  readonly contentFilter: boolean;
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
export function isFree({ error }: Pick<JobReport, 'error'>): boolean {
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
  return !['up-to-date', 'renamed', 'adopted', 'invalid'].includes(action);
}

/** Credits have four digits after the point; sums of floating-point numbers have more. */
function round(credits: number): number {
  return Math.round(credits * 1e6) / 1e6;
}
