import { constants, lstatSync, type Stats } from 'node:fs';
import { type FileHandle, link, lstat, open, readdir, rename, unlink } from 'node:fs/promises';
import { dirname, join, parse } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { EvolinkError } from '../errors.ts';
import type { Clock } from './clock.ts';
import { fsErrorCode, localIoError } from './fs-error.ts';

/** A write that took less than it was given and takes no more. The code is what the disk would have said. */
export class ShortWriteError extends Error {
  override readonly name = 'ShortWriteError';
  readonly code = 'ENOSPC';
}

/**
 * Writes all bytes at the start of a file and checks that the file holds exactly them. The system may write less
 * than it was asked to without an error (write(2): a full disk, a size limit), so every count is looked at: the rest is
 * written again, which gives the true error, and a write of nothing ends it.
 * @throws the system's error, or `ShortWriteError`
 */
async function writeFully(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  let offset = 0;
  while (offset < bytes.byteLength) {
    const { bytesWritten } = await handle.write(bytes, offset, bytes.byteLength - offset, offset);
    if (bytesWritten <= 0) throw new ShortWriteError(`wrote ${offset} of ${bytes.byteLength} bytes`);
    offset += bytesWritten;
  }
  const { size } = await handle.stat();
  if (size !== bytes.byteLength)
    throw new ShortWriteError(`the file has ${size} of ${bytes.byteLength} bytes`);
}

const NO_FOLDER_SYNC = new Set(['EISDIR', 'EPERM', 'EINVAL', 'ENOTSUP', 'EBADF']);

/**
 * Makes the names in a folder durable (POSIX: a rename survives a power cut only after the folder's own fsync).
 * File systems and platforms that refuse it (Windows: EISDIR, EPERM; some network mounts: EINVAL, ENOTSUP) are accepted.
 */
export async function syncFolder(folder: string): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(folder, 'r');
    await handle.sync();
  } catch (error) {
    if (!NO_FOLDER_SYNC.has(fsErrorCode(error) ?? '')) throw error;
  } finally {
    await handle?.close();
  }
}

/** Names of `openTempBeside`: left behind by a process that was killed, such a file is safe to remove. */
const TEMP_NAME = /^\.evolink-[0-9a-f]{16}\.tmp$/;

export interface TempFile {
  readonly path: string;
  readonly handle: FileHandle;
}

export interface TempOptions {
  readonly mode: number;
  /** Whether the content must be on the disk (fsync) before anything refers to it. */
  readonly isDurable: boolean;
}

/** A new `TEMP_NAME` in the folder of `path`. Where somebody guessed it, `NEW_FILE` refuses what lies there. */
export function tempPathBeside(path: string): string {
  const half = () =>
    Math.trunc(Math.random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0');
  return join(dirname(path), `.evolink-${half()}${half()}.tmp`);
}

/**
 * Makes a new file with this content in the folder of `path`. The name is short, so that a target
 * name at the limit of the file system still works, and nobody can have put a link in its place (O_EXCL, O_NOFOLLOW).
 * The caller closes the handle and removes or renames the file.
 * @throws the system's error; then nothing is left behind
 */
export async function openTempBeside(path: string, text: string, options: TempOptions): Promise<TempFile> {
  const tempPath = tempPathBeside(path);
  const handle = await openNew(tempPath, options.mode);
  try {
    await writeFully(handle, Buffer.from(text, 'utf8'));
    if (options.isDurable) await handle.sync();
    return { path: tempPath, handle };
  } catch (error) {
    await handle.close().catch(() => undefined);
    await unlink(tempPath).catch(() => undefined);
    throw error;
  }
}

/** Flags for a file that must not exist yet, link or not. Windows has no O_NOFOLLOW; there O_EXCL alone refuses a link. */
export const NEW_FILE = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);

/** Opens a file that must not exist yet, link or not. */
export function openNew(path: string, mode: number): Promise<FileHandle> {
  return open(path, NEW_FILE, mode);
}

/** What has a name, links not followed; `undefined` where nothing has. @throws the system's error */
export async function lstatIfThere(path: string): Promise<Stats | undefined> {
  return lstatSync(path, { throwIfNoEntry: false });
}

/** What file systems without hard links answer to link(2): FAT, some network mounts, Android. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV', 'EINVAL', 'EACCES']);
/** What Windows answers while a virus scanner or an indexer looks at the file. */
const BUSY = new Set(['EPERM', 'EACCES', 'EBUSY']);
const BUSY_DELAYS_MS = [20, 50, 100, 200, 400, 800];

/**
 * Creates a file that must not exist, whole and on the disk when the promise resolves: temporary file in the same
 * folder, byte counts checked, fsync, hard link to the name (which fails if it is taken, by a symbolic link too),
 * folder fsync. A reader sees no file or all of it.
 * @param isNameSynced false: after a power cut the file is whole or not there
 * @throws EvolinkError `local-io`; then there is no new file
 */
