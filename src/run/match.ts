import { readdir } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import pMap from 'p-map';
import { createRealPaths, isInside, realFolder } from '../platform/folders.ts';
import { fsErrorCode, localIoError } from '../platform/fs-error.ts';
import type { Journal } from '../task/journal.ts';
import type { TaskRecord } from '../task/record.ts';
import { placeOf } from '../task/save.ts';
import { inspectOutput, type PlannedJob, readClipRecord } from './plan.ts';

/**
 * Gives open requests that are left to the jobs whose very place they are for, by whatever spelling (through a link, or by a
 * pattern that comes to the same name), or which they were made for. Each to one job.
 */
export async function attachOpen(
  jobs: readonly PlannedJob[],
  openRecords: readonly TaskRecord[],
): Promise<readonly PlannedJob[]> {
  const realPath = createRealPaths();
  const attached = new Set(jobs.map(({ record }) => record?.localId));
  const wanted = new Set(jobs.filter(isUnmade).map((job) => job.fingerprint));
  const byPlace = new Map<string, TaskRecord>();
  const byIdentity = new Map<string, TaskRecord>();
  for (const record of openRecords) {
    const path = placeOf(record);
    if (attached.has(record.localId) || !wanted.has(record.fingerprint) || path === undefined) continue;
    byPlace.set(`${record.fingerprint} ${await realPath(path)}`, record);
    byIdentity.set(record.identity, record);
  }
  if (byPlace.size === 0) return jobs;
  const given = new Map<PlannedJob, TaskRecord>();
  const give = (job: PlannedJob, record: TaskRecord | undefined): void => {
    if (record === undefined || attached.has(record.localId) || given.has(job)) return;
    attached.add(record.localId);
    given.set(job, record);
  };
  const unmade = jobs.filter(isUnmade);
  for (const job of unmade) give(job, byPlace.get(`${job.fingerprint} ${await realPath(job.outputPath)}`));
  for (const job of unmade) give(job, byIdentity.get(job.identity));
  return jobs.map((job) => {
    const record = given.get(job);
    return record === undefined ? job : { ...job, action: 'attached', record };
  });
}

function isUnmade({ action }: PlannedJob): boolean {
  return action === 'new' || action === 'changed';
}

export interface MovedOptions {
  readonly journal: Pick<Journal, 'readAll'>;
  /** Open requests to the service of this run. */
  readonly openRecords: readonly TaskRecord[];
  /** Paths that belong to a job of the files: two jobs with the same request want two clips. */
  readonly takenPaths: ReadonlySet<string>;
  readonly isRehearsal: boolean;
  /** The person's own folder, which holds more than one project. */
  readonly homeFolder: string;
  /** What is found is copied, what is open is continued; else a person is asked. */
  readonly isAdopting: boolean;
}

const READS_AT_ONCE = 8;
const RECORD_ENDING = '.mp4.json';

/**
 * Looks for clips of jobs that have none where they say: an output that was renamed is no reason to buy its clip again.
 * Looked for beside the outputs, by the records there, and in the tree of the job file where the journal says that clips
 * were saved: the journal knows the clips of other projects as well, and those belong to them. A request that is open there
 * is a clip on its way.
 */
export async function findMoved(
  jobs: readonly PlannedJob[],
  options: MovedOptions,
): Promise<readonly PlannedJob[]> {
  const wanted = new Set(jobs.filter(({ action }) => action === 'new').map((job) => job.fingerprint));
  if (wanted.size === 0) return jobs;
  const places = await candidates(jobs, wanted, options);
  const found = new Map<PlannedJob, Found>();
  // Equal requests have clips of their own: a name that stayed tells whose each is.
  for (const isLike of [hasFileName, hasJobName, () => true]) {
    for (const job of jobs) {
      if (job.action !== 'new' || found.has(job)) continue;
      const clip = await takeClip(job, { places, isLike, isRehearsal: options.isRehearsal });
      if (clip !== undefined) found.set(job, clip);
    }
  }
  return jobs.map((job) => {
    const clip = found.get(job);
    if (clip === undefined) return job;
    const { path: movedFrom, record } = clip;
    const adopting = record === undefined ? 'adopted' : 'attached';
    return { ...job, action: options.isAdopting ? adopting : 'renamed', movedFrom, record };
  });
}

/** A clip, or with a record the place of one on its way. */
interface Found {
  readonly path: string;
  readonly record?: TaskRecord | undefined;
}

/** What is there of each fingerprint. */
type Places = Map<string, Found[]>;

