import { constants, readdirSync } from 'node:fs';
import { copyFile, lstat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { hashFile } from '../download/target.ts';
import { EvolinkError } from '../errors.ts';
import { isLoopbackHost } from '../platform/address-class.ts';
import { publishFile } from '../platform/durable-file.ts';
import { isFolder, makeFolder } from '../platform/folders.ts';
import { fsErrorCode, localIoError } from '../platform/fs-error.ts';
import { readSidecar, type Sidecar } from '../task/sidecar.ts';

/**
 * What lies at an output. `absent`: nothing, at most the sidecar that a clip has left. `ours`: a clip that evolink made,
 * unchanged since. `damaged`: one that was changed after it was made. `foreign`: a file that no sidecar vouches for; never
 * replaced.
 */
export type OutputState =
  | { readonly kind: 'absent'; readonly left?: Sidecar | undefined }
  | { readonly kind: 'damaged'; readonly clip: Sidecar }
  | { readonly kind: 'ours'; readonly clip: Sidecar }
  | { readonly kind: 'foreign'; readonly reason: string };

/**
 * Looks at the place of a clip: the file, and the record beside it. Time stamps say nothing: a restored cache has new ones.
 * @throws EvolinkError `local-io`
 */
export async function inspectOutput(path: string): Promise<OutputState> {
  const stats = await lstat(path).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw localIoError(error, 'look at the output', path).with({ charged: 'no' });
  });
  if (stats?.isFile() === false) return { kind: 'foreign', reason: 'is not a regular file' };
  const clip = readSidecar(path);
  if (stats === undefined) return { kind: 'absent', left: clip };
  if (clip === undefined) return { kind: 'foreign', reason: 'has no record beside it that evolink wrote' };
  const isSame = stats.size === clip.file.size_bytes && (await hashOf(path)) === clip.file.sha256;
  return { kind: isSame ? 'ours' : 'damaged', clip };
}

function isMissing(error: unknown): boolean {
  const code = fsErrorCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

async function hashOf(path: string): Promise<string> {
  try {
    return await hashFile(path);
  } catch (error) {
    throw localIoError(error, 'read the output', path).with({ charged: 'no' });
  }
}

/** Made by an API on this machine: sandbox output, worth nothing. */
export function isSandboxClip({ api_base_url: url }: Sidecar): boolean {
  return typeof url === 'string' && URL.canParse(url) && isLoopbackHost(new URL(url).hostname);
}

/** When the request of a clip was made; 0 where its record does not say. */
export function createdAtMsOf({ times }: Sidecar): number {
  return Date.parse(times?.created ?? '') || 0;
}

/** The names in a folder; none where there is no such folder. @throws EvolinkError `local-io` */
export function listFolder(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw localIoError(error, 'look into the output folder', folder).with({ charged: 'no' });
  }
}

/** Lists each folder once, where thousands of files would be looked for. */
export function createFolderIndex() {
  const folders = new Map<string, ReadonlySet<string>>();
  const key = (name: string): string => name.normalize('NFC').toLowerCase();
  /** Says whether there may be a file of this name, also where the file system does not tell case apart. */
  const has = (path: string): boolean => {
    const folder = dirname(path);
    const names = folders.get(folder) ?? new Set(listFolder(folder).map(key));
    folders.set(folder, names);
    return names.size > 0 && names.has(key(basename(path)));
  };
  return {
    has,
    isFolder: (path: string): boolean => {
      try {
        return has(path) && isFolder(path);
      } catch {
        // A folder that can't be listed may be entered all the same.
        return isFolder(path);
      }
    },
  };
}
export type FolderIndex = ReturnType<typeof createFolderIndex>;

/**
 * Copies a clip and its sidecar to another name; the old file stays, as another job file may name it. The sidecar comes
 * first, so that a stop in between leaves no clip without one.
 * @throws EvolinkError `local-io`
 */
export async function copyClip(from: string, to: string): Promise<void> {
  await transfer(from, to, 'copy', () => copyWhole(from, to, false));
}

/** The same without leaving the old file. */
export async function moveClip(from: string, to: string): Promise<void> {
  await transfer(from, to, 'move', async () => {
    try {
      await publish(from, to, false);
    } catch (error) {
      // Another file system takes no links of this one.
      if (fsErrorCode(error) !== 'EXDEV') throw error;
      await copyWhole(from, to, false);
      await unlink(from);
    }
    await unlink(`${from}.json`);
  });
}

async function transfer(from: string, to: string, verb: string, clip: () => Promise<void>): Promise<void> {
  try {
    await makeFolder(dirname(to));
    await copyWhole(`${from}.json`, `${to}.json`, true);
    await clip();
  } catch (error) {
    throw localIoError(error, `${verb} the clip to`, to).with({ charged: 'no' });
  }
}

async function copyWhole(from: string, to: string, canReplace: boolean): Promise<void> {
  const part = join(dirname(to), `.${basename(to).slice(0, 100)}.copy`);
  await unlink(part).catch(() => undefined);
  await copyFile(from, part, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  try {
    await publish(part, to, canReplace);
  } finally {
    await unlink(part).catch(() => undefined);
  }
}

async function publish(part: string, target: string, canReplace: boolean): Promise<void> {
  const isPublished = async (path: string): Promise<boolean> =>
    (await hashFile(path)) === (await hashFile(part));
  const path = await publishFile({ part, target, canReplace, isPublished });
  if (path === target) return;
  throw new EvolinkError(
    'local-io',
    `"${target}" was taken by another file meanwhile; the clip is "${path}"`,
  );
}
