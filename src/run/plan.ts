import { lstat, readdir } from 'node:fs/promises';
import { basename, dirname, extname, join, relative } from 'node:path';
import pMap from 'p-map';
import { toSafeName } from '../config/output.ts';
import { hashFile } from '../download/target.ts';
import type { MediaFacts } from '../download/verify.ts';
import type { Inspection } from '../media/facts.ts';
import { isLoopbackHost } from '../platform/address-class.ts';
import { createRealFolders, isInside } from '../platform/folders.ts';
import { fsErrorCode, localIoError } from '../platform/fs-error.ts';
import type { PlanWord } from '../report/states.ts';
import { type CreditEstimate, estimateCredits, type PriceOverride } from '../request/estimate.ts';
import type { GenerationRequest, WireBody } from '../request/fields.ts';
import { fingerprint, toWireBody } from '../request/fingerprint.ts';
import { DURATION_SECONDS, type Problem } from '../request/models.ts';
import { isLocalEntry, mediaHashes, type PreparedMedia, withUrlFacts } from '../task/prepare-media.ts';
import type { TaskRecord } from '../task/record.ts';
import { placedIdentity, requestIdentity } from '../task/record.ts';
import { placeOf } from '../task/save.ts';
import { isSidecarForeign, readSidecar, type Sidecar } from '../task/sidecar.ts';
import type { JobEntry } from './expand.ts';
import { type InvalidJob, mediaProblems, type ResolvedJob } from './resolve-job.ts';

/** What the record beside a clip says of it. */
export interface ClipRecord {
  readonly fingerprint: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly taskId?: string | undefined;
  readonly localId?: string | undefined;
  /** The job that it was made for. */
  readonly job?: string | undefined;
  /** When its request was made; absent where the record does not say. */
  readonly createdAtMs?: number | undefined;
  readonly reservedCredits?: number | undefined;
  readonly usedCredits?: number | undefined;
  readonly media?: MediaFacts | undefined;
  /** Made by an API on this machine: sandbox output, worth nothing. */
  readonly isSandbox: boolean;
}

/**
 * `absent`: nothing is there, at most the sidecar that a clip has left. `ours`: a clip that evolink made, unchanged since.
 * `damaged`: one that was changed after it was made. `foreign`: a file that no sidecar vouches for; never replaced.
 */
export type OutputState =
  | { readonly kind: 'absent'; readonly left?: ClipRecord | undefined }
  | { readonly kind: 'damaged'; readonly clip: ClipRecord }
  | { readonly kind: 'ours'; readonly clip: ClipRecord }
  | { readonly kind: 'foreign'; readonly reason: string };

/**
 * Looks at the place of a clip: the file, and the record beside it. Time stamps say nothing: a restored cache has new ones.
 * @throws EvolinkError `local-io`
 */
export async function inspectOutput(path: string): Promise<OutputState> {
  const sizeBytes = await sizeOf(path);
  const clip = sizeBytes === 'no file' ? undefined : readClipRecord(path);
  if (sizeBytes === undefined) return { kind: 'absent', left: clip };
  if (sizeBytes === 'no file') return { kind: 'foreign', reason: 'is not a regular file' };
  if (clip === undefined) return { kind: 'foreign', reason: 'has no record beside it that evolink wrote' };
  const isSame = sizeBytes === clip.sizeBytes && (await hashOf(path)) === clip.sha256;
  return { kind: isSame ? 'ours' : 'damaged', clip };
}

/** Says whether there may be a file of this name, also where the file system does not tell case apart. */
type HasName = (path: string) => boolean;

/** Lists the folders of files, each once, where thousands of files would be looked for. */
async function listFolders(paths: readonly string[]): Promise<HasName> {
  const key = (name: string): string => name.normalize('NFC').toLowerCase();
  const folders = new Map<string, ReadonlySet<string>>();
  for (const folder of new Set(paths.map((path) => dirname(path))))
    folders.set(folder, new Set((await listFolder(folder)).map(key)));
  return (path) => folders.get(dirname(path))?.has(key(basename(path))) === true;
}

/** The names in a folder; none where there is no such folder. @throws EvolinkError `local-io` */
export async function listFolder(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    const code = fsErrorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw localIoError(error, 'look into the output folder', folder).with({ charged: 'no' });
  }
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
export function readClipRecord(path: string): ClipRecord | undefined {
  const sidecar = readSidecar(path);
  if (sidecar === undefined) return undefined;
  const { file, credits, times } = sidecar;
  const createdAtMs = Date.parse(times?.created ?? '');
  return {
    fingerprint: sidecar.fingerprint,
    sizeBytes: file.size_bytes,
    sha256: file.sha256,
    taskId: sidecar.task_id ?? undefined,
    localId: sidecar.local_id ?? undefined,
    job: sidecar.job ?? undefined,
    createdAtMs: Number.isNaN(createdAtMs) ? undefined : createdAtMs,
    reservedCredits: credits?.reserved ?? undefined,
    usedCredits: credits?.used ?? undefined,
    media: toMedia(file),
    isSandbox: isLoopbackUrl(sidecar.api_base_url),
  };
}

