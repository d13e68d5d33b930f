import { existsSync } from 'node:fs';
import { dirname, join, parse } from 'node:path';
import pMap from 'p-map';
import { toSafeName } from '../config/output.ts';
import { numberedPaths } from '../platform/durable-file.ts';
import { createRealFolders, createRealPaths, isInside } from '../platform/folders.ts';
import { quoteCommand, toHumanPath } from '../platform/text.ts';
import type { Problem } from '../request/models.ts';
import { formatProblem } from '../request/problems.ts';
import { continueId } from '../task/failures.ts';
import type { Journal } from '../task/journal.ts';
import { requestIdentity, type TaskRecord } from '../task/record.ts';
import { placeOf } from '../task/save.ts';
import { readSidecar, type Sidecar } from '../task/sidecar.ts';
import { type FolderIndex, inspectOutput, isSandboxClip, listFolder, type OutputState } from './clips.ts';
import type { Job } from './job.ts';

/** Disks, not processors, are waited for. */
const READS_AT_ONCE = { concurrency: 8 };

export interface PlanOptions {
  readonly journal: Pick<Journal, 'readAll'>;
  /** Open requests to this service. */
  readonly records: readonly TaskRecord[];
  /** Says whether a record is of the service of this run. */
  readonly isOwn: (record: TaskRecord) => boolean;
  /** The jobs of the files that are not planned now: what is theirs is given to no other. */
  readonly others: readonly Job[];
  /** Clips are made again although they are up to date. */
  readonly isForced: boolean;
  /** Requests go to an API on this machine: what it makes never replaces a clip that was paid for. */
  readonly isSandbox: boolean;
  /** Which service that is, as `serviceOf`. */
  readonly service?: string | undefined;
  readonly folders: FolderIndex;
  /** The person's own folder, which holds more than one project. */
  readonly homeFolder: string;
}

/**
 * Finds out for each job what is to be done: whether its clip is there, a request is open, or one has to be submitted. First
 * each job gets what lies at its own place, then what is left over is given to the jobs that have nothing. Fills in the jobs;
 * reads places, sidecars and records; sends nothing.
 * @returns what keeps the plan from being carried out
 * @throws EvolinkError `local-io`
 */
export async function planJobs(jobs: readonly Job[], options: PlanOptions): Promise<readonly Problem[]> {
  const problems = await planPlaces(jobs, options);
  if (problems.length === 0) await matchRest(jobs, options);
  // A plan lives as long as its run, and what finds places in a file holds on to all of it.
  for (const { entry } of jobs) {
    const { file, line, column } = entry;
    entry.locate = () => ({ source: `${file}:${line}:${column}`, place: { file, line, column } });
  }
  return problems;
}

async function planPlaces(jobs: readonly Job[], options: PlanOptions): Promise<readonly Problem[]> {
  const { folders, service, records } = options;
  const states = new Map<Job, OutputState>();
  const inWay = jobs.filter(({ outputPath }) => folders.has(outputPath) || folders.has(`${outputPath}.json`));
  await pMap(inWay, async (job) => void states.set(job, await inspectOutput(job.outputPath)), READS_AT_ONCE);
  /** By what they are wanted as now: a record may have been moved since it was made. */
  const open = new Map(records.map((record) => [requestIdentity(record, service), record]));
  const realOf = createRealFolders();
  const problems: Problem[] = [];
  for (const job of jobs) {
    const { entry, outputPath } = job;
    const state = states.get(job) ?? { kind: 'absent' };
    const identity = open.size === 0 ? '' : requestIdentity(job, service);
    const record = open.get(identity);
    job.record = record && mayReplace(record, job, state, identity) ? record : undefined;
    const refusal = decide(job, state, options);
    if (refusal !== undefined) {
      const message = `job ${entry.name}: ${refusal}, so it is never replaced; move it away, or name another output`;
      problems.push({ ...entry.locate(['output']), value: outputPath, message });
    }
    if (job.clip !== undefined) makeRoom(job, job.clip, state, options);
    // Not refused, as people write `../clips`; said, as a job file may come from somebody else. One line for a folder.
    const folder = dirname(outputPath);
    job.isOutside = !isInside(realOf(entry.baseFolder), realOf(folder));
    if (!job.isOutside) continue;
    const message = 'is outside of the folder of the job file, and clips are written there';
    job.warnings = [...job.warnings, formatProblem({ ...entry.locate(['output']), value: folder, message })];
  }
  return problems;
}

