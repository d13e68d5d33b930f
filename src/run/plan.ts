import { basename, dirname, extname, join, relative } from 'node:path';
import pMap from 'p-map';
import { toSafeName } from '../config/output.ts';
import { createRealFolders, createRealPaths, isInside, realFolder } from '../platform/folders.ts';
import { quoteCommand, toHumanPath } from '../platform/text.ts';
import type { Problem } from '../request/models.ts';
import { formatProblem } from '../request/problems.ts';
import { continueId } from '../task/failures.ts';
import type { Journal } from '../task/journal.ts';
import { requestIdentity, type TaskRecord } from '../task/record.ts';
import { placeOf } from '../task/save.ts';
import { isSidecarForeign, readSidecar, type Sidecar } from '../task/sidecar.ts';
import {
  createdAtMsOf,
  type FolderIndex,
  inspectOutput,
  isSandboxClip,
  listFolder,
  type OutputState,
} from './clips.ts';
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
  readonly cwd: string;
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
  const { folders, service, others, records, cwd } = options;
  const inWay: Job[] = [];
  for (const job of jobs)
    if ((await folders.has(job.outputPath)) || (await folders.has(`${job.outputPath}.json`))) inWay.push(job);
  const states = new Map<Job, OutputState>();
  await pMap(inWay, async (job) => void states.set(job, await inspectOutput(job.outputPath)), READS_AT_ONCE);
  // A record is found by its own identity, unless it was moved since to where another job wants it.
  const taken = new Set(records.length === 0 ? [] : [...jobs, ...others].map(({ outputPath }) => outputPath));
  const open = new Map(
    records.map((record) => [
      taken.has(placeOf(record) ?? '') ? requestIdentity(record, service) : record.identity,
      record,
    ]),
  );
  const realOf = createRealFolders();
  const outside = new Map<string, boolean>();
  const problems: Problem[] = [];
  for (const job of jobs) {
    const { entry, outputPath } = job;
    const state = states.get(job) ?? { kind: 'absent' };
    const identity = open.size === 0 ? '' : requestIdentity(job, service);
    const record = open.get(identity);
    job.record = record !== undefined && mayReplace(record, identity, job, state) ? record : undefined;
    const refuse = (value: string, message: string) =>
      problems.push({ ...entry.locate(['output']), value, message });
    const refusal = decide(job, state, options);
    if (refusal !== undefined)
      refuse(
        shortPath(outputPath, cwd),
        `job ${entry.name}: ${refusal}, so it is never replaced; move it away, or name another output`,
      );
    // A clip of a run always gets a sidecar: nothing is submitted for a place where that would replace a file.
    const hasOwnSidecar = 'clip' in state || (state.kind === 'absent' && state.left !== undefined);
    if (refusal === undefined && states.has(job) && !hasOwnSidecar && (await isSidecarForeign(outputPath)))
      refuse(
        `${outputPath}.json`,
        'is where the record of the clip goes, and is a file that evolink did not write; move it away, or name another output',
      );
    if (job.clip !== undefined) await makeRoom(job, job.clip, state, options);
    // Not refused, as people write `../clips`; said, as a job file may come from somebody else. One line for a folder.
    const folder = dirname(outputPath);
    const pair = `${entry.baseFolder}\0${folder}`;
    const isOutside = outside.get(pair) ?? !isInside(await realOf(entry.baseFolder), await realOf(folder));
    outside.set(pair, isOutside);
    job.isOutside = isOutside;
    if (job.isOutside)
      job.warnings = [
        ...job.warnings,
        formatProblem({
          ...entry.locate(['output']),
          value: shortPath(folder, cwd),
          message: 'is outside of the folder of the job file, and clips are written there',
        }),
      ];
  }
  return problems;
}

/** A path as a person reads it: relative where it lies below the working folder. */
function shortPath(path: string, cwd: string): string {
  return path !== cwd && isInside(cwd, path) ? relative(cwd, path) : path;
}

/** The clip that is there for this very request is replaced only by one that was asked for later, for this very place. */
function mayReplace(record: TaskRecord, identity: string, job: Job, state: OutputState): boolean {
  if (state.kind !== 'ours' || state.clip.fingerprint !== job.fingerprint) return true;
  // Saved, and only not closed yet.
  if (record.taskId !== undefined && record.taskId === state.clip.task_id) return true;
  return record.identity === identity && record.createdAtMs > createdAtMsOf(state.clip);
}