function toMedia({ duration_seconds, has_audio, width_px, height_px }: Sidecar['file']) {
  if (typeof duration_seconds !== 'number' || typeof has_audio !== 'boolean') return undefined;
  return {
    durationSeconds: duration_seconds,
    hasAudio: has_audio,
    widthPx: width_px ?? undefined,
    heightPx: height_px ?? undefined,
  };
}

function isLoopbackUrl(value: unknown): boolean {
  return typeof value === 'string' && URL.canParse(value) && isLoopbackHost(new URL(value).hostname);
}

/** What clips of 4 s in 480p were seen to take, by tier. */
const BASE_SECONDS: Readonly<Record<string, number>> = { mini: 109, fast: 113, standard: 156 };
const UNKNOWN_SECONDS = 180;

/** About how long the service needs for a request: for shares and expected ends, not for promises. */
function expectedSeconds({ tier, durationSeconds }: GenerationRequest): number {
  const base = tier === undefined ? UNKNOWN_SECONDS : (BASE_SECONDS[tier] ?? UNKNOWN_SECONDS);
  const seconds = durationSeconds === -1 ? undefined : durationSeconds;
  return base * (1 + 0.01 * ((seconds ?? DURATION_SECONDS.max) - 4));
}

/** What a run says of a job: its names, its place in the file, its variables. */
export type JobPlace = Pick<
  JobEntry,
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
  readonly action: PlanWord | 'forced';
  /** The open request that is continued. */
  readonly record?: TaskRecord | undefined;
  /** The clip that is there already. */
  readonly clip?: ClipRecord | undefined;
  /** Where the clip of this very request lies, under another name. */
  readonly movedFrom?: string | undefined;
  /** Where a file that is in the way goes first: a clip of another request was paid for, a changed one may be an edit. */
  readonly movedAside?: MovedAside | undefined;
  /** The task whose clip was deleted or damaged, and is downloaded again. */
  readonly restore?: Restore | undefined;
  /** The output holds the date: each day is another clip. */
  readonly isDated: boolean;
  readonly isForced: boolean;
  /** The clip goes, or a link leads it, out of the folder of the job file. */
  readonly isOutside: boolean;
}

interface MovedAside {
  readonly keptAs: string;
  /** Another job of the plan asks for that very clip, and gets it. */
  readonly isWanted: boolean;
}

export interface Restore {
  /** Absent where the sidecar of a damaged clip does not name it. */
  readonly taskId?: string | undefined;
  /** The saved record of the task, where it is still known. */
  readonly earlier?: TaskRecord | undefined;
  /** A file lies in the place: what can't be downloaded again is not submitted again unasked. */
  readonly isDamaged: boolean;
  /** The service no longer has it. */
  readonly isGone?: boolean | undefined;
}

export interface PlanOptions {
  /** Open requests to this service. */
  readonly records: readonly TaskRecord[];
  /** Paths that belong to a job of the files. */
  readonly takenPaths: ReadonlySet<string>;
  /** Clips are made again although they are up to date. */
  readonly isForced: boolean;
  /** Requests go to an API on this machine: what it makes never replaces a clip that was paid for. */
  readonly isSandbox: boolean;
  /** Which service that is, as `serviceOf`. */
  readonly service?: string | undefined;
  readonly prices: readonly PriceOverride[];
  /** What a job costs where the price list can't say it. */
  readonly priceCredits?: number | undefined;
  readonly cwd: string;
}

export interface PlannedJobs {
  readonly jobs: readonly PlannedJob[];
  readonly problems: readonly Problem[];
}

/** Disks, not processors, are waited for. */
const READS_AT_ONCE = 8;

interface Place {
  readonly state: OutputState;
  /** The sidecar's place has a file that evolink did not write. */
  readonly isSidecarForeign: boolean;
}

const EMPTY: Place = { state: { kind: 'absent' }, isSidecarForeign: false };

/**
 * Finds out for each job whether its clip is there, whether a request is open, or what has to be submitted. Reads the places
 * of the clips and the records beside them; sends nothing.
 * @throws EvolinkError `local-io`
 */
