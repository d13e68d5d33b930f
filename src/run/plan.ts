import { lstat } from 'node:fs/promises';
import { dirname, relative } from 'node:path';
import pMap from 'p-map';
import type { MediaFacts } from '../config/output-pattern.ts';
import { hashFile } from '../download/target.ts';
import { isEvolinkError } from '../errors.ts';
import type { Inspection } from '../media/facts.ts';
import { isLoopbackHost } from '../platform/address-class.ts';
import { createRealFolders, isInside } from '../platform/folders.ts';
import { fsErrorCode, localIoError } from '../platform/fs-error.ts';
import { readTextFile } from '../platform/read-file.ts';
import type { PlanAction } from '../report/run-report.ts';
import { type CreditEstimate, estimateCredits, type PriceOverride } from '../request/estimate.ts';
import { fingerprint, toWireBody } from '../request/fingerprint.ts';
import { DURATION_SECONDS, type GenerationRequest, type Problem, type WireBody } from '../request/models.ts';
import { placedIdentity, requestIdentity } from '../task/identity.ts';
import { isLocalEntry, mediaHashes, type PreparedMedia, withUrlFacts } from '../task/prepare-media.ts';
import type { TaskRecord } from '../task/record.ts';
import { placeOf } from '../task/save.ts';
import { MAX_SIDECAR_BYTES, SIDECAR_KIND } from '../task/sidecar.ts';
import type { FileJobEntry } from './expand.ts';
import { isJobObject, type JobObject } from './job-file.ts';
import { type InvalidJob, mediaProblems, type ResolvedJob } from './resolve-job.ts';

/** What the record beside a clip says of it. */
export interface ClipRecord {
  readonly fingerprint: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly taskId?: string | undefined;
  readonly localId?: string | undefined;
  /** When its request was made; absent where the record does not say. */
  readonly createdAtMs?: number | undefined;
  readonly reservedCredits?: number | undefined;
  readonly usedCredits?: number | undefined;
  readonly media?: MediaFacts | undefined;
  /** Made by an API on this machine: a rehearsal, worth nothing. */
  readonly isRehearsal: boolean;
}

/**
 * `absent`: nothing is there. `ours`: a clip that evolink made, unchanged since. `foreign`: a file that no record vouches
 * for, or that was changed after it was made; never replaced.
 */
export type OutputState =
  | { readonly kind: 'absent' }
  | { readonly kind: 'ours'; readonly clip: ClipRecord }
  | { readonly kind: 'foreign'; readonly reason: string };

/**
 * Looks at the place of a clip: the file, and the record beside it. Time stamps say nothing: a restored cache has new ones.
 * @throws EvolinkError `local-io`
 */
export async function inspectOutput(path: string): Promise<OutputState> {
  const sizeBytes = await sizeOf(path);
  if (sizeBytes === undefined) return { kind: 'absent' };
  if (sizeBytes === 'no file') return { kind: 'foreign', reason: 'is not a regular file' };
  const clip = await readClipRecord(path);
  if (clip === undefined) return { kind: 'foreign', reason: 'has no record beside it that evolink wrote' };
  const isSame = sizeBytes === clip.sizeBytes && (await hashOf(path)) === clip.sha256;
  return isSame ? { kind: 'ours', clip } : { kind: 'foreign', reason: 'was changed after evolink made it' };
}

async function sizeOf(path: string): Promise<number | 'no file' | undefined> {
  try {
    const stats = await lstat(path);
    return stats.isFile() ? stats.size : 'no file';
  } catch (error) {
    const code = fsErrorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw localIoError(error, 'look at the output', path).with({ charged: 'no' });
  }
}

async function hashOf(path: string): Promise<string> {
  try {
    return await hashFile(path);
  } catch (error) {
    throw localIoError(error, 'read the output', path).with({ charged: 'no' });
  }
}

