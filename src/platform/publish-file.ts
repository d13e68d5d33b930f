import { link, lstat, unlink } from 'node:fs/promises';
import { dirname, join, parse } from 'node:path';
import { EvolinkError } from '../errors.ts';
import { renameBusy } from './durable-file.ts';
import { fsErrorCode } from './fs-error.ts';
import { syncFolder } from './sync-folder.ts';
import { openNew } from './temp-file.ts';

/** What file systems without hard links answer to link(2): FAT, some network mounts, Android. */
const NO_LINKS: ReadonlySet<string> = new Set([
  'EPERM',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EMLINK',
  'EXDEV',
  'EINVAL',
]);
const LAST_NUMBER = 99;
const MAX_NAME_BYTES = 255;

export interface PublishJob {
  /** A whole, fsynced file in the folder of the target. */
  readonly part: string;
  readonly target: string;
  /** Whether a file or symbolic link of the target's name may be replaced (never followed). */
  readonly canReplace: boolean;
  /** Says whether a file that has the name already is this very content, published by a process that died after it. */
  readonly isPublished: (path: string) => Promise<boolean>;
  /** link(2); a seam for file systems that have none. */
  readonly makeLink?: ((from: string, to: string) => Promise<void>) | undefined;
}

export interface Published {
  readonly path: string;
  /** The name was taken: the file has a number instead, `clip-2.mp4`. */
  readonly isNumbered: boolean;
}

/**
 * Gives a finished file its name. The name appears with all the bytes behind it or not at all, and is on the disk when the
 * promise resolves. A taken name is never overwritten unless that was asked for; the file then gets the next free number.
 * @throws the system's errors; EvolinkError `local-io` when 99 numbers are taken. The part still stands then.
 */
export async function publishFile(job: PublishJob): Promise<Published> {
  if (job.canReplace && (await isReplaceable(job.target))) {
    await renameBusy(job.part, job.target);
    return done(job, job.target);
  }
  for (const path of numberedPaths(job.target)) {
    if (await claim(job, path)) return done(job, path);
  }
  throw new EvolinkError('local-io', `"${job.target}" and its ${LAST_NUMBER} numbered names are taken`);
}

/** `clip.mp4`, `clip-2.mp4`, … `clip-99.mp4`. */
export function* numberedPaths(target: string): Generator<string> {
  yield target;
  const { dir, name, ext } = parse(target);
  for (let number = 2; number <= LAST_NUMBER; number += 1) {
    const ending = `-${number}${ext}`;
    yield join(dir, `${shorten(name, MAX_NAME_BYTES - Buffer.byteLength(ending))}${ending}`);
  }
}

async function done(job: PublishJob, path: string): Promise<Published> {
  await syncFolder(dirname(path));
  return { path, isNumbered: path !== job.target };
}

/** Folders, devices and pipes are nothing that a video may take the place of. */
async function isReplaceable(path: string): Promise<boolean> {
  try {
    const stats = await lstat(path);
    return stats.isFile() || stats.isSymbolicLink();
  } catch (error) {
    if (fsErrorCode(error) === 'ENOENT') return true;
    throw error;
  }
}

async function claim(job: PublishJob, path: string): Promise<boolean> {
  try {
    await (job.makeLink ?? link)(job.part, path);
  } catch (error) {
    const code = fsErrorCode(error) ?? '';
    if (NO_LINKS.has(code)) return claimByName(job, path);
    if (code !== 'EEXIST') throw error;
    if (!(await isSameFile(job.part, path)) && !(await job.isPublished(path))) return false;
  }
  await unlink(job.part);
  return true;
}

/**
 * Without hard links: an empty file takes the name exclusively, and the part is renamed over it, so that no short file can
 * ever be seen. An empty file that is there already is one that a killed process left at this very step.
 */
async function claimByName(job: PublishJob, path: string): Promise<boolean> {
  try {
    await (await openNew(path, 0o666)).close();
  } catch (error) {
    if (fsErrorCode(error) !== 'EEXIST') throw error;
    const stats = await lstat(path);
    if (!stats.isFile() || stats.size > 0) return publishedBefore(job, path);
  }
  await renameBusy(job.part, path);
  return true;
}

async function publishedBefore(job: PublishJob, path: string): Promise<boolean> {
  if (!(await job.isPublished(path))) return false;
  await unlink(job.part);
  return true;
}

async function isSameFile(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([lstat(one, { bigint: true }), lstat(other, { bigint: true })]);
  return a.ino === b.ino && a.dev === b.dev;
}

function shorten(name: string, maxBytes: number): string {
  const graphemes = [...new Intl.Segmenter().segment(name)].map(({ segment }) => segment);
  while (Buffer.byteLength(graphemes.join('')) > maxBytes) graphemes.pop();
  return graphemes.join('');
}
