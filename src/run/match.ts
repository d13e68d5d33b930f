import { basename, dirname, join } from 'node:path';
import pMap from 'p-map';
import { createRealPaths, isInside, realFolder } from '../platform/folders.ts';
import type { Journal } from '../task/journal.ts';
import type { TaskRecord } from '../task/record.ts';
import { placeOf } from '../task/save.ts';
import {
  type ClipRecord,
  inspectOutput,
  listFolder,
  type PlannedJob,
  type Restore,
  readClipRecord,
} from './plan.ts';

export interface MatchOptions {
  readonly journal: Pick<Journal, 'readAll'>;
  /** Pending requests to the service of this run. */
  readonly openRecords: readonly TaskRecord[];
  /** Says whether a record is of the service of this run. */
  readonly isOwn: (record: TaskRecord) => boolean;
  /** What the jobs of the files that are not planned now ask for, by their outputs. */
  readonly otherPrints: ReadonlyMap<string, () => string>;
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
  const realPath = createRealPaths();
  const outputs = new Map<PlannedJob, string>();
  for (const [folder, ofFolder] of groupBy(jobs, ({ outputPath }) => dirname(outputPath))) {
    const real = await realFolder(folder);
    for (const job of ofFolder) outputs.set(job, join(real, basename(job.outputPath)));
  }
  const pool = await findCandidates(jobs, unmade, { ...options, realPath, outputs });
  if (pool === undefined) return jobs;
  const found = new Map<PlannedJob, Candidate>();
  const passes: readonly ((job: PlannedJob, candidate: Candidate) => boolean)[] = [
    (job, { path }) => outputs.get(job) === path,
    (job, { record, kind }) => kind === 'pending' && record?.identity === job.identity,
    (job, { job: name, isElsewhere }) => isElsewhere !== true && name === job.entry.name,
    (_job, { isElsewhere }) => isElsewhere !== true,
  ];
  for (const [pass, isLike] of passes.entries()) {
    for (const job of unmade) {
      if (found.has(job) || (job.isDated && pass > 1)) continue;
      const candidate = await pool.take(job, (each) => isLike(job, each));
      if (candidate !== undefined) found.set(job, candidate);
    }
  }
  const wantedPaths = new Set(
    [...found.values()].filter(({ kind }) => kind === 'clip').map(({ path }) => path),
  );
  return jobs.map((job) => {
    const movedAside = job.movedAside && {
      ...job.movedAside,
      isWanted: wantedPaths.has(outputs.get(job) ?? ''),
    };
    const candidate = found.get(job);
    return candidate === undefined
      ? { ...job, movedAside }
      : { ...withCandidate(job, candidate, outputs), movedAside };
  });
}

function isUnmade({ action }: PlannedJob): boolean {
  return action === 'new' || action === 'changed';
}

function withCandidate(
  job: PlannedJob,
  { kind, path, record, taskId }: Candidate,
  outputs: ReadonlyMap<PlannedJob, string>,
): PlannedJob {
  const movedFrom = outputs.get(job) === path ? undefined : path;
  if (kind === 'pending') return { ...job, action: 'resume', record, movedFrom };
  if (kind === 'clip') return { ...job, action: 'copied', movedFrom: path };
  const restore: Restore = { taskId, earlier: record, isDamaged: false };
  return { ...job, action: 'restore', restore };
}

interface Search extends MatchOptions {
  readonly realPath: (path: string) => Promise<string>;
  readonly outputs: ReadonlyMap<PlannedJob, string>;
}

interface Pool {
  /** Takes the first that fits and still is what it is said to be. */
  take(job: PlannedJob, fits: (candidate: Candidate) => boolean): Promise<Candidate | undefined>;
}

function clipAt(path: string, { createdAtMs = 0, taskId, job }: ClipRecord): Candidate {
  return { kind: 'clip', path, createdAtMs, job, taskId };
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}

