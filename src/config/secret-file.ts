import { isUtf8 } from 'node:buffer';
import type { Stats } from 'node:fs';
import { chmod, type FileHandle, lstat, open } from 'node:fs/promises';
import { EvolinkError } from '../errors.ts';
import { describeFsError, fsErrorCode } from '../platform/fs-error.ts';

export interface TextFileOptions {
  /** What the file is, for messages: `config file`. */
  readonly label: string;
  readonly maxBytes: number;
  /** Refuses symbolic links to files (a pipe of the shell, `/dev/fd/63`, is none in this sense). Default: they are followed. */
  readonly refusesLinks?: boolean | undefined;
  /** What an unusable file means. Default `usage`. */
  readonly errorKind?: 'usage' | 'auth' | undefined;
}

export interface TextFile {
  readonly text: string;
  readonly isSymbolicLink: boolean;
  /** Owner and permission bits of the file that was read; absent for pipes and devices. */
  readonly owner?: { readonly userId: number; readonly mode: number } | undefined;
}

const CHUNK_BYTES = 64 * 1024;

/**
 * Reads a whole text file: bounded, strict UTF-8 (a byte order mark is left out).
 * @throws EvolinkError `usage` (or as told): missing, unreadable, a folder, a refused link, too large, not UTF-8 (with line)
 */
export async function readTextFile(path: string, options: TextFileOptions): Promise<TextFile> {
  const fail = (reason: string, hint?: string) =>
    new EvolinkError(options.errorKind ?? 'usage', `cannot read the ${options.label} "${path}": ${reason}`, {
      hint,
      charged: 'no',
    });
  try {
    const isSymbolicLink = (await lstat(path)).isSymbolicLink();
    const handle = await open(path, 'r');
    try {
      const stats = await handle.stat();
      if (stats.isDirectory()) throw fail('it is a folder');
      if (options.refusesLinks === true && isSymbolicLink && stats.isFile()) {
        throw fail('it is a symbolic link', 'name the file itself, or replace the link with a copy');
      }
      const bytes = await readBounded(handle, options.maxBytes);
      if (bytes === undefined) throw fail(`it is larger than ${formatBytes(options.maxBytes)}`);
      if (!isUtf8(bytes))
        throw fail(`line ${brokenLine(bytes)} is not valid UTF-8`, 'save the file as UTF-8');
      return { text: new TextDecoder().decode(bytes), isSymbolicLink, owner: ownerOf(stats) };
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof EvolinkError) throw error;
    throw fail(fsErrorCode(error) === 'ENOENT' ? 'there is no such file' : describeFsError(error));
  }
}

function ownerOf(stats: Stats): TextFile['owner'] {
  return stats.isFile() ? { userId: stats.uid, mode: stats.mode & 0o7777 } : undefined;
}

async function readBounded(handle: FileHandle, maxBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for (;;) {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, null);
    if (bytesRead === 0) return Buffer.concat(chunks);
    sizeBytes += bytesRead;
    if (sizeBytes > maxBytes) return undefined;
    chunks.push(buffer.subarray(0, bytesRead));
  }
}

/** No UTF-8 sequence holds the byte of a line feed, so lines can be checked one by one. */
function brokenLine(bytes: Buffer): number {
  let start = 0;
  for (let line = 1; ; line += 1) {
    const end = bytes.indexOf(0x0a, start);
    if (end === -1 || !isUtf8(bytes.subarray(start, end))) return line;
    start = end + 1;
  }
}

function formatBytes(sizeBytes: number): string {
  return sizeBytes >= 1_000_000 ? `${sizeBytes / 1_000_000} MB` : `${sizeBytes / 1000} kB`;
}

export interface SecretFile {
  readonly path: string;
  /** `key file`, `user config`. */
  readonly label: string;
  readonly owner: TextFile['owner'];
  /** Who runs this process; undefined where the platform has no such number (Windows). */
  readonly userId: number | undefined;
}

/**
 * Sees to it that a file with a secret belongs to us and that nobody else can read it: permissions of our own file are
 * repaired, with a warning. A file of root's, such as a secret that a container mounts, is taken as it is.
 * @returns warnings
 * @throws EvolinkError `auth` when it belongs to another user, who could read or change it at will
 */
export async function guardSecretFile({
  path,
  label,
  owner,
  userId,
}: SecretFile): Promise<readonly string[]> {
  if (owner === undefined || userId === undefined) return [];
  if (owner.userId !== userId) {
    if (owner.userId === 0) return [];
    throw new EvolinkError('auth', `the ${label} "${path}" belongs to another user (uid ${owner.userId})`, {
      hint: 'use a file of your own: copy it, then chmod 600 the copy',
      charged: 'no',
    });
  }
  if ((owner.mode & 0o077) === 0) return [];
  const was = `the ${label} "${path}" could be read by other users (mode ${(owner.mode & 0o777).toString(8).padStart(4, '0')})`;
  try {
    await chmod(path, 0o600);
    return [`${was}; its mode is now 0600`];
  } catch {
    return [`${was}, and its mode could not be changed; run: chmod 600 "${path}"`];
  }
}