export async function planJobs(jobs: readonly ResolvedJob[], options: PlanOptions): Promise<PlannedJobs> {
  const hasName = await listFolders(jobs.map(({ outputPath }) => outputPath));
  const taken = jobs.filter(({ outputPath: path }) => hasName(path) || hasName(`${path}.json`));
  const places = new Map<ResolvedJob, Place>();
  await pMap(
    taken,
    async (job) => {
      const state = await inspectOutput(job.outputPath);
      const hasSidecar = 'clip' in state || (state.kind === 'absent' && state.left !== undefined);
      const isForeign = !hasSidecar && (await isSidecarForeign(job.outputPath));
      places.set(job, { state, isSidecarForeign: isForeign });
    },
    { concurrency: READS_AT_ONCE },
  );
  const open = new Map(options.records.map((record) => [nameOf(record, options), record]));
  const outside = await outsideFolders(jobs);
  const problems: Problem[] = [];
  const planned: PlannedJob[] = [];
  for (const job of jobs) {
    const body = toWireBody(job.request);
    const print = fingerprint(body, mediaHashes(job.media.local));
    const identity = requestIdentity(print, job.output, options.service);
    const { state, ...sidecar } = places.get(job) ?? EMPTY;
    const found = open.get(identity);
    const isWanted = found !== undefined && mayReplace(found, { print, identity, state });
    const decision = decide(job, { print, record: isWanted ? found : undefined, state }, options);
    if ('problem' in decision) problems.push(decision.problem);
    const { action, clip, record, restore } = 'problem' in decision ? NOTHING_TO_DO : decision;
    // A clip of a run always gets a sidecar: nothing is submitted for a place where that would replace a file.
    if (sidecar.isSidecarForeign && clip === undefined && action !== 'invalid')
      problems.push({
        ...job.entry.locate(['output']),
        value: `${job.outputPath}.json`,
        message:
          'is where the record of the clip goes, and is a file that evolink did not write; move it away, or name another output',
      });
    const movedAside = await movedAsideOf(job.outputPath, { state, print, hasName, options });
    const isOutside = outside.has(outsideKey(job));
    planned.push({
      entry: toPlace(job.entry),
      request: job.request,
      outputPath: job.outputPath,
      isOutside,
      warnings: isOutside ? [...job.warnings, outsideWarning(job, options.cwd)] : job.warnings,
      media: job.media,
      projectChoices: job.projectChoices,
      body,
      identity,
      fingerprint: print,
      estimate: estimateCredits(job.request, {
        overrides: options.prices,
        priceCredits: options.priceCredits,
        inputVideoSeconds: job.media.inputVideoSeconds,
      }),
      expectedSeconds: expectedSeconds(job.request),
      output: {
        ...job.output,
        onExisting: clip === undefined || movedAside !== undefined ? 'refuse' : 'overwrite',
      },
      action,
      record,
      clip,
      movedAside,
      restore: restore ?? leftRestore(state, print),
      isDated: job.isDated,
      isForced: options.isForced,
    });
  }
  return { jobs: planned, problems };
}

/** The folders of clips that lead out of those of their job files, by where links really lead. */
async function outsideFolders(jobs: readonly ResolvedJob[]): Promise<ReadonlySet<string>> {
  const pairs = new Map(jobs.map((job) => [outsideKey(job), job]));
  const real = createRealFolders();
  const outside = new Set<string>();
  for (const [key, { entry, outputPath }] of pairs)
    if (!isInside(await real(entry.baseFolder), await real(dirname(outputPath)))) outside.add(key);
  return outside;
}

function outsideKey({ entry, outputPath }: ResolvedJob): string {
  return `${entry.baseFolder}\0${dirname(outputPath)}`;
}

/** A clip that was deleted, by what its sidecar still says. */
function leftRestore(state: OutputState, print: string): Restore | undefined {
  if (state.kind !== 'absent' || state.left?.fingerprint !== print || state.left.taskId === undefined)
    return undefined;
  return { taskId: state.left.taskId, isDamaged: false };
}

interface InTheWay {
  readonly state: OutputState;
  readonly print: string;
  readonly hasName: HasName;
  readonly options: PlanOptions;
}

/** Where the file at an output goes before another takes its name: sandbox clips are worth nothing. */
async function movedAsideOf(
  path: string,
  { state, print, hasName, options: { isSandbox } }: InTheWay,
): Promise<MovedAside | undefined> {
  if (state.kind === 'absent' || state.kind === 'foreign') return undefined;
  const { clip } = state;
  const isWorthless = clip.isSandbox && !isSandbox;
  if (state.kind === 'ours' && (clip.fingerprint === print || isWorthless)) return undefined;
  const ending = extname(path);
  const stem = join(dirname(path), basename(path, ending));
  const name = toSafeName(clip.taskId ?? clip.sha256.slice(0, 12));
  for (let number = 1; ; number += 1) {
    const keptAs = `${stem}.${name}${number === 1 ? '' : `.${number}`}${ending}`;
    if (hasName(keptAs)) continue;
    if (hasName(`${keptAs}.json`) && (await isSidecarForeign(keptAs))) continue;
    return { keptAs, isWanted: false };
  }
}

