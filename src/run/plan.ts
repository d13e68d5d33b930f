import { basename, dirname, extname, join, relative } from 'node:path';
import pMap from 'p-map';
import { toSafeName } from '../config/output.ts';
import { createRealFolders, isInside } from '../platform/folders.ts';
import type { PlanWord } from '../report/states.ts';
import type { GenerationRequest } from '../request/fields.ts';
import { DURATION_SECONDS, type Problem } from '../request/models.ts';
import { formatProblem } from '../request/problems.ts';
import { placedIdentity, requestIdentity, type TaskRecord } from '../task/record.ts';
import { placeOf } from '../task/save.ts';
import { isSidecarForeign, type Sidecar } from '../task/sidecar.ts';
import type { ResolvedJob } from './check-jobs.ts';
import { createdAtMsOf, type FolderIndex, inspectOutput, isSandboxClip, type OutputState } from './clips.ts';
import type { JobEntry } from './expand.ts';

/** What a run says of a job: its names, its place in the file, its variables. */
export type JobPlace = Pick<
  JobEntry,
  'name' | 'group' | 'take' | 'file' | 'line' | 'column' | 'variables' | 'baseFolder'
>;

/**
 * A job with what is to be done about it. It outlives its file: thousands of these live as long as the run, so nothing in
 * it leads back to the parsed document or to the functions that find places in it.
 */
export interface PlannedJob extends Omit<ResolvedJob, 'entry'> {
  readonly entry: JobPlace;
  readonly identity: string;
  readonly action: PlanWord | 'forced';
  /** The open request that is continued. */
  readonly record?: TaskRecord | undefined;
  /** What the sidecar says of the clip that is there already. */
  readonly clip?: Sidecar | undefined;
  /** Where the clip of this very request lies, under another name. */
  readonly movedFrom?: string | undefined;
  /** Where a file that is in the way goes first: a clip of another request was paid for, a changed one may be an edit. */
  readonly movedAside?: MovedAside | undefined;
  /** The task whose clip was deleted or damaged, and is downloaded again. */
  readonly restore?: Restore | undefined;
  readonly isForced: boolean;
  /** The clip goes, or a link leads it, out of the folder of the job file. */
  readonly isOutside: boolean;
}

interface MovedAside {
  readonly keptAs: string;
  /** Another job of the plan asks for that very clip, and gets it. */
  readonly isWanted: boolean;
}

interface Restore {
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
  readonly folders: FolderIndex;
  readonly cwd: string;
}

/** Disks, not processors, are waited for. */
const READS_AT_ONCE = 8;

/**
 * Finds out for each job whether its clip is there, whether a request is open, or what has to be submitted. Reads the places
 * of the clips and the records beside them; sends nothing.
 * @throws EvolinkError `local-io`
 */