/** What is open is continued before anything is submitted; what is not ours is never replaced, for the reason given. */
function decide(job: Job, state: OutputState, { isForced, isSandbox }: PlanOptions): string | undefined {
  const { record } = job;
  job.action = record === undefined ? 'new' : 'resume';
  // A process that died after publishing has not written the record beside the clip: its request is still open.
  if (state.kind === 'foreign') return record?.state === 'completed' ? undefined : `the file ${state.reason}`;
  if (state.kind === 'absent') {
    // A clip that was deleted, by what its sidecar still says.
    const { fingerprint, task_id: taskId } = state.left ?? {};
    if (taskId && fingerprint === job.fingerprint) job.restore = { taskId, isDamaged: false };
    return undefined;
  }
  const { clip } = state;
  const isWhole = state.kind === 'ours';
  const isReal = !isSandboxClip(clip);
  const isSame = clip.fingerprint === job.fingerprint;
  const isCurrent = isWhole && isSame && (isSandbox || isReal);
  const isOther = record !== undefined && !(isWhole && record.taskId === (clip.task_id ?? undefined));
  job.clip = clip;
  if (isCurrent && !isForced) {
    if (!isOther) job.action = 'up_to_date';
    return undefined;
  }
  if (isSandbox && isReal)
    return isWhole
      ? 'the file is a clip of the real service, and this run uses the sandbox'
      : 'the file was changed after evolink made it';
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
async function makeRoom(
  job: Job,
  clip: Sidecar,
  state: OutputState,
  { folders, isSandbox }: PlanOptions,
): Promise<void> {
  const { outputPath } = job;
  const isWorthless = isSandboxClip(clip) && !isSandbox;
  if (state.kind === 'ours' && (clip.fingerprint === job.fingerprint || isWorthless)) {
    job.output = { ...job.output, onExisting: 'overwrite' };
    return;
  }
  const ending = extname(outputPath);
  const name = toSafeName(clip.task_id ?? clip.file.sha256.slice(0, 12));
  const stem = `${join(dirname(outputPath), basename(outputPath, ending))}.${name}`;
  for (let number = 1; job.movedAside === undefined; number += 1) {
    const keptAs = `${stem}${number === 1 ? '' : `.${number}`}${ending}`;
    const isSidecarTaken = (await folders.has(`${keptAs}.json`)) && (await isSidecarForeign(keptAs));
    if (!isSidecarTaken && !(await folders.has(keptAs))) job.movedAside = { keptAs, isWanted: false };
  }
}

/** What there is of one request: a task that is pending, a clip, or a task whose clip was saved, and then deleted. */
interface Candidate {
  readonly kind: 'pending' | 'clip' | 'saved' | 'deleted';
  readonly fingerprint: string;
  /** Where its clip is, was, or is to go; real, as links may lead to one place under several names. */
  readonly path: string;
  readonly createdAtMs: number;
  /** The job that it was made for, where that is known. */
  readonly job?: string | null | undefined;
  readonly taskId?: string | null | undefined;
  readonly record?: TaskRecord | undefined;
}

const isUnmade = ({ action }: Job): boolean => action === 'new' || action === 'changed';

function toClip(path: string, clip: Sidecar): Candidate {
  const { fingerprint, job, task_id: taskId } = clip;
  return { kind: 'clip', fingerprint, path, createdAtMs: createdAtMsOf(clip), job, taskId };
}

/**
 * What there may be of the requests that jobs ask for and have not. Clips are looked for in the folders of the outputs and
 * of the job files, by their sidecars, and by the journal, which knows the clips of other projects as well.
 */
async function findCandidates(
  jobs: readonly Job[],
  unmade: readonly Job[],
  { journal, records, isOwn }: PlanOptions,
  realPath: ReturnType<typeof createRealPaths>,
): Promise<Candidate[]> {
  let wanted: ReadonlySet<string> | undefined;
  const isWanted = ({ fingerprint }: { readonly fingerprint: string }): boolean => {
    wanted ??= new Set(unmade.map((job) => job.fingerprint));
    return wanted.has(fingerprint);
  };
  const found: Candidate[] = [];
  for (const job of unmade) {
    const { clip, movedAside, restore } = job;
    const path = clip || restore ? await realPath(job.outputPath) : '';
    if (clip !== undefined && movedAside !== undefined && isWanted(clip)) found.push(toClip(path, clip));
    if (restore !== undefined) {
      const { taskId } = restore;
      found.push({ kind: 'deleted', fingerprint: job.fingerprint, path, createdAtMs: 0, taskId });
    }
  }
  const planned = new Set(jobs.map(({ outputPath }) => outputPath));
  for (const folder of new Set(jobs.flatMap((job) => [dirname(job.outputPath), job.entry.baseFolder])))
    for (const name of await listFolder(folder)) {
      const path = join(folder, name.slice(0, -'.json'.length));
      const clip = name.endsWith('.mp4.json') && !planned.has(path) ? readSidecar(path) : undefined;
      if (clip !== undefined && isWanted(clip)) found.push(toClip(await realPath(path), clip));
    }
  /** The newest of a place: what it replaced was replaced on purpose. */
  const savedAt = new Map<string, TaskRecord>();
  for (const record of journal.readAll()) {
    if (record.state !== 'saved' || !isWanted(record) || !isOwn(record)) continue;
    for (const { path } of record.saved ?? []) savedAt.set(await realPath(path), record);
  }
  for (const [path, record] of savedAt) found.push({ ...record, kind: 'saved', path, record });
  const attached = new Set(jobs.map(({ record }) => record?.localId));
  for (const record of records) {
    const place = placeOf(record);
    if (attached.has(record.localId) || place === undefined || !isWanted(record)) continue;
    found.push({ ...record, kind: 'pending', path: await realPath(place), record });
  }
  return found;
}

/**
 * Gives what there is of a request to the jobs that ask for it and have none: pending tasks, clips under other names, and
 * tasks whose clips were deleted. Only equal requests match, each to one job: first the one at the job's own output, then
 * the one of its name, then the oldest.
 */
async function matchRest(jobs: readonly Job[], options: PlanOptions): Promise<void> {
  const { isForced, isSandbox, service } = options;
  let left = jobs.filter(isUnmade);
  const realPath = createRealPaths();
  const found = left.length === 0 ? [] : await findCandidates(jobs, left, options, realPath);
  if (found.length === 0) return;
  const places = new Map<Job, string>();
  for (const job of jobs) places.set(job, await realPath(job.outputPath));
  const owners = new Map([...places].map(([job, place]) => [place, job]));
  const theirs = new Map<string, string>();
  for (const { outputPath, fingerprint } of options.others)
    theirs.set(await realPath(outputPath), fingerprint);
  const trees = await realTrees(jobs, options.homeFolder);
  const isNear = (path: string): boolean => trees.some((tree) => isInside(tree, path));

  const pool: Candidate[] = [];
  const clips = new Set<string>();
  const addClip = (candidate: Candidate): void => {
    const owner = owners.get(candidate.path);
    const isFree = owner === undefined || (isUnmade(owner) && owner.movedAside !== undefined);
    if (isFree && !clips.has(candidate.path)) pool.push(candidate);
    clips.add(candidate.path);
  };
  for (const each of found) {
    const { kind, path, fingerprint, record } = each;
    if (isForced && kind !== 'pending') continue;
    const owner = owners.get(path);
    const isAtJob = owner?.fingerprint === fingerprint;
    // What lies at, or is to go to, the place of another job that asks for the same belongs to that job.
    if (theirs.get(path) === fingerprint) continue;
    if (isAtJob && kind !== 'pending' && !isUnmade(owner)) continue;
    if (kind === 'clip') addClip(each);
    if (kind === 'pending' || kind === 'deleted') pool.push(each);
    if (kind !== 'saved' || (!isAtJob && !isNear(path))) continue;
    const state = await inspectOutput(path);
    if (state.kind === 'ours') addClip(toClip(path, state.clip));
    if (state.kind === 'absent' && record?.taskId !== undefined) pool.push({ ...each, kind: 'deleted' });
  }
  // A clip that lies elsewhere is not deleted as well.
  const there = new Set(pool.flatMap(({ kind, taskId }) => (kind === 'clip' ? [taskId] : [])));
  const byPrint = new Map<string, Candidate[]>();
  for (const each of pool.sort((a, b) => a.createdAtMs - b.createdAtMs)) {
    if (each.kind === 'deleted' && there.has(each.taskId)) continue;
    const same = byPrint.get(each.fingerprint) ?? [];
    same.push(each);
    byPrint.set(each.fingerprint, same);
  }
  /** Tasks that a job has already. */
  const given = new Set(
    jobs.flatMap((job) =>
      isUnmade(job) ? [] : [job.clip?.task_id, job.record?.taskId, job.restore?.taskId],
    ),
  );

  /** Gives a job the first that fits and still is what it is said to be. */
  const give = async (job: Job, isLike: (candidate: Candidate) => boolean): Promise<boolean> => {
    const candidates = byPrint.get(job.fingerprint) ?? [];
    for (const candidate of candidates.filter(isLike)) {
      const { kind, path, record } = candidate;
      const taskId = candidate.taskId ?? undefined;
      if (taskId !== undefined && given.has(taskId)) continue;
      candidates.splice(candidates.indexOf(candidate), 1);
      if (kind === 'pending') {
        job.action = 'resume';
        job.record = record;
        job.movedFrom = places.get(job) === path ? undefined : path;
      } else if (kind === 'deleted') {
        job.action = 'restore';
        job.restore = { taskId, earlier: record, isDamaged: false };
      } else {
        const state = await inspectOutput(path);
        if (state.kind !== 'ours' || state.clip.fingerprint !== job.fingerprint) continue;
        if (isSandboxClip(state.clip) && !isSandbox) continue;
        job.action = 'copied';
        job.movedFrom = path;
        const inWay = owners.get(path)?.movedAside;
        if (inWay !== undefined) inWay.isWanted = true;
      }
      given.add(taskId);
      return true;
    }
    return false;
  };
  // What is to go into the folder of another project belongs there.
  const isHere = ({ kind, path }: Candidate): boolean => kind !== 'pending' || isNear(path);
  const passes = [
    (job: Job) => give(job, ({ path }) => places.get(job) === path),
    (job: Job) => {
      const identity = requestIdentity(job, service);
      return give(job, ({ record, kind }) => kind === 'pending' && record?.identity === identity);
    },
    async (job: Job) => !job.isDated && give(job, (each) => isHere(each) && each.job === job.entry.name),
    // A take is one of several of the same request: another take's clip is not it.
    async (job: Job) => !job.isDated && job.entry.take === undefined && give(job, isHere),
  ];
  for (const pass of passes) {
    const without: Job[] = [];
    for (const job of left) if (!(await pass(job))) without.push(job);
    left = without;
  }
}

/**
 * The folders of the job files; for an output outside of them also the folder above its own, so that a sibling is found,
 * unless that holds everything a person has.
 */
async function realTrees(jobs: readonly Job[], homeFolder: string): Promise<readonly string[]> {
  const home = await realFolder(homeFolder);
  const trees = new Set<string>();
  for (const folder of new Set(jobs.map(({ entry }) => entry.baseFolder)))
    trees.add(await realFolder(folder));
  for (const folder of new Set(jobs.flatMap((job) => (job.isOutside ? [dirname(job.outputPath)] : [])))) {
    const above = dirname(await realFolder(folder));
    if (!isInside(above, home)) trees.add(above);
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
export async function matchSingle(
  records: readonly TaskRecord[],
  { identity, path }: { readonly identity: string; readonly path: string | undefined },
  service: string | undefined,
): Promise<{ readonly attachTo?: TaskRecord | undefined; readonly duplicate?: string | undefined }> {
  const same = records.filter(({ state }) => state !== 'intent').reverse();
  const [newest] = same;
  if (newest === undefined || same.some((record) => record.identity === identity)) return {};
  const realPath = createRealPaths();
  const here = path === undefined ? undefined : await realPath(path);
  for (const record of same) {
    const place = placeOf(record);
    const isHere = requestIdentity(record, service) === identity;
    if (isHere || (place !== undefined && here === (await realPath(place)))) return { attachTo: record };
  }
  // Another `-o` is another command, but not everybody who names a better place for the first one means that.
  const { output } = newest;
  const place =
    output.kind === 'stdout'
      ? 'for standard output'
      : `for ${toHumanPath(placeOf(newest) ?? `the folder ${output.folder}`)}`;
  const command = quoteCommand(['evolink', 'resume', continueId(newest)]);
  return {
    duplicate: `the same request is open already, ${place}, and this command submits another; to have that clip, stop this command and run: ${command} -o PATH`,
  };
}