/** The clip that is there for this very request is replaced only by one that was asked for later, for this very place. */
function mayReplace(record: TaskRecord, job: Job, state: OutputState, identity: string): boolean {
  if (state.kind !== 'ours' || state.clip.fingerprint !== job.fingerprint) return true;
  // Saved, and only not closed yet.
  if (record.taskId !== undefined && record.taskId === state.clip.task_id) return true;
  return record.identity === identity && record.createdAtMs > factsOf(state.clip).createdAtMs;
}

/** What is open is continued before anything is submitted; what is not ours is never replaced, for the reason given. */
function decide(job: Job, state: OutputState, { isForced, isSandbox }: PlanOptions): string | undefined {
  const { record } = job;
  job.action = record === undefined ? 'new' : 'resume';
  if (state.kind === 'absent') return undefined;
  // A process that died after publishing has not written the record beside the clip: its request is still open.
  if (state.kind === 'foreign')
    return state.isUnrecorded && record?.state === 'completed' ? undefined : state.reason;
  const { clip } = state;
  const isWhole = state.kind === 'ours';
  const isSame = clip.fingerprint === job.fingerprint;
  const isReal = !isSandboxClip(clip);
  const isCurrent = isWhole && isSame && (isSandbox || isReal);
  const isOther = record !== undefined && !(isWhole && record.taskId === (clip.task_id ?? undefined));
  job.clip = clip;
  if (isCurrent && !isForced) {
    if (!isOther) job.action = 'up_to_date';
    return undefined;
  }
  if (isSandbox && isReal) return 'the file is a clip of the real service, and this run uses the sandbox';
  if (isOther) return undefined;
  job.record = undefined;
  if (isForced && (isCurrent || !isWhole)) job.action = 'forced';
  else if (isWhole || !isSame) job.action = 'changed';
  else {
    job.action = 'restore';
    job.restore = { taskId: clip.task_id ?? undefined, isDamaged: true };
  }
  return undefined;
}

/** What becomes of the clip in the place of a job, should another take its name: sandbox clips are worth nothing. */
function makeRoom(job: Job, clip: Sidecar, state: OutputState, { folders, isSandbox }: PlanOptions): void {
  const isWorthless = isSandboxClip(clip) && !isSandbox;
  if (state.kind === 'ours' && (clip.fingerprint === job.fingerprint || isWorthless)) {
    job.output = { ...job.output, onExisting: 'overwrite' };
    return;
  }
  const { dir, name, ext } = parse(job.outputPath);
  const id = toSafeName(clip.task_id ?? clip.file.sha256.slice(0, 12));
  for (const keptAs of numberedPaths(join(dir, `${name}.${id}${ext}`))) {
    if (folders.has(keptAs) || folders.has(`${keptAs}.json`)) continue;
    job.movedAside = { keptAs };
    return;
  }
}

/** What there is of one request: a task that is pending, a clip, or a task whose clip was deleted. */
interface Candidate {
  readonly kind: 'pending' | 'clip' | 'deleted';
  readonly fingerprint: string;
  /** Where its clip is, was, or is to go; real, as links may lead to one place under several names. */
  readonly path: string;
  readonly createdAtMs: number;
  /** The job that it was made for, where that is known. */
  readonly job?: string | null | undefined;
  readonly taskId?: string | null | undefined;
  readonly record?: TaskRecord | undefined;
}

/** What a sidecar says, by the names of a record. */
function factsOf({ fingerprint, job, task_id: taskId, times }: Sidecar) {
  return { fingerprint, job, taskId, createdAtMs: Date.parse(times?.created ?? '') || 0 };
}

const isUnmade = ({ action }: Job): boolean => action === 'new' || action === 'changed';

/**
 * What there may be of the requests that jobs ask for and have not, oldest first. Clips are looked for in the folders of the
 * outputs and of the job files, by their sidecars, and by the journal, which knows the clips of other projects as well.
 */