/** The identity by which an open record is found: its own, unless it was moved since to where another job wants it. */
function nameOf(record: TaskRecord, { service, takenPaths }: PlanOptions): string {
  const path = placeOf(record);
  return path !== undefined && takenPaths.has(path) ? placedIdentity(record, service) : record.identity;
}

function toPlace({ name, group, file, line, column, variables, baseFolder }: JobEntry): JobPlace {
  return { name, group, file, line, column, variables, baseFolder };
}

/** Not refused, as people write `../clips`; said, as a job file may come from somebody else. One line for a folder. */
function outsideWarning({ entry, outputPath }: ResolvedJob, cwd: string): Problem {
  return {
    ...entry.locate(['output']),
    value: shortPath(dirname(outputPath), cwd),
    message: 'is outside of the folder of the job file, and clips are written there',
  };
}

interface Decision {
  readonly action: PlanWord | 'forced';
  readonly clip?: ClipRecord | undefined;
  readonly record?: TaskRecord | undefined;
  readonly restore?: Restore | undefined;
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
  { isForced, isSandbox, cwd }: PlanOptions,
): Decision | { readonly problem: Problem } {
  const refuse = (reason: string) => ({
    problem: {
      ...entry.locate(['output']),
      value: shortPath(outputPath, cwd),
      message: `job ${entry.name}: ${reason}, so it is never replaced; move it away, or name another output`,
    },
  });
  if (state.kind === 'foreign') {
    // A process that died after publishing has not written the record beside the clip: its request is still open.
    if (record?.state === 'completed') return { action: 'resume', record };
    return refuse(`the file ${state.reason}`);
  }
  if (state.kind === 'absent') return record === undefined ? { action: 'new' } : { action: 'resume', record };
  const { clip } = state;
  if (state.kind === 'damaged') {
    if (isSandbox && !clip.isSandbox) return refuse('the file was changed after evolink made it');
    if (record !== undefined) return { action: 'resume', clip, record };
    if (isForced) return { action: 'forced', clip };
    if (clip.fingerprint !== print) return { action: 'changed', clip };
    return { action: 'restore', clip, restore: { taskId: clip.taskId, isDamaged: true } };
  }
  const isCurrent = clip.fingerprint === print && (isSandbox || !clip.isSandbox);
  if (isCurrent && !isForced && record?.taskId !== clip.taskId) {
    return record === undefined ? { action: 'up_to_date', clip } : { action: 'resume', clip, record };
  }
  if (isCurrent && !isForced) return { action: 'up_to_date', clip, record };
  if (isSandbox && !clip.isSandbox) {
    return refuse('the file is a clip of the real service, and this run uses the sandbox');
  }
  if (record !== undefined && record.taskId !== clip.taskId) return { action: 'resume', clip, record };
  return { action: isCurrent ? 'forced' : 'changed', clip };
}

/** A path as a person reads it: relative where it lies below the working folder. */
function shortPath(path: string, cwd: string): string {
  return path !== cwd && isInside(cwd, path) ? relative(cwd, path) : path;
}

/** Says whether the job needs the paid request: an open one that was never sent needs it too. */
export function needsSubmit({ action, record }: Pick<PlannedJob, 'action' | 'record'>): boolean {
  if (action === 'resume') return record?.state === 'intent';
  return action === 'new' || action === 'changed' || action === 'forced';
}

/** Says whether the clip is there, so that nothing has to be asked of the service. */
export function isSettled({ action }: Pick<PlannedJob, 'action'>): boolean {
  return action === 'up_to_date' || action === 'copied';
}

/** The most that a job is expected to cost, where that is known. */
export function mostCredits({ estimate }: Pick<PlannedJob, 'estimate'>): number | undefined {
  return estimate.credits ?? estimate.atMost;
}

export interface PlanUrlsOptions {
  /** The same jobs before they were planned: they still know where in the files things stand. */
  readonly resolved: readonly ResolvedJob[];
  readonly prices: readonly PriceOverride[];
  readonly priceCredits?: number | undefined;
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
  { resolved, prices, priceCredits }: PlanUrlsOptions,
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
      estimate: estimateCredits(job.request, { overrides: prices, priceCredits, inputVideoSeconds }),
    };
  });
  return { jobs: checked, invalid };
}