type Likeness = (job: PlannedJob, path: string) => boolean;

function hasFileName({ outputPath }: PlannedJob, path: string): boolean {
  return basename(path) === basename(outputPath);
}

/** What a name has behind the key of its job tells variants apart: `de` of `hero/de` in `clips-de.mp4` or `de/clip.mp4`. */
function hasJobName({ entry: { name, group, baseFolder } }: PlannedJob, path: string): boolean {
  const start = name.indexOf(`${group}/`);
  const variant = start < 0 ? name : name.slice(start + group.length + 1);
  const found = wordsOf(relative(baseFolder, path));
  const wanted = wordsOf(variant);
  return wanted.length > 0 && wanted.every((word) => found.includes(word));
}

function wordsOf(text: string): readonly string[] {
  return text
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '');
}

async function candidates(
  jobs: readonly PlannedJob[],
  wanted: ReadonlySet<string>,
  { journal, openRecords, takenPaths, homeFolder }: MovedOptions,
): Promise<Places> {
  const places: Places = new Map();
  const realPath = createRealPaths();
  const reallyTaken = new Set<string>();
  for (const path of takenPaths) reallyTaken.add(await realPath(path));
  const prints = new Map<string, string>();
  for (const { outputPath, fingerprint } of jobs) prints.set(await realPath(outputPath), fingerprint);
  /** What is on its way to the place of a job that asks for something else by now is not that job's. */
  const isTaken = (print: string, path: string, record?: TaskRecord) =>
    reallyTaken.has(path) && (record === undefined || (prints.get(path) ?? print) === print);
  const add = (print: string, path: string, record?: TaskRecord): void => {
    if (!wanted.has(print) || isTaken(print, path, record)) return;
    const known = places.get(print) ?? [];
    // A clip that the journal and its own record name is one.
    if (record === undefined && known.some((clip) => clip.path === path)) return;
    places.set(print, [...known, { path, record }]);
  };
  const folders = new Set(jobs.flatMap(({ outputPath, entry }) => [dirname(outputPath), entry.baseFolder]));
  const clips = (await pMap(folders, listClips, { concurrency: READS_AT_ONCE })).flat();
  await pMap(
    clips.filter((path) => !takenPaths.has(path)),
    async (path) => {
      const record = await readClipRecord(path);
      if (record !== undefined) add(record.fingerprint, await realPath(path));
    },
    { concurrency: READS_AT_ONCE },
  );
  const trees = await realTrees(jobs, homeFolder);
  for await (const record of journal.readAll()) {
    if (!wanted.has(record.fingerprint)) continue;
    for (const { path } of record.saved ?? []) {
      const real = await realPath(path);
      if (trees.some((tree) => isInside(tree, real))) add(record.fingerprint, real);
    }
  }
  const attached = new Set(jobs.map(({ record }) => record?.localId));
  for (const record of openRecords) {
    if (attached.has(record.localId)) continue;
    const path = wanted.has(record.fingerprint) ? placeOf(record) : undefined;
    const real = path === undefined ? undefined : await realPath(path);
    if (real !== undefined && trees.some((tree) => isInside(tree, real)))
      add(record.fingerprint, real, record);
  }
  return places;
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

async function listClips(folder: string): Promise<readonly string[]> {
  try {
    const names = await readdir(folder);
    return names
      .filter((name) => name.endsWith(RECORD_ENDING))
      .map((name) => join(folder, name.slice(0, -'.json'.length)));
  } catch (error) {
    const code = fsErrorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw localIoError(error, 'look into the output folder', folder).with({ charged: 'no' });
  }
}

interface Taking {
  readonly places: Places;
  readonly isLike: Likeness;
  readonly isRehearsal: boolean;
}

/** The first that still is what its record says; each clip is given to one job only. */
async function takeClip(
  job: PlannedJob,
  { places, isLike, isRehearsal }: Taking,
): Promise<Found | undefined> {
  const { fingerprint } = job;
  for (const clip of (places.get(fingerprint) ?? []).filter(({ path }) => isLike(job, path))) {
    const { path, record } = clip;
    places.set(
      fingerprint,
      (places.get(fingerprint) ?? []).filter((other) => other !== clip),
    );
    if (record !== undefined) return clip;
    const state = await inspectOutput(path);
    if (state.kind !== 'ours' || state.clip.fingerprint !== fingerprint) continue;
    if (isRehearsal || !state.clip.isRehearsal) return clip;
  }
  return undefined;
}