/** What there is of the requests; undefined where there is nothing. */
async function findCandidates(
  jobs: readonly PlannedJob[],
  unmade: readonly PlannedJob[],
  search: Search,
): Promise<Pool | undefined> {
  const { realPath, outputs, isSandbox } = search;
  const wanted = new Set(unmade.map((job) => job.fingerprint));
  const pool = new Map<string, Candidate[]>();
  const add = (print: string, candidate: Candidate): void => {
    if (wanted.has(print)) pool.set(print, [...(pool.get(print) ?? []), candidate]);
  };
  const owners = new Map<string, PlannedJob>();
  for (const [job, path] of outputs) owners.set(path, job);
  const otherPrints = new Map<string, () => string>();
  for (const [path, print] of search.otherPrints) otherPrints.set(await realPath(path), print);
  /** What lies at, or is to go to, the place of another job that asks for the same belongs to that job. */
  const isReserved = (print: string, path: string): boolean => {
    const owner = owners.get(path);
    if (owner !== undefined) return owner.fingerprint === print && !isUnmade(owner);
    return otherPrints.get(path)?.() === print;
  };
  const given = new Set(
    jobs
      .filter((job) => !isUnmade(job))
      .flatMap(({ clip, record, restore }) => [clip?.taskId, record?.taskId, restore?.taskId]),
  );
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
    const clip = readClipRecord(path);
    if (clip === undefined || !wanted.has(clip.fingerprint) || isReserved(clip.fingerprint, real)) return;
    add(clip.fingerprint, clipAt(real, clip));
  };
  const folders = new Set(jobs.flatMap(({ outputPath, entry }) => [dirname(outputPath), entry.baseFolder]));
  const planned = new Set(jobs.map(({ outputPath }) => outputPath));
  for (const folder of folders) {
    const clips = (await listFolder(folder))
      .filter((name) => name.endsWith(SIDECAR_ENDING))
      .map((name) => join(folder, name.slice(0, -'.json'.length)));
    await pMap(
      clips.filter((path) => !planned.has(path)),
      addClip,
      { concurrency: READS_AT_ONCE },
    );
  }
  /** The newest of a place: what it replaced was replaced on purpose. */
  const savedAt = new Map<string, TaskRecord>();
  for await (const record of search.journal.readAll()) {
    if (record.state !== 'saved' || !wanted.has(record.fingerprint) || !search.isOwn(record)) continue;
    for (const { path } of record.saved ?? []) savedAt.set(await realPath(path), record);
  }
  for (const [path, record] of savedAt) {
    const { taskId, fingerprint, createdAtMs, job } = record;
    if (isReserved(fingerprint, path)) continue;
    const isAtJob = owners.get(path)?.fingerprint === fingerprint;
    if (!isAtJob && !isNear(path)) continue;
    const state = await inspectOutput(path);
    if (state.kind === 'ours' && !owners.has(path)) await addClip(path);
    if (state.kind === 'absent' && taskId !== undefined)
      add(fingerprint, { kind: 'deleted', path, createdAtMs, job, taskId, record });
  }
  const attached = new Set(jobs.map(({ record }) => record?.localId));
  for (const record of search.openRecords) {
    const place = placeOf(record);
    if (attached.has(record.localId) || place === undefined || !wanted.has(record.fingerprint)) continue;
    const path = await realPath(place);
    const { fingerprint, createdAtMs, taskId, job } = record;
    const isTaken = otherPrints.get(path)?.() === fingerprint;
    if (!isTaken)
      add(fingerprint, {
        kind: 'pending',
        path,
        createdAtMs,
        job,
        taskId,
        record,
        isElsewhere: !isNear(path),
      });
  }
  if (pool.size === 0) return undefined;
  for (const [print, candidates] of pool) pool.set(print, inOrder(candidates));

  return {
    async take(job, fits) {
      const candidates = pool.get(job.fingerprint) ?? [];
      for (const candidate of candidates.filter(fits)) {
        const { kind, path, taskId } = candidate;
        if (!candidates.includes(candidate) || (taskId !== undefined && given.has(taskId))) continue;
        candidates.splice(candidates.indexOf(candidate), 1);
        if (kind === 'clip') {
          const state = await inspectOutput(path);
          if (state.kind !== 'ours' || state.clip.fingerprint !== job.fingerprint) continue;
          if (state.clip.isSandbox && !isSandbox) continue;
        }
        if (kind !== 'pending' && job.isForced) continue;
        if (taskId !== undefined) given.add(taskId);
        return candidate;
      }
      return undefined;
    },
  };
}

/** The oldest first; of one task its clip before the task, as it is there already. */
function inOrder(candidates: readonly Candidate[]): Candidate[] {
  const clips = new Set(candidates.flatMap(({ kind, taskId }) => (kind === 'clip' ? [taskId] : [])));
  return candidates
    .filter(({ kind, taskId }) => kind !== 'deleted' || !clips.has(taskId))
    .sort((a, b) => a.createdAtMs - b.createdAtMs);
}

/**
 * The folders of the job files; for an output outside of them also the folder above its own, so that a sibling is found,
 * unless that holds everything a person has.
 */
async function realTrees(jobs: readonly PlannedJob[], homeFolder: string): Promise<readonly string[]> {
  const home = await realFolder(homeFolder);
  const bases = new Set(jobs.map(({ entry }) => entry.baseFolder));
  const outside = jobs.filter(({ isOutside }) => isOutside).map(({ outputPath }) => dirname(outputPath));
  const above = await pMap(new Set(outside), async (folder) => dirname(await realFolder(folder)), {
    concurrency: READS_AT_ONCE,
  });
  const narrow = above.filter((folder) => !isInside(folder, home));
  return [...new Set([...(await Promise.all([...bases].map(realFolder))), ...narrow])];
}
