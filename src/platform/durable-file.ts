import { link, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fsErrorCode } from './fs-error.ts';
import { localIoError } from './local-io-error.ts';
import { syncFolder } from './sync-folder.ts';
import { openNew, openTempBeside } from './temp-file.ts';
import { writeFully } from './write-fully.ts';

/** What file systems without hard links answer to link(2). */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EINVAL', 'EACCES']);
/** What Windows answers while a virus scanner or an indexer looks at the file. */
const BUSY = new Set(['EPERM', 'EACCES', 'EBUSY']);
const BUSY_DELAYS_MS = [20, 50, 100, 200, 400, 800];

/**
 * Creates a file that must not exist, whole and on the disk when the promise resolves: temporary file in the same
 * folder, byte counts checked, fsync, hard link to the name (which fails if it is taken, by a symbolic link too),
 * folder fsync. A reader sees no file or all of it.
 * @throws EvolinkError `local-io`; then there is no new file
 */
export async function createDurably(path: string, text: string, mode = 0o600): Promise<void> {
  try {
    const temp = await openTempBeside(path, text, { mode, isDurable: true });
    try {
      await temp.handle.close();
      await publish(temp.path, path, { text, mode });
    } finally {
      await unlink(temp.path).catch(() => undefined);
    }
    await syncNewName(path);
  } catch (error) {
    throw localIoError(error, 'create', path);
  }
}

/**
 * Gives a file new content, whole and on the disk when the promise resolves: temporary file in the same folder, byte
 * counts checked, fsync, rename, folder fsync. A symbolic link of that name is replaced, never followed.
 * @throws EvolinkError `local-io`; then the old content still stands
 */
export async function replaceDurably(path: string, text: string, mode = 0o600): Promise<void> {
  try {
    const temp = await openTempBeside(path, text, { mode, isDurable: true });
    try {
      await temp.handle.close();
      await renameBusy(temp.path, path);
    } catch (error) {
      await unlink(temp.path).catch(() => undefined);
      throw error;
    }
    await syncFolder(dirname(path));
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