function findCandidates(
  jobs: readonly Job[],
  { journal, records, others, isForced, isOwn, isSandbox }: PlanOptions,
  owners: ReadonlyMap<string, Job>,
  isNear: (path: string) => boolean,
  realPath: (path: string) => string,
): readonly Candidate[] {
  // A request is hashed only where something may be its.
  let wanted: ReadonlySet<string> | undefined;
  const isWanted = ({ fingerprint }: { readonly fingerprint: string }): boolean => {
    wanted ??= new Set(jobs.filter(isUnmade).map((job) => job.fingerprint));
    return wanted.has(fingerprint);
  };
  const theirs = new Map(others.map((job) => [realPath(job.outputPath), job]));
  const attached = new Set(jobs.map(({ record }) => record));
  const pending: Candidate[] = [];
  for (const record of records) {
    const place = placeOf(record);
    if (place !== undefined && !attached.has(record) && isWanted(record))
      pending.push({ ...record, kind: 'pending', path: realPath(place), record });
  }
  const isUsed = (owner: Job | undefined): boolean => owner !== undefined && !isUnmade(owner);
  /** By their places. */
  const found = new Map<string, Candidate>();
  const look = (path: string, record?: TaskRecord): void => {
    const owner = owners.get(path);
    const clip = readSidecar(path);
    const facts = clip && (isSandbox || !isSandboxClip(clip)) ? factsOf(clip) : undefined;
    if (existsSync(path)) {
      const isFree = owner === undefined || (isUnmade(owner) && owner.movedAside !== undefined);
      if (facts && isFree && isWanted(facts)) found.set(path, { ...facts, kind: 'clip', path });
    } else {
      const task = record ?? facts;
      const isTheirs = isUsed(owner) && owner?.fingerprint === task?.fingerprint;
      if (task?.taskId && !isTheirs && isWanted(task))
        found.set(path, { ...task, kind: 'deleted', path, record });
    }
  };
  const folders = isForced ? [] : jobs.flatMap((job) => [dirname(job.outputPath), job.entry.baseFolder]);
  for (const folder of new Set(folders))
    for (const name of listFolder(folder)) {
      const path = realPath(join(folder, name.slice(0, -'.json'.length)));
      if (name.endsWith('.mp4.json') && !isUsed(owners.get(path))) look(path);
    }
  /** The newest of a place: what it replaced was replaced on purpose. */
  const savedAt = new Map<string, TaskRecord>();
  for (const record of isForced ? [] : journal.readAll())
    if (record.state === 'saved' && isWanted(record) && isOwn(record))
      for (const { path } of record.saved ?? []) savedAt.set(realPath(path), record);
  for (const [path, record] of savedAt)
    if (isNear(path) || owners.get(path)?.fingerprint === record.fingerprint) look(path, record);
  const all = [...found.values(), ...pending];
  const there = new Set(all.map(({ kind, taskId }) => (kind === 'clip' ? taskId : undefined)));
  const isLeft = ({ kind, path, fingerprint, taskId }: Candidate): boolean =>
    // What lies at, or is to go to, the place of another job that asks for the same belongs to that job.
    theirs.get(path)?.fingerprint !== fingerprint &&
    // A clip that lies elsewhere is not deleted as well.
    !(kind === 'deleted' && there.has(taskId));
  return all.filter(isLeft).sort((a, b) => a.createdAtMs - b.createdAtMs);
}

/**
 * Gives what there is of a request to the jobs that ask for it and have none: pending tasks, clips under other names, and
 * tasks whose clips were deleted. Only equal requests match, each to one job: first the one at the job's own output, then
 * the one of its name, then the oldest.
 */
