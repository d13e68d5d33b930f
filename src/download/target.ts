import { createHash } from 'node:crypto';
import { createReadStream, statfsSync } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type FilePlan, knownPath, type OnExisting, type OutputFields } from '../config/output.ts';
import { EvolinkError } from '../errors.ts';
import { lstatIfThere } from '../platform/durable-file.ts';
import { findWritableFolder } from '../platform/folders.ts';
import { formatBytes, MAX_NAME_BYTES } from '../platform/text.ts';

/** The SHA-256 of a file, in hexadecimal, read once with flat memory. Errors are the system's own. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1024 ** 2 }), hash);
  return hash.digest('hex');
}

/** What a file is known to hold. */
export interface Content {
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** Says whether an existing path is a file with exactly this content. @throws the system's errors */
export async function hasContent(path: string, { sizeBytes, sha256 }: Content): Promise<boolean> {
  const stats = await lstat(path);
  return stats.isFile() && stats.size === sizeBytes && (await hashFile(path)) === sha256;
}

/** Says whether a name is taken, by a link to nowhere too. */
export async function exists(path: string): Promise<boolean> {
  return (await lstatIfThere(path)) !== undefined;
}

/**
 * Bytes that this user may still write to the file system of a folder; `undefined` where it does not tell (some network
 * and virtual file systems report nothing).
 */
export function freeSpace(folder: string): number | undefined {
  try {
    const { bavail, bsize, blocks } = statfsSync(folder);
    return blocks > 0 ? bavail * bsize : undefined;
  } catch {
    // A hint only: the write itself will say what is wrong.
    return undefined;
  }
}

/**
 * Says before the first byte what the disk would say after most of them.
 * @param charged known where nothing has been paid for yet
 * @throws EvolinkError `local-io` when the file can't fit
 */
export function requireSpace(folder: string, neededBytes: number, charged?: 'no'): void {
  const freeBytes = freeSpace(folder);
  if (freeBytes === undefined || freeBytes >= neededBytes) return;
  const room = `the video needs ${formatBytes(neededBytes)}, "${folder}" has ${formatBytes(freeBytes)} left`;
  throw new EvolinkError('local-io', `the disk is too full: ${room}`, {
    hint: 'free some space, then run the command again',
    charged,
  });
}

/** Less can't hold any clip. */
const LEAST_CLIP_BYTES = 8 * 1024 ** 2;

/**
 * Everything that can be known of an output before anything is paid for, leaving all as it was: whether the name is taken,
 * whether the folder can be written to (the nearest one that exists: `saveLink` makes the rest), whether the disk has room.
 * @param fields what is known of the fields of the pattern by now
 * @returns `path`: absent while the pattern has fields that are not known yet (`{id}`), when only the folder was checked;
 * `isKept`: the file exists and is to be kept, so nothing has to be bought
 * @throws EvolinkError `local-io`, and `usage` as `fillPattern`; nothing was charged then
 */
export async function checkTarget(plan: FilePlan, fields: OutputFields = {}) {
  const path = knownPath(plan, fields);
  const found = path === undefined ? [] : await checkName(path, plan.onExisting);
  if (found === 'keep') return { path, isKept: true, warnings: [] };
  const folder = await findWritableFolder(path === undefined ? plan.folder : dirname(path), {
    what: 'the output',
    hint: 'choose another folder with -o',
  });
  requireSpace(folder, LEAST_CLIP_BYTES, 'no');
  return { path, isKept: false, warnings: found };
}

/** @returns warnings, or that the file is to be kept */
async function checkName(path: string, onExisting: OnExisting): Promise<'keep' | readonly string[]> {
  const sizeBytes = Buffer.byteLength(basename(path));
  if (sizeBytes > MAX_NAME_BYTES)
    throw refused(
      `the name of the output "${path}" is too long (${sizeBytes} bytes, at most ${MAX_NAME_BYTES} are possible)`,
      'choose a shorter name with -o',
    );
  // What can't be looked at is said with more sense when the folder is.
  const stats = await lstatIfThere(path).catch(() => undefined);
  if (stats === undefined) return [];
  if (stats.isDirectory())
    throw refused(`the output "${path}" is a folder`, `to save into it: -o "${path}/"`);
  const isLink = stats.isSymbolicLink();
  if (!isLink && !stats.isFile())
    throw refused(
      `the output "${path}" is a device or a pipe, not a file`,
      'for the video on standard output: -o -',
    );
  if (onExisting === 'skip') return 'keep';
  if (onExisting === 'refuse')
    throw refused(
      `the output "${path}" exists already`,
      'add --overwrite or --skip-existing, or name another file with -o',
    );
  const warning = `"${path}" is a symbolic link: it will be replaced by the video, what it points to stays as it is`;
  return isLink ? [warning] : [];
}

function refused(message: string, hint: string): EvolinkError {
  return new EvolinkError('local-io', message, { hint, charged: 'no' });
}
