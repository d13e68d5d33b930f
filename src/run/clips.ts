import { constants, readdirSync } from 'node:fs';
import { copyFile, lstat, rm } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { hashFile } from '../download/target.ts';
import { EvolinkError } from '../errors.ts';
import { isLoopbackUrl } from '../platform/address-class.ts';
import { publishFile, syncFolder, tempPathBeside } from '../platform/durable-file.ts';
import { isFolder, makeFolder } from '../platform/folders.ts';
import { fsErrorCode, localIoError } from '../platform/fs-error.ts';
import { isSidecarForeign, readSidecar, type Sidecar } from '../task/sidecar.ts';

/**
 * What lies at an output. `absent`: nothing. `ours`: a clip that evolink made, unchanged since. `damaged`: one that was
 * changed after it was made. `foreign`: what evolink did not write, and never replaces; `isUnrecorded`: a file without a
 * sidecar, which a process that died may have published.
 */
export type OutputState =
  | { readonly kind: 'absent' }
  | { readonly kind: 'damaged' | 'ours'; readonly clip: Sidecar }
  | { readonly kind: 'foreign'; readonly reason: string; readonly isUnrecorded?: true };

const fail = (error: unknown, action: string, path: string): never => {
  throw localIoError(error, action, path).with({ charged: 'no' });
};

/**
 * Looks at the place of a clip: the file, and the record beside it. Time stamps say nothing: a restored cache has new ones.
 * @throws EvolinkError `local-io`
 */
export async function inspectOutput(path: string): Promise<OutputState> {
  const stats = await lstat(path).catch((error: unknown) =>
    isMissing(error) ? undefined : fail(error, 'look at the output', path),
  );
  if (stats?.isFile() === false) return { kind: 'foreign', reason: 'the file is not a regular file' };
  const clip = readSidecar(path);
  if (stats === undefined) {
    // A clip of a run always gets a sidecar, which would replace this file.
    if (clip !== undefined || !(await isSidecarForeign(path))) return { kind: 'absent' };
    return { kind: 'foreign', reason: `"${path}.json" is a file that evolink did not write` };
  }
  if (clip === undefined) {
    const reason = 'the file has no record beside it that evolink wrote';
    return { kind: 'foreign', reason, isUnrecorded: true };
  }
  const isSame =
    stats.size === clip.file.size_bytes &&
    (await hashFile(path).catch((error) => fail(error, 'read the output', path))) === clip.file.sha256;
  return { kind: isSame ? 'ours' : 'damaged', clip };
}

function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(fsErrorCode(error) ?? '');
}

/** Made by an API on this machine: sandbox output, worth nothing. */
export function isSandboxClip({ api_base_url: url }: Sidecar): boolean {
  return isLoopbackUrl(url ?? '');
}

/** The names in a folder; none where there is no such folder. @throws EvolinkError `local-io` */
export function listFolder(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    return isMissing(error) ? [] : fail(error, 'look into the output folder', folder);
  }
}

/** Lists each folder once, where thousands of files would be looked for. */
export function createFolderIndex() {
  const folders = new Map<string, Pick<ReadonlySet<string>, 'has'>>();
  const key = (name: string): string => name.normalize('NFC').toLowerCase();
  const list = (folder: string) => {
    try {
      return new Set(listFolder(folder).map(key));
    } catch {
      // A folder that can't be listed may be entered all the same.
      return { has: () => true };
    }
  };
  /** Says whether there may be a file of this name, also where the file system does not tell case apart. */
  const has = (path: string): boolean => {
    const folder = dirname(path);
    const names = folders.get(folder) ?? list(folder);
    folders.set(folder, names);
    return names.has(key(basename(path)));
  };
  return { has, isFolder: (path: string) => has(path) && isFolder(path) };
}
export type FolderIndex = ReturnType<typeof createFolderIndex>;

/**
 * Copies a clip and its sidecar to another name; the old file stays, as another job file may name it. The sidecar comes
 * first, so that a stop in between leaves no clip without one.
 * @throws EvolinkError `local-io`
 */
export async function copyClip(from: string, to: string, transfer = copyWhole): Promise<void> {
  try {
    await makeFolder(dirname(to));
    await copyWhole(`${from}.json`, `${to}.json`, true);
    await transfer(from, to, false);
  } catch (error) {
    fail(error, 'write the clip', to);
  }
}

/** The same without leaving the old file; only within a folder it can't be another file system. */
export function moveClip(from: string, to: string): Promise<void> {
  return copyClip(from, to, async () => {
    const isNear = dirname(from) === dirname(to);
    await (isNear ? publish : copyWhole)(from, to, false);
    if (!isNear) await rm(from, { force: true });
    await rm(`${from}.json`, { force: true });
  });
}

async function copyWhole(from: string, to: string, canReplace: boolean): Promise<void> {
  const part = tempPathBeside(to);
  try {
    await copyFile(from, part, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    // A power cut leaves of a copy what was synced. A file that can only be read is synced as a folder is.
    await syncFolder(part);
    await publish(part, to, canReplace);
  } finally {
    await rm(part, { force: true });
  }
}

async function publish(part: string, target: string, canReplace: boolean): Promise<void> {
  const isPublished = async (path: string) => (await hashFile(path)) === (await hashFile(part));
  const path = await publishFile({ part, target, canReplace, isPublished });
  if (path === target) return;
  const message = `"${target}" was taken by another file meanwhile; the clip is "${path}"`;
  throw new EvolinkError('local-io', message);
}