/** The record beside a clip; undefined where there is none that can be believed. */
export async function readClipRecord(path: string): Promise<ClipRecord | undefined> {
  try {
    const { text } = await readTextFile(`${path}.json`, {
      label: 'record of a clip',
      maxBytes: MAX_SIDECAR_BYTES,
    });
    const value: unknown = JSON.parse(text);
    return isJobObject(value) ? toClipRecord(value) : undefined;
  } catch (error) {
    if (isEvolinkError(error) || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function toClipRecord(value: JobObject): ClipRecord | undefined {
  const { kind, fingerprint, file, credits } = value;
  if (kind !== SIDECAR_KIND || typeof fingerprint !== 'string' || !isJobObject(file)) return undefined;
  const { size_bytes: sizeBytes, sha256 } = file;
  if (typeof sizeBytes !== 'number' || typeof sha256 !== 'string') return undefined;
  const spent = isJobObject(credits) ? credits : {};
  return {
    fingerprint,
    sizeBytes,
    sha256,
    taskId: textOf(value.task_id),
    localId: textOf(value.local_id),
    createdAtMs: timeOf(isJobObject(value.times) ? value.times.created : undefined),
    reservedCredits: numberOf(spent.reserved),
    usedCredits: numberOf(spent.used),
    media: toMedia(file),
    isRehearsal: isLoopbackUrl(value.api_base_url),
  };
}

function timeOf(value: unknown): number | undefined {
  const timeMs = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(timeMs) ? undefined : timeMs;
}

function toMedia(file: JobObject): MediaFacts | undefined {
  const durationSeconds = numberOf(file.duration_seconds);
  if (durationSeconds === undefined || typeof file.has_audio !== 'boolean') return undefined;
  return {
    durationSeconds,
    hasAudio: file.has_audio,
    widthPx: numberOf(file.width_px),
    heightPx: numberOf(file.height_px),
  };
}

function isLoopbackUrl(value: unknown): boolean {
  return typeof value === 'string' && URL.canParse(value) && isLoopbackHost(new URL(value).hostname);
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

/** Says whether a path leads out of a folder, by where links really lead. */
type LeadsOutside = (path: string, folder: string) => Promise<boolean>;

/** Compares by real folders. */
function createOutsideCheck(): LeadsOutside {
  const real = createRealFolders();
  return async (path, folder) => !isInside(await real(folder), await real(dirname(path)));
}

/** What clips of 4 s in 480p were seen to take, by tier. */
const BASE_SECONDS: Readonly<Record<string, number>> = { mini: 109, fast: 113, standard: 156 };
const UNKNOWN_SECONDS = 180;

/** About how long the service needs for a request: for shares and expected ends, not for promises. */
export function expectedSeconds({ tier, durationSeconds }: GenerationRequest): number {
  const base = tier === undefined ? UNKNOWN_SECONDS : (BASE_SECONDS[tier] ?? UNKNOWN_SECONDS);
  return base * (1 + 0.01 * ((durationSeconds ?? DURATION_SECONDS.max) - 4));
}

/** What a run says of a job: its names, its place in the file, its variables. */
export type JobPlace = Pick<
  FileJobEntry,
  'name' | 'group' | 'file' | 'line' | 'column' | 'variables' | 'baseFolder'
>;

/**
 * A job with what is to be done about it. It outlives its file: thousands of these live as long as the run, so nothing in
 * it leads back to the parsed document or to the functions that find places in it.
 */
export interface PlannedJob extends Omit<ResolvedJob, 'entry'> {
  readonly entry: JobPlace;
  readonly body: WireBody;
  readonly fingerprint: string;
  readonly identity: string;
  readonly estimate: CreditEstimate;
  readonly expectedSeconds: number;
  readonly action: PlanAction;
  /** The open request that is continued. */
  readonly record?: TaskRecord | undefined;
  /** The clip that is there already. */
  readonly clip?: ClipRecord | undefined;
  /** Where the clip of this very request lies, under another name. */
  readonly movedFrom?: string | undefined;
  /** The job that asks for the very clip which this one would replace. */
  readonly wantedBy?: string | undefined;
  /** The clip goes, or a link leads it, out of the folder of the job file. */
  readonly isOutside: boolean;
}

export interface PlanOptions {
  /** Open requests to this service. */
  readonly records: readonly TaskRecord[];
  /** Paths that belong to a job of the files. */
  readonly takenPaths: ReadonlySet<string>;
  /** Says whether a clip is made again although it is up to date. */
  readonly isForced: (job: { readonly name: string; readonly group: string }) => boolean;
  /** Requests go to an API on this machine: what it makes never replaces a clip that was paid for. */
  readonly isRehearsal: boolean;
  /** Which service that is, as `serviceOf`. */
  readonly service?: string | undefined;
  readonly prices: readonly PriceOverride[];
  readonly cwd: string;
}

export interface PlannedJobs {
  readonly jobs: readonly PlannedJob[];
  readonly problems: readonly Problem[];
}

/** Disks, not processors, are waited for. */
const READS_AT_ONCE = 8;

/**
 * Finds out for each job whether its clip is there, whether a request is open, or what has to be bought. Reads the places
 * of the clips and the records beside them; sends nothing.
 * @throws EvolinkError `local-io`
 */
export async function planJobs(jobs: readonly ResolvedJob[], options: PlanOptions): Promise<PlannedJobs> {
  const open = new Map(options.records.map((record) => [nameOf(record, options), record]));
  const problems: Problem[] = [];
  const leadsOutside = createOutsideCheck();
  const planned = await pMap(
    jobs,
    async (job): Promise<PlannedJob> => {
      const body = toWireBody(job.request);
      const hashes = mediaHashes(job.media.local);
      const print = fingerprint(body, hashes);
      const identity = requestIdentity(print, job.output, options.service);
      const state = await inspectOutput(job.outputPath);
      const found = open.get(identity);
      const isWanted = found !== undefined && mayReplace(found, { print, identity, state });
      const facts = { print, record: isWanted ? found : undefined, state };
      const decision = decide(job, facts, options);
      if ('problem' in decision) problems.push(decision.problem);
      const { action, clip, record } = 'problem' in decision ? NOTHING_TO_DO : decision;
      const isOutside = await leadsOutside(job.outputPath, job.entry.baseFolder);
      return {
        entry: toPlace(job.entry),
        request: job.request,
        outputPath: job.outputPath,
        isOutside,
        warnings: isOutside ? [...job.warnings, outsideWarning(job, options.cwd)] : job.warnings,
        media: job.media,
        body,
        identity,
        fingerprint: print,
        estimate: estimateCredits(job.request, {
          overrides: options.prices,
          inputVideoSeconds: job.media.inputVideoSeconds,
        }),
        expectedSeconds: expectedSeconds(job.request),
        output: { ...job.output, onExisting: clip === undefined ? 'refuse' : 'overwrite' },
        action,
        record,
        clip,
      };
    },
    { concurrency: READS_AT_ONCE },
  );
  return { jobs: planned, problems };
}

/** The identity by which an open record is found: its own, unless it was moved since to where another job wants it. */
function nameOf(record: TaskRecord, { service, takenPaths }: PlanOptions): string {
  const path = placeOf(record);
  return path !== undefined && takenPaths.has(path) ? placedIdentity(record, service) : record.identity;
}

function toPlace({ name, group, file, line, column, variables, baseFolder }: FileJobEntry): JobPlace {
  return { name, group, file, line, column, variables, baseFolder };
}

/** Not refused, as people write `../clips`; said, as a job file may come from somebody else. One line for a folder. */
function outsideWarning({ entry, outputPath }: ResolvedJob, cwd: string): Problem {
  return {
    source: entry.describe(['output']),
    value: shortPath(dirname(outputPath), cwd),
    message: 'is outside of the folder of the job file, and clips are written there',
  };
}

interface Decision {
  readonly action: PlanAction;
  readonly clip?: ClipRecord | undefined;
  readonly record?: TaskRecord | undefined;
}

const NOTHING_TO_DO: Decision = { action: 'invalid' };

/** The clip that is there for this very request is replaced only by one that was asked for later, for this very place. */
function mayReplace(
  record: TaskRecord,
  {
    print,
    identity,
    state,
  }: { readonly print: string; readonly identity: string; readonly state: OutputState },
): boolean {
  if (state.kind !== 'ours' || state.clip.fingerprint !== print) return true;
  // Saved, and only not closed yet.
  if (record.taskId !== undefined && record.taskId === state.clip.taskId) return true;
  return record.identity === identity && record.createdAtMs > (state.clip.createdAtMs ?? 0);
}

interface Facts {
  readonly print: string;
  readonly record: TaskRecord | undefined;
  readonly state: OutputState;
}

/** What is open is continued before anything is bought; what is not ours is never replaced. */
function decide(
  { entry, outputPath }: ResolvedJob,
  { print, record, state }: Facts,
  { isForced, isRehearsal, cwd }: PlanOptions,
): Decision | { readonly problem: Problem } {
  const refuse = (reason: string) => ({
    problem: {
      source: entry.describe(['output']),
      value: shortPath(outputPath, cwd),
      message: `job ${entry.name}: ${reason}, so it is never replaced; move it away, or name another output`,
    },
  });
  if (state.kind === 'foreign') {
    // A process that died after publishing has not written the record beside the clip: its request is still open.
    if (record?.state === 'completed') return { action: 'attached', record };
    return refuse(`the file ${state.reason}`);
  }
  if (state.kind === 'absent')
    return record === undefined ? { action: 'new' } : { action: 'attached', record };
  const { clip } = state;
  const isCurrent = clip.fingerprint === print && (isRehearsal || !clip.isRehearsal);
  if (isCurrent && !isForced(entry) && record?.taskId !== clip.taskId) {
    return record === undefined ? { action: 'up-to-date', clip } : { action: 'attached', clip, record };
  }
  if (isCurrent && !isForced(entry)) return { action: 'up-to-date', clip, record };
  if (isRehearsal && !clip.isRehearsal) {
    return refuse('the file is a clip of the real service, and this run is a rehearsal');
  }
  if (record !== undefined && record.taskId !== clip.taskId) return { action: 'attached', clip, record };
  return { action: isCurrent ? 'forced' : 'changed', clip };
}

/** A path as a person reads it: relative where it lies below the working folder. */
function shortPath(path: string, cwd: string): string {
  return path !== cwd && isInside(cwd, path) ? relative(cwd, path) : path;
}

/** Says whether the job needs the paid request: an open one that was never sent needs it too. */
export function needsSubmit({ action, record }: Pick<PlannedJob, 'action' | 'record'>): boolean {
  if (action === 'attached') return record?.state === 'intent';
  return action === 'new' || action === 'changed' || action === 'forced';
}

/** Says whether the clip is there, so that nothing has to be asked of the service. */
export function isSettled({ action }: Pick<PlannedJob, 'action'>): boolean {
  return action === 'up-to-date' || action === 'adopted';
}

/** The most that a job is expected to cost, where that is known. */
export function mostCredits({ estimate }: Pick<PlannedJob, 'estimate'>): number | undefined {
  return estimate.credits ?? estimate.atMost;
}

/**
 * Marks jobs whose new clip would replace one that another job of the plan asks for just now: rows were inserted, or jobs
 * swapped. It would be bought again there. Pure.
 */
export function markDisplaced(
  jobs: readonly PlannedJob[],
  { isRehearsal }: { readonly isRehearsal: boolean },
): readonly PlannedJob[] {
  const wanting = new Map(jobs.filter(needsSubmit).map((job) => [job.fingerprint, job.entry.name]));
  return jobs.map((job) => {
    const { action, clip } = job;
    const isAtStake = action === 'changed' && clip !== undefined && (isRehearsal || !clip.isRehearsal);
    const wantedBy = isAtStake ? wanting.get(clip.fingerprint) : undefined;
    return wantedBy === undefined ? job : { ...job, wantedBy };
  });
}

export interface PlanUrlsOptions {
  /** The same jobs before they were planned: they still know where in the files things stand. */
  readonly resolved: readonly ResolvedJob[];
  readonly prices: readonly PriceOverride[];
}

/** The different media URLs of the jobs that have to be sent: those of finished clips are of no interest any more. */
export function planUrls(jobs: readonly PlannedJob[]): ReadonlySet<string> {
  const urls = jobs.filter(needsSubmit).flatMap(({ request: { images, videos, audios } }) => {
    return [...images, ...videos, ...audios].filter((entry) => !isLocalEntry(entry));
  });
  return new Set(urls);
}

/**
 * The plan with what was found out of its URLs: facts and doubts at the media, lengths of reference videos in the
 * estimates, and jobs whose media certainly break a rule. Pure.
 */
export function withPlanUrls(
  jobs: readonly PlannedJob[],
  inspections: ReadonlyMap<string, Inspection>,
  { resolved, prices }: PlanUrlsOptions,
): { readonly jobs: readonly PlannedJob[]; readonly invalid: readonly InvalidJob[] } {
  if (inspections.size === 0) return { jobs, invalid: [] };
  const knownJobs = new Map(resolved.map((job) => [job.entry.name, job]));
  const invalid: InvalidJob[] = [];
  // Jobs of a matrix share their media.
  const known = new Map<PreparedMedia, PreparedMedia>();
  const checked = jobs.map((job): PlannedJob => {
    if (!needsSubmit(job) || !job.media.reviews.some(({ item }) => inspections.has(item.location)))
      return job;
    const media = known.get(job.media) ?? withUrlFacts(job.media, job.request.operation, inspections);
    known.set(job.media, media);
    const before = knownJobs.get(job.entry.name);
    const problems = before === undefined ? [] : mediaProblems(media.reviews, before.mediaSources ?? []);
    if (before !== undefined && problems.length > 0) invalid.push({ entry: before.entry, problems });
    const { inputVideoSeconds } = media;
    return {
      ...job,
      media,
      estimate: estimateCredits(job.request, { overrides: prices, inputVideoSeconds }),
    };
  });
  return { jobs: checked, invalid };
}
