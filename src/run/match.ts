import { basename, dirname, join } from 'node:path';
import pMap from 'p-map';
import { createRealPaths, isInside, realFolder } from '../platform/folders.ts';
import { quoteCommand, toHumanPath } from '../platform/text.ts';
import { continueId } from '../task/failures.ts';
import type { Journal } from '../task/journal.ts';
import { placedIdentity, type TaskRecord } from '../task/record.ts';
import { placeOf } from '../task/save.ts';
import { readSidecar, type Sidecar } from '../task/sidecar.ts';
import { createdAtMsOf, inspectOutput, isSandboxClip, listFolder } from './clips.ts';
import type { PlannedJob } from './plan.ts';

/** Which pending task a single command continues, or what is said where another is submitted beside one. */
export interface SingleMatch {
  /** Made for another place, and moved since to where this command wants its clip. */
  readonly attachTo?: TaskRecord | undefined;
  readonly duplicate?: string | undefined;
}

/**
 * What a single command goes on with: a pending task of the same request, and only where its clip goes to the same place.
 * @param records open ones of the same request
 * @param path where the clip goes, as far as it is known
 */
export async function matchSingle(
  records: readonly TaskRecord[],
  { identity, path }: { readonly identity: string; readonly path: string | undefined },
  service: string | undefined,
): Promise<SingleMatch> {
  const same = records.filter(({ state }) => state !== 'intent').reverse();
  if (same.some((record) => record.identity === identity)) return {};
  const realPath = createRealPaths();
  const here = path === undefined ? undefined : await realPath(path);
  for (const record of same) {
    const place = placeOf(record);
    const isHere = placedIdentity(record, service) === identity;
    if (isHere || (place !== undefined && here === (await realPath(place)))) return { attachTo: record };
  }
  return { duplicate: same[0] && duplicateNote(same[0]) };
}

/** Another `-o` is another command, but not everybody who names a better place for the first one means that. */
function duplicateNote(record: TaskRecord): string {
  const path = placeOf(record);
  const place =
    record.output.kind === 'stdout'
      ? 'for standard output'
      : path === undefined
        ? `for the folder ${toHumanPath(record.output.folder)}`
        : `for ${toHumanPath(path)}`;
  const command = quoteCommand(['evolink', 'resume', continueId(record)]);
  return `the same request is open already, ${place}, and this command submits another; to have that clip, stop this command and run: ${command} -o PATH`;
}

export interface MatchOptions {
  readonly journal: Pick<Journal, 'readAll'>;
  /** Pending requests to the service of this run. */
  readonly openRecords: readonly TaskRecord[];
  /** Says whether a record is of the service of this run. */
  readonly isOwn: (record: TaskRecord) => boolean;
  /** The requests of the jobs of the files that are not planned now, by their outputs. */
  readonly otherPrints: ReadonlyMap<string, string>;
  readonly isSandbox: boolean;
  /** The person's own folder, which holds more than one project. */
  readonly homeFolder: string;
}

const READS_AT_ONCE = 8;
const SIDECAR_ENDING = '.mp4.json';

/** What there is of one request: a task that is pending, a clip, or a task whose clip was deleted. */
interface Candidate {
  readonly kind: 'pending' | 'clip' | 'deleted';
  /** Where its clip is, was, or is to go; real, as links may lead to one place under several names. */
  readonly path: string;
  readonly createdAtMs: number;
  /** The job that it was made for, where that is known. */
  readonly job?: string | undefined;
  readonly taskId?: string | undefined;
  readonly record?: TaskRecord | undefined;
  /** Only a job at this very place, or one that it was made for, gets it: it belongs to another project. */
  readonly isElsewhere?: boolean | undefined;
}

type IsLike = (job: PlannedJob, candidate: Candidate) => boolean;

/**
 * Gives what there is of a request to the jobs that ask for it and have none: pending tasks, clips under other names, and
 * tasks whose clips were deleted. Only equal requests match, each to one job: first the one at the job's own output, then
 * the one of its name, then the oldest. Clips are looked for in the folders of the outputs, by their sidecars, and in the
 * folder of the job file by the journal, which knows the clips of other projects as well.
 */
