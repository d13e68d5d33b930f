import { isUtf8 } from 'node:buffer';
import type { Stats } from 'node:fs';
import { type FileHandle, lstat, open } from 'node:fs/promises';
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