export async function planJobs(
  jobs: readonly ResolvedJob[],
  options: PlanOptions,
): Promise<{ readonly jobs: readonly PlannedJob[]; readonly problems: readonly Problem[] }> {
  const { folders, service, takenPaths, cwd, isForced } = options;
  const states = new Map<ResolvedJob, OutputState>();
  const inWay: ResolvedJob[] = [];
  for (const job of jobs) {
    const { outputPath: path } = job;
    if ((await folders.has(path)) || (await folders.has(`${path}.json`))) inWay.push(job);
  }
  const look = async (job: ResolvedJob) => void states.set(job, await inspectOutput(job.outputPath));
  await pMap(inWay, look, { concurrency: READS_AT_ONCE });
  // A record is found by its own identity, unless it was moved since to where another job wants it.
  const isMoved = (path: string | undefined): boolean => path !== undefined && takenPaths.has(path);
  const open = new Map(
    options.records.map((record) => [
      isMoved(placeOf(record)) ? placedIdentity(record, service) : record.identity,
      record,
    ]),
  );
  const outside = await outsideFolders(jobs);
  const problems: Problem[] = [];
  const planned: PlannedJob[] = [];
  for (const job of jobs) {
    const { outputPath } = job;
    let known: string | undefined;
    const identity = (): string => {
      known ??= requestIdentity(job.fingerprint, job.output, service);
      return known;
    };
    const state = states.get(job) ?? { kind: 'absent' };
    const found = open.size === 0 ? undefined : open.get(identity());
    const record = found !== undefined && mayReplace(found, identity(), job, state) ? found : undefined;
    const decision = decide(job, { record, state }, options);
    const refuse = (value: string, message: string) =>
      problems.push({ ...job.entry.locate(['output']), value, message });
    if (typeof decision === 'string')
      refuse(
        shortPath(outputPath, cwd),
        `job ${job.entry.name}: ${decision}, so it is never replaced; move it away, or name another output`,
      );
    const plan: Decision = typeof decision === 'string' ? { action: 'invalid' } : decision;
    // A clip of a run always gets a sidecar: nothing is submitted for a place where that would replace a file.
    const hasOwnSidecar = 'clip' in state || (state.kind === 'absent' && state.left !== undefined);
    const isForeign = states.has(job) && !hasOwnSidecar && (await isSidecarForeign(outputPath));
    if (isForeign && plan.action !== 'invalid')
      refuse(
        `${outputPath}.json`,
        'is where the record of the clip goes, and is a file that evolink did not write; move it away, or name another output',
      );
    const movedAside = await movedAsideOf(job, state, options);
    const isOutside = outside.has(outsideKey(job));
    const { entry, warnings } = job;
    const { name, group, take, file, line, column, variables, baseFolder } = entry;
    const sidecar = state.kind === 'absent' ? state.left : undefined;
    const left = sidecar !== undefined && sidecar.fingerprint === job.fingerprint ? sidecar.task_id : null;
    planned.push({
      // Written out: spread objects are several times as large and slow to make, and there are thousands.
      request: job.request,
      body: job.body,
      // Hashes, which a plan without records and clips does not need.
      get fingerprint() {
        return job.fingerprint;
      },
      get identity() {
        return identity();
      },
      estimate: job.estimate,
      media: job.media,
      mediaSources: job.mediaSources,
      projectChoices: job.projectChoices,
      outputPath,
      isDated: job.isDated,
      action: plan.action,
      record: plan.record,
      clip: plan.clip,
      entry: { name, group, take, file, line, column, variables, baseFolder },
      output:
        plan.clip === undefined || movedAside !== undefined
          ? job.output
          : { ...job.output, onExisting: 'overwrite' },
      movedAside,
      // A clip that was deleted, by what its sidecar still says.
      restore: plan.restore ?? (left ? { taskId: left, isDamaged: false } : undefined),
      isForced,
      isOutside,
      warnings: isOutside ? [...warnings, outsideWarning(job, cwd)] : warnings,
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

/** Not refused, as people write `../clips`; said, as a job file may come from somebody else. One line for a folder. */
function outsideWarning({ entry, outputPath }: ResolvedJob, cwd: string): string {
  return formatProblem({
    ...entry.locate(['output']),
    value: shortPath(dirname(outputPath), cwd),
    message: 'is outside of the folder of the job file, and clips are written there',
  });
}

/** A path as a person reads it: relative where it lies below the working folder. */
function shortPath(path: string, cwd: string): string {
  return path !== cwd && isInside(cwd, path) ? relative(cwd, path) : path;
}

/** Where the file at an output goes before another takes its name: sandbox clips are worth nothing. */
async function movedAsideOf(
  job: ResolvedJob,
  state: OutputState,
  { folders, isSandbox }: PlanOptions,
): Promise<MovedAside | undefined> {
  if (state.kind === 'absent' || state.kind === 'foreign') return undefined;
  const { clip } = state;
  const isWorthless = isSandboxClip(clip) && !isSandbox;
  if (state.kind === 'ours' && (clip.fingerprint === job.fingerprint || isWorthless)) return undefined;
  const path = job.outputPath;
  const ending = extname(path);
  const stem = join(dirname(path), basename(path, ending));
  const name = toSafeName(clip.task_id ?? clip.file.sha256.slice(0, 12));
  for (let number = 1; ; number += 1) {
    const keptAs = `${stem}.${name}${number === 1 ? '' : `.${number}`}${ending}`;
    if (await folders.has(keptAs)) continue;
    if ((await folders.has(`${keptAs}.json`)) && (await isSidecarForeign(keptAs))) continue;
    return { keptAs, isWanted: false };
  }
}

/** The clip that is there for this very request is replaced only by one that was asked for later, for this very place. */
function mayReplace(record: TaskRecord, identity: string, job: ResolvedJob, state: OutputState): boolean {
  if (state.kind !== 'ours' || state.clip.fingerprint !== job.fingerprint) return true;
  // Saved, and only not closed yet.
  if (record.taskId !== undefined && record.taskId === state.clip.task_id) return true;
  return record.identity === identity && record.createdAtMs > createdAtMsOf(state.clip);
}

type Decision = Pick<PlannedJob, 'action' | 'clip' | 'record' | 'restore'>;

interface Facts {
  readonly record: TaskRecord | undefined;
  readonly state: OutputState;
}

/** What is open is continued before anything is submitted; what is not ours is never replaced, for the reason given. */
function decide(
  job: ResolvedJob,
  { record, state }: Facts,
  { isForced, isSandbox }: PlanOptions,
): Decision | string {
  // A process that died after publishing has not written the record beside the clip: its request is still open.
  if (state.kind === 'foreign')
    return record?.state === 'completed' ? { action: 'resume', record } : `the file ${state.reason}`;
  if (state.kind === 'absent') return record === undefined ? { action: 'new' } : { action: 'resume', record };
  const { clip } = state;
  const isReal = !isSandboxClip(clip);
  const isSame = clip.fingerprint === job.fingerprint;
  const isOther = record !== undefined && record.taskId !== (clip.task_id ?? undefined);
  if (state.kind === 'damaged') {
    if (isSandbox && isReal) return 'the file was changed after evolink made it';
    if (record !== undefined) return { action: 'resume', clip, record };
    if (isForced) return { action: 'forced', clip };
    if (!isSame) return { action: 'changed', clip };
    return { action: 'restore', clip, restore: { taskId: clip.task_id ?? undefined, isDamaged: true } };
  }
  const isCurrent = isSame && (isSandbox || isReal);
  if (isCurrent && !isForced) return { action: isOther ? 'resume' : 'up_to_date', clip, record };
  if (isSandbox && isReal) return 'the file is a clip of the real service, and this run uses the sandbox';
  if (isOther) return { action: 'resume', clip, record };
  return { action: isCurrent ? 'forced' : 'changed', clip };
}

/** Says whether the clip is there, so that nothing has to be asked of the service. */
export function isSettled({ action }: Pick<PlannedJob, 'action'>): boolean {
  return action === 'up_to_date' || action === 'copied';
}

/** What clips of 4 s in 480p were seen to take, by tier. */
const BASE_SECONDS: Readonly<Record<string, number>> = { mini: 109, fast: 113, standard: 156 };
const UNKNOWN_SECONDS = 180;

/** About how long the service needs for a request: for shares and expected ends, not for promises. */
export function expectedSeconds({ tier, durationSeconds }: GenerationRequest): number {
  const base = BASE_SECONDS[tier ?? ''] ?? UNKNOWN_SECONDS;
  const seconds = durationSeconds === -1 ? undefined : durationSeconds;
  return base * (1 + 0.01 * ((seconds ?? DURATION_SECONDS.max) - 4));
}