export async function matchJobs(
  jobs: readonly PlannedJob[],
  options: MatchOptions,
): Promise<readonly PlannedJob[]> {
  const unmade = jobs.filter(isUnmade);
  if (unmade.length === 0) return jobs;
  const outputs = new Map<PlannedJob, string>();
  const realOf = new Map<string, string>();
  for (const job of jobs) {
    const folder = dirname(job.outputPath);
    const real = realOf.get(folder) ?? (await realFolder(folder));
    realOf.set(folder, real);
    outputs.set(job, join(real, basename(job.outputPath)));
  }
  const pool = await findCandidates(jobs, unmade, outputs, options);
  if (pool.size === 0) return jobs;
  const found = new Map<PlannedJob, Candidate>();
  /** Tasks that a job has already. */
  const given = new Set(
    jobs
      .filter((job) => !isUnmade(job))
      .flatMap(({ clip, record, restore }) => [clip?.task_id, record?.taskId, restore?.taskId]),
  );
  /** Takes the first that fits and still is what it is said to be. */
  const take = async (job: PlannedJob, isLike: IsLike): Promise<Candidate | undefined> => {
    const candidates = pool.get(job.fingerprint) ?? [];
    for (const candidate of candidates.filter((each) => isLike(job, each))) {
      const { kind, path, taskId } = candidate;
      if (taskId !== undefined && given.has(taskId)) continue;
      candidates.splice(candidates.indexOf(candidate), 1);
      if (kind === 'clip') {
        const state = await inspectOutput(path);
        if (state.kind !== 'ours' || state.clip.fingerprint !== job.fingerprint) continue;
        if (isSandboxClip(state.clip) && !options.isSandbox) continue;
      }
      if (kind !== 'pending' && job.isForced) continue;
      if (taskId !== undefined) given.add(taskId);
      return candidate;
    }
    return undefined;
  };
  const isNamed: IsLike = (job, { job: name, isElsewhere }) =>
    isElsewhere !== true && name === job.entry.name;
  const passes: readonly { readonly isLike: IsLike; readonly isFor?: (job: PlannedJob) => boolean }[] = [
    { isLike: (job, { path }) => outputs.get(job) === path },
    { isLike: (job, { record, kind }) => kind === 'pending' && record?.identity === job.identity },
    { isLike: isNamed, isFor: ({ isDated }) => !isDated },
    // A take is one of several of the same request: another take's clip is not it.
    {
      isLike: (_job, { isElsewhere }) => isElsewhere !== true,
      isFor: ({ isDated, entry }) => !isDated && entry.take === undefined,
    },
  ];
  for (const { isLike, isFor = () => true } of passes) {
    for (const job of unmade) {
      const candidate = found.has(job) || !isFor(job) ? undefined : await take(job, isLike);
      if (candidate !== undefined) found.set(job, candidate);
    }
  }
  const wantedPaths = new Set([...found.values()].flatMap(({ kind, path }) => (kind === 'clip' ? path : [])));
  return jobs.map((job) => {
    const output = outputs.get(job) ?? '';
    const movedAside = job.movedAside && { ...job.movedAside, isWanted: wantedPaths.has(output) };
    return { ...job, ...withCandidate(found.get(job), output), movedAside };
  });
}

function isUnmade({ action }: PlannedJob): boolean {
  return action === 'new' || action === 'changed';
}

function withCandidate(candidate: Candidate | undefined, output: string): Partial<PlannedJob> {
  if (candidate === undefined) return {};
  const { kind, path, record, taskId } = candidate;
  if (kind === 'clip') return { action: 'copied', movedFrom: path };
  if (kind === 'pending') return { action: 'resume', record, movedFrom: output === path ? undefined : path };
  return { action: 'restore', restore: { taskId, earlier: record, isDamaged: false } };
}