async function matchRest(jobs: readonly Job[], options: PlanOptions): Promise<void> {
  const unmade = jobs.filter(isUnmade);
  if (unmade.length === 0) return;
  const realPath = createRealPaths();
  const places = new Map(jobs.map((job) => [job, realPath(job.outputPath)]));
  const owners = new Map([...places].map(([job, path]) => [path, job]));
  const trees = realTrees(jobs, options.homeFolder);
  const isNear = (path: string): boolean => trees.some((tree) => isInside(tree, path));
  /** What nobody has been given, by request. */
  const left = new Map<string, Set<Candidate>>();
  for (const each of findCandidates(jobs, options, owners, isNear, realPath))
    left.set(each.fingerprint, (left.get(each.fingerprint) ?? new Set()).add(each));
  if (left.size === 0) return;
  /** Tasks that a job has already. */
  const given = new Set(
    jobs.flatMap((job) =>
      isUnmade(job) ? [] : [job.clip?.task_id, job.record?.taskId, job.restore?.taskId],
    ),
  );
  /** Gives a job what still is what it is said to be. */
  const fill = async (job: Job, { kind, path, taskId, record }: Candidate): Promise<boolean> => {
    if (kind === 'clip') {
      const state = await inspectOutput(path);
      if (state.kind !== 'ours' || state.clip.fingerprint !== job.fingerprint) return false;
      const inWay = owners.get(path)?.movedAside;
      if (inWay !== undefined) inWay.wantedAt = path;
      job.action = 'copied';
      job.movedFrom = path;
    } else if (kind === 'pending') {
      job.action = 'resume';
      job.record = record;
      job.movedFrom = places.get(job) === path ? undefined : path;
    } else {
      job.action = 'restore';
      job.restore = { taskId: taskId ?? undefined, earlier: record, isDamaged: false };
    }
    return true;
  };
  // What is to go into the folder of another project belongs there.
  const isHere = ({ kind, path }: Candidate): boolean => kind !== 'pending' || isNear(path);
  const passes: ((job: Job, each: Candidate) => boolean)[] = [
    (job, { path }) => places.get(job) === path,
    // It was moved since.
    (job, { kind, record }) =>
      kind === 'pending' && record?.identity === requestIdentity(job, options.service),
    (job, each) => !job.isDated && isHere(each) && each.job === job.entry.name,
    // A take is one of several of the same request: another take's clip is not it.
    (job, each) => !job.isDated && job.entry.take === undefined && isHere(each),
  ];
  for (const fits of passes)
    for (const job of unmade.filter(isUnmade)) {
      const candidates = left.get(job.fingerprint) ?? new Set();
      for (const each of candidates) {
        if (!fits(job, each) || (each.taskId && given.has(each.taskId))) continue;
        candidates.delete(each);
        if (!(await fill(job, each))) continue;
        given.add(each.taskId);
        break;
      }
    }
}

/**
 * The folders of the job files; for an output outside of them also the folder above its own, so that a sibling is found,
 * unless that holds everything a person has.
 */
function realTrees(jobs: readonly Job[], homeFolder: string): readonly string[] {
  const realOf = createRealFolders();
  const trees = new Set(jobs.map(({ entry }) => realOf(entry.baseFolder)));
  for (const { outputPath } of jobs.filter(({ isOutside }) => isOutside)) {
    const above = dirname(realOf(dirname(outputPath)));
    if (!isInside(above, realOf(homeFolder))) trees.add(above);
  }
  return [...trees];
}

/**
 * What a single command goes on with: a pending task of the same request, and only where its clip goes to the same place;
 * or what is said where another is submitted beside one.
 * @param records open ones of the same request
 * @param path where the clip goes, as far as it is known
 * @returns `attachTo`: made for another place, and moved since to where this command wants its clip
 */
export function matchSingle(
  records: readonly TaskRecord[],
  { identity, path }: { readonly identity: string; readonly path: string | undefined },
  service: string | undefined,
): { readonly attachTo?: TaskRecord | undefined; readonly duplicate?: string | undefined } {
  const same = records.filter(({ state }) => state !== 'intent').reverse();
  const [newest] = same;
  if (newest === undefined || same.some((record) => record.identity === identity)) return {};
  const realPath = createRealPaths();
  const attachTo = same.find((record) => {
    if (requestIdentity(record, service) === identity) return true;
    const place = placeOf(record);
    return path !== undefined && place !== undefined && realPath(path) === realPath(place);
  });
  if (attachTo !== undefined) return { attachTo };
  // Another `-o` is another command, but not everybody who names a better place for the first one means that.
  const { output } = newest;
  const place = output.kind === 'stdout' ? 'standard output' : toHumanPath(placeOf(newest) ?? output.folder);
  const command = quoteCommand(['evolink', 'resume', continueId(newest)]);
  return {
    duplicate: `the same request is open already, for ${place}, and this command submits another; to have that clip, stop this command and run: ${command} -o PATH`,
  };
}
