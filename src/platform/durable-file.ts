import { linkSync, lstatSync, renameSync, type Stats, unlinkSync, writeFileSync } from 'node:fs';
import { type FileHandle, lstat, open, readdir, unlink } from 'node:fs/promises';
import { dirname, join, parse } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { EvolinkError } from '../errors.ts';
import type { Clock } from './clock.ts';
import { fsErrorCode, localIoError } from './fs-error.ts';
import { cutText, MAX_NAME_BYTES } from './text.ts';

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

/** Names of `tempPathBeside`: left behind by a process that was killed, such a file is safe to remove. */
const TEMP_NAME = /^\.evolink-[0-9a-f]{16}\.tmp$/;

/**
 * A new name in the folder of `path`: short, so that a target name at the limit of the file system still works. Where somebody
 * guessed it, `wx` refuses what lies there.
 */
export function tempPathBeside(path: string): string {
  const digits = Array.from({ length: 16 }, () => Math.trunc(Math.random() * 16).toString(16));
  return join(dirname(path), `.evolink-${digits.join('')}.tmp`);
}

/**
 * Makes a new file with this content, on the disk, in the folder of `path`.
 * @returns its path; the caller removes or renames it
 * @throws the system's error; then nothing is left behind
 */
export async function writeTempBeside(path: string, text: string, mode = 0o600): Promise<string> {
  const tempPath = tempPathBeside(path);
  const handle = await open(tempPath, 'wx', mode);
  try {
    await handle.writeFile(text);
    await handle.sync();
    await handle.close();
    return tempPath;
  } catch (error) {
    await handle.close().catch(() => undefined);
    await unlink(tempPath).catch(() => undefined);
    throw error;
  }
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
 * rename(2) that waits out a file which another program has open for a moment (Windows only). Synchronous, as link(2) and
 * unlink(2) below: a change of names waits for no disk, and is done before another thread could begin with it.
 */
export async function renameBusy(from: string, to: string): Promise<void> {
  for (const delayMs of BUSY_DELAYS_MS) {
    try {
      return renameSync(from, to);
    } catch (error) {
      if (process.platform !== 'win32' || !BUSY.has(fsErrorCode(error) ?? '')) throw error;
      await delay(delayMs);
    }
  }
  return renameSync(from, to);
}

/**
 * Moves a whole file to a name that nothing has: it appears with all the bytes behind it, or not at all. Without hard links
 * an empty file takes the name and is renamed over.
 * @returns false where the name is taken, by a link too
 */
export function claimName(from: string, path: string): boolean {
  try {
    try {
      linkSync(from, path);
    } catch (error) {
      if (!NO_LINKS.has(fsErrorCode(error) ?? '')) throw error;
      writeFileSync(path, '', { flag: 'wx' });
      try {
        renameSync(from, path);
      } catch (reason) {
        unlinkSync(path);
        throw reason;
      }
      return true;
    }
  } catch (error) {
    if (fsErrorCode(error) === 'EEXIST') return false;
    throw error;
  }
  unlinkSync(from);
  return true;
}

/**
 * Writes of whole files, through a temporary one in the same folder that is on the disk before it gets the name.
 * @param place gives it the name; its answer is what goes again where the name can't be made durable
 */
function durably(action: string, place: (temp: string, path: string) => Promise<string | undefined>) {
  return async (path: string, text: string, mode = 0o600, isNameSynced = true): Promise<void> => {
    let leftover: string | undefined;
    try {
      leftover = await writeTempBeside(path, text, mode);
      leftover = await place(leftover, path);
      if (isNameSynced) await syncFolder(dirname(path));
    } catch (error) {
      if (leftover !== undefined) await unlink(leftover).catch(() => undefined);
      throw localIoError(error, action, path);
    }
  };
}

/**
 * Creates a file that must not exist, whole and on the disk when the promise resolves: hard link to the name (which fails
 * if it is taken, by a symbolic link too), folder fsync. A name that may not survive a power cut is no promise: it is taken
 * back.
 * @throws EvolinkError `local-io`; then there is no new file
 */
export const createDurably = durably('create', async (temp, path) => {
  if (!claimName(temp, path)) throw Object.assign(new Error('taken'), { code: 'EEXIST' });
  return path;
});

/**
 * Gives a file new content, whole and on the disk when the promise resolves: rename, folder fsync. A symbolic link of that
 * name is replaced, never followed. With `isNameSynced` false: after a power cut the file may hold what it held before.
 * @throws EvolinkError `local-io`; then the old content still stands
 */
export const replaceDurably = durably('write', async (temp, path) => {
  await renameBusy(temp, path);
  return undefined;
});

const LAST_NUMBER = 99;

/**
 * Gives a finished file its name. The name appears with all the bytes behind it or not at all, and is on the disk when the
 * promise resolves. A taken name is never overwritten unless that was asked for; the file then gets the next free number.
 * @param job `part`: a whole, fsynced file in the folder of the target; `canReplace`: a file or symbolic link of the target's
 * name may be replaced (never followed); `isPublished`: says whether a file that has the name already is this very content,
 * published by a process that died after it
 * @returns the path: the target, or `clip-2.mp4`
 * @throws the system's errors; EvolinkError `local-io` when all 99 numbers exist. The part still stands then.
 */
export async function publishFile(job: {
  readonly part: string;
  readonly target: string;
  readonly canReplace: boolean;
  readonly isPublished: (path: string) => Promise<boolean>;
}): Promise<string> {
  const { part, target } = job;
  const stats = await lstatIfThere(target);
  // Folders, devices and pipes are nothing that a video may take the place of.
  if (job.canReplace && (stats === undefined || stats.isFile() || stats.isSymbolicLink())) {
    await renameBusy(part, target);
    await syncFolder(dirname(target));
    return target;
  }
  for (const path of numberedPaths(target)) {
    if (!claimName(part, path)) {
      if (!(await job.isPublished(path))) continue;
      await unlink(part);
    }
    await syncFolder(dirname(path));
    return path;
  }
  throw new EvolinkError('local-io', `"${target}" and its ${LAST_NUMBER} numbered names exist`);
}

/** `clip.mp4`, `clip-2.mp4`, … `clip-99.mp4`. */
export function* numberedPaths(target: string): Generator<string> {
  yield target;
  const { dir, name, ext } = parse(target);
  for (let number = 2; number <= LAST_NUMBER; number += 1) {
    const ending = `-${number}${ext}`;
    yield join(dir, cutText(name, MAX_NAME_BYTES - Buffer.byteLength(ending)) + ending);
  }
}

/** A temporary file lives for milliseconds; one this old was left by a process that was killed, on whatever machine. */
const STALE_AFTER_MS = 60 * 60_000;

/**
 * Removes from a folder, once, what killed processes have left of `tempPathBeside`: a run of thousands of clips reads theirs
 * once. Housekeeping: never throws.
 */
export function createTempSweeper(clock: Clock): (folder: string) => Promise<void> {
  const seen = new Set<string>();
  return async (folder) => {
    if (seen.has(folder)) return;
    seen.add(folder);
    const names = await readdir(folder).catch(() => []);
    for (const path of names.filter((name) => TEMP_NAME.test(name)).map((name) => join(folder, name))) {
      const stats = await lstat(path).catch(() => undefined);
      if (stats?.isFile() === true && clock.now() - stats.mtimeMs > STALE_AFTER_MS)
        await unlink(path).catch(() => undefined);
    }
  };
}