export async function createDurably(
  path: string,
  text: string,
  mode = 0o600,
  isNameSynced = true,
): Promise<void> {
  try {
    const temp = await openTempBeside(path, text, { mode, isDurable: true });
    try {
      await temp.handle.close();
      await publish(temp.path, path, { text, mode });
    } finally {
      await unlink(temp.path).catch(() => undefined);
    }
    if (isNameSynced) await syncNewName(path);
  } catch (error) {
    throw localIoError(error, 'create', path);
  }
}

/**
 * Gives a file new content, whole and on the disk when the promise resolves: temporary file in the same folder, byte
 * counts checked, fsync, rename, folder fsync. A symbolic link of that name is replaced, never followed.
 * @param isNameSynced false: after a power cut the file may hold what it held before
 * @throws EvolinkError `local-io`; then the old content still stands
 */
export async function replaceDurably(
  path: string,
  text: string,
  mode = 0o600,
  isNameSynced = true,
): Promise<void> {
  try {
    const temp = await openTempBeside(path, text, { mode, isDurable: true });
    try {
      await temp.handle.close();
      await renameBusy(temp.path, path);
    } catch (error) {
      await unlink(temp.path).catch(() => undefined);
      throw error;
    }
    if (isNameSynced) await syncFolder(dirname(path));
  } catch (error) {
    throw localIoError(error, 'write', path);
  }
}

/** rename(2) that waits out a file which another program has open for a moment (Windows only). */
export async function renameBusy(from: string, to: string): Promise<void> {
  for (const delayMs of BUSY_DELAYS_MS) {
    try {
      return await rename(from, to);
    } catch (error) {
      if (process.platform !== 'win32' || !BUSY.has(fsErrorCode(error) ?? '')) throw error;
      await delay(delayMs);
    }
  }
  return rename(from, to);
}

async function publish(
  tempPath: string,
  path: string,
  content: { text: string; mode: number },
): Promise<void> {
  try {
    await link(tempPath, path);
  } catch (error) {
    if (!NO_LINKS.has(fsErrorCode(error) ?? '')) throw error;
    await createInPlace(path, content);
  }
}

/** Where there are no hard links the name appears before the content; a crash in between leaves a torn file. */
async function createInPlace(path: string, { text, mode }: { text: string; mode: number }): Promise<void> {
  const handle = await openNew(path, mode);
  try {
    await writeFully(handle, Buffer.from(text, 'utf8'));
    await handle.sync();
  } catch (error) {
    await unlink(path).catch(() => undefined);
    throw error;
  } finally {
    await handle.close();
  }
}

/** A name that may not survive a power cut is no promise: it is taken back. */
async function syncNewName(path: string): Promise<void> {
  try {
    await syncFolder(dirname(path));
  } catch (error) {
    await unlink(path).catch(() => undefined);
    throw error;
  }
}

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
 * @throws the system's errors; EvolinkError `local-io` when all 99 numbers exist. The part still stands then.
 */
export async function publishFile(job: PublishJob): Promise<Published> {
  if (job.canReplace && (await isReplaceable(job.target))) {
    await renameBusy(job.part, job.target);
    return done(job, job.target);
  }
  for (const path of numberedPaths(job.target)) {
    if (await claim(job, path)) return done(job, path);
  }
  throw new EvolinkError('local-io', `"${job.target}" and its ${LAST_NUMBER} numbered names exist`);
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
  const stats = await lstatIfThere(path);
  return stats === undefined || stats.isFile() || stats.isSymbolicLink();
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
    const isTaken = !stats.isFile() || stats.size > 0;
    if (isTaken && !(await job.isPublished(path))) return false;
    if (isTaken) {
      await unlink(job.part);
      return true;
    }
  }
  await renameBusy(job.part, path);
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

/** A temporary file lives for milliseconds; one this old was left by a process that was killed, on whatever machine. */
const STALE_AFTER_MS = 60 * 60_000;

/** Removes from a folder what killed processes have left of `openTempBeside`. Housekeeping: never throws. */
export async function sweepTemps(folder: string, nowMs: number): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter((each) => TEMP_NAME.test(each)))
    await removeIfStale(join(folder, name), nowMs).catch(() => undefined);
}

/** The same for each folder once, so that a run of thousands of clips reads theirs once. */
export function createTempSweeper(clock: Clock): (folder: string) => Promise<void> {
  const seen = new Set<string>();
  return async (folder) => {
    if (seen.has(folder)) return;
    seen.add(folder);
    await sweepTemps(folder, clock.now());
  };
}

async function removeIfStale(path: string, nowMs: number): Promise<void> {
  const stats = await lstat(path);
  if (stats.isFile() && nowMs - stats.mtimeMs > STALE_AFTER_MS) await unlink(path);
}
