import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeFully } from './write-fully.ts';

const TEMP_NAME = /^\.evolink-[0-9a-f]{16}\.tmp$/;

/** Says whether a file name is one of `openTempBeside`: left behind by a process that was killed, safe to remove. */
export function isTempName(name: string): boolean {
  return TEMP_NAME.test(name);
}

export interface TempFile {
  readonly path: string;
  readonly handle: FileHandle;
}

export interface TempOptions {
  readonly mode: number;
  /** Whether the content must be on the disk (fsync) before anything refers to it. */
  readonly isDurable: boolean;
}

/**
 * Makes a new file with this content in the folder of `path`. The name is short, so that a target
 * name at the limit of the file system still works, and nobody can have put a link in its place (O_EXCL, O_NOFOLLOW).
 * The caller closes the handle and removes or renames the file.
 * @throws the system's error; then nothing is left behind
 */
export async function openTempBeside(path: string, text: string, options: TempOptions): Promise<TempFile> {
  const tempPath = join(dirname(path), `.evolink-${randomBytes(8).toString('hex')}.tmp`);
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

/** Opens a file that must not exist yet, link or not. */
export function openNew(path: string, mode: number): Promise<FileHandle> {
  // Windows has no O_NOFOLLOW; there O_EXCL alone refuses an existing link.
  const noFollow = constants.O_NOFOLLOW ?? 0;
  return open(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | noFollow, mode);
}