/** What there is of the requests that jobs ask for, by fingerprint, the oldest first. */
async function findCandidates(
  jobs: readonly PlannedJob[],
  unmade: readonly PlannedJob[],
  outputs: ReadonlyMap<PlannedJob, string>,
  search: MatchOptions,
): Promise<Map<string, Candidate[]>> {
  const realPath = createRealPaths();
  let wanted: ReadonlySet<string> | undefined;
  const isWanted = (print: string): boolean => {
    wanted ??= new Set(unmade.map((job) => job.fingerprint));
    return wanted.has(print);
  };
  const pool = new Map<string, Candidate[]>();
  const add = (print: string, candidate: Candidate): void => {
    if (isWanted(print)) pool.set(print, [...(pool.get(print) ?? []), candidate]);
  };
  const clipAt = (path: string, clip: Sidecar): Candidate => ({
    ...{ kind: 'clip', path, createdAtMs: createdAtMsOf(clip) },
    ...{ job: clip.job ?? undefined, taskId: clip.task_id ?? undefined },
  });
  const owners = new Map<string, PlannedJob>();
  for (const [job, path] of outputs) owners.set(path, job);
  const otherPrints = new Map<string, string>();
  for (const [path, print] of search.otherPrints) otherPrints.set(await realPath(path), print);
  /** What lies at, or is to go to, the place of another job that asks for the same belongs to that job. */
  const isReserved = (print: string, path: string): boolean => {
    const owner = owners.get(path);
    if (owner !== undefined) return owner.fingerprint === print && !isUnmade(owner);
    return otherPrints.get(path) === print;
  };
  const trees = await realTrees(jobs, search.homeFolder);
  const isNear = (path: string): boolean => trees.some((tree) => isInside(tree, path));

  for (const job of unmade) {
    const { clip, movedAside, restore } = job;
    const path = outputs.get(job) ?? job.outputPath;
    if (clip !== undefined && movedAside !== undefined) add(clip.fingerprint, clipAt(path, clip));
    if (restore !== undefined)
      add(job.fingerprint, { kind: 'deleted', path, createdAtMs: 0, taskId: restore.taskId });
  }
  const seen = new Set<string>();
  const addClip = async (path: string): Promise<void> => {
    const real = await realPath(path);
    if (seen.has(real) || owners.has(real)) return;
    seen.add(real);
    const clip = readSidecar(path);
    if (clip === undefined || !isWanted(clip.fingerprint) || isReserved(clip.fingerprint, real)) return;
    add(clip.fingerprint, clipAt(real, clip));
  };
  const planned = new Set(jobs.map(({ outputPath }) => outputPath));
  for (const folder of new Set(jobs.flatMap((job) => [dirname(job.outputPath), job.entry.baseFolder]))) {
    const sidecars = (await listFolder(folder)).filter((name) => name.endsWith(SIDECAR_ENDING));
    const clips = sidecars.map((name) => join(folder, name.slice(0, -'.json'.length)));
    await pMap(
      clips.filter((path) => !planned.has(path)),
      addClip,
      { concurrency: READS_AT_ONCE },
    );
  }
  /** The newest of a place: what it replaced was replaced on purpose. */
  const savedAt = new Map<string, TaskRecord>();
  for await (const record of search.journal.readAll()) {
    if (record.state !== 'saved' || !isWanted(record.fingerprint) || !search.isOwn(record)) continue;
    for (const { path } of record.saved ?? []) savedAt.set(await realPath(path), record);
  }
  for (const [path, record] of savedAt) {
    const { taskId, fingerprint, createdAtMs, job } = record;
    const isAtJob = owners.get(path)?.fingerprint === fingerprint;
    if (isReserved(fingerprint, path) || (!isAtJob && !isNear(path))) continue;
    const { kind } = await inspectOutput(path);
    if (kind === 'ours') await addClip(path);
    if (kind === 'absent' && taskId !== undefined)
      add(fingerprint, { kind: 'deleted', path, createdAtMs, job, taskId, record });
  }
  const attached = new Set(jobs.map(({ record }) => record?.localId));
  for (const record of search.openRecords) {
    const place = placeOf(record);
    if (attached.has(record.localId) || place === undefined || !isWanted(record.fingerprint)) continue;
    const path = await realPath(place);
    const { fingerprint, createdAtMs, taskId, job } = record;
    if (otherPrints.get(path) === fingerprint) continue;
    const isElsewhere = !isNear(path);
    add(fingerprint, { kind: 'pending', path, createdAtMs, job, taskId, record, isElsewhere });
  }
  for (const [print, candidates] of pool) {
    // A clip that lies elsewhere is not deleted as well.
    const clips = new Set(candidates.flatMap(({ kind, taskId }) => (kind === 'clip' ? [taskId] : [])));
    const left = candidates.filter(({ kind, taskId }) => kind !== 'deleted' || !clips.has(taskId));
    if (left.length === 0) pool.delete(print);
    else
      pool.set(
        print,
        left.sort((a, b) => a.createdAtMs - b.createdAtMs),
      );
  }
  return pool;
}

/**
 * The folders of the job files; for an output outside of them also the folder above its own, so that a sibling is found,
 * unless that holds everything a person has.
 */
async function realTrees(jobs: readonly PlannedJob[], homeFolder: string): Promise<readonly string[]> {
  const home = await realFolder(homeFolder);
  const bases = new Set(jobs.map(({ entry }) => entry.baseFolder));
  const outside = new Set(
    jobs.flatMap(({ isOutside, outputPath }) => (isOutside ? dirname(outputPath) : [])),
  );
  const above = await pMap(outside, async (folder) => dirname(await realFolder(folder)), {
    concurrency: READS_AT_ONCE,
  });
  const narrow = above.filter((folder) => !isInside(folder, home));
  return [...new Set([...(await Promise.all([...bases].map(realFolder))), ...narrow])];
}
