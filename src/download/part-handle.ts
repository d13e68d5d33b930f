import { constants } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import { openNew } from '../platform/temp-file.ts';
import { ShortWriteError } from '../platform/write-fully.ts';

/** As much of a file handle as a part needs. */
export interface PartHandle {
  read(
    bytes: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }>;
  write(
    bytes: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesWritten: number }>;
  truncate(lengthBytes: number): Promise<void>;
  sync(): Promise<void>;
  datasync(): Promise<void>;
  stat(options: { bigint: true }): Promise<{ readonly ino: bigint; readonly dev: bigint }>;
  close(): Promise<void>;
}

/** Opens part files; a seam for disks that fail. */
export interface PartOpener {
  /** @throws the system's error when the name is taken */
  create(path: string): Promise<PartHandle>;
  /** Opens a regular file for reading and writing, never through a link. */
  reopen(path: string): Promise<PartHandle>;
}

/** The opener of the real file system. New files get the mode that the umask leaves of 0666, as any saved file does. */
export const diskOpener: PartOpener = {
  create: (path) => openNew(path, 0o666),
  reopen: (path) => open(path, constants.O_RDWR | (constants.O_NOFOLLOW ?? 0)),
};

/**
 * The syncs of a file, whose failure is never forgotten: a system that could not write a page back drops it, and may say at
 * the next fsync(2) that all is well.
 */
export function createSyncs(handle: PartHandle): Pick<PartHandle, 'sync' | 'datasync'> {
  let failure: { readonly error: unknown } | undefined;
  const guard = async (sync: () => Promise<void>) => {
    if (failure !== undefined) throw failure.error;
    try {
      await sync();
    } catch (error) {
      failure = { error };
      throw error;
    }
  };
  return { sync: () => guard(() => handle.sync()), datasync: () => guard(() => handle.datasync()) };
}

/**
 * Writes all bytes at a position. A disk that takes fewer without an error (write(2) may) is asked again, which gives the
 * true error.
 * @param place `onWritten` is told of every piece that the system has taken
 * @throws the system's error, or `ShortWriteError` when it takes nothing at all
 */
export async function writeAllAt(
  handle: PartHandle,
  bytes: Uint8Array,
  { positionBytes, onWritten }: { readonly positionBytes: number; onWritten(bytes: number): void },
): Promise<void> {
  let offset = 0;
  while (offset < bytes.byteLength) {
    const lengthBytes = bytes.byteLength - offset;
    const { bytesWritten } = await handle.write(bytes, offset, lengthBytes, positionBytes + offset);
    if (bytesWritten <= 0) throw new ShortWriteError(`wrote ${offset} of ${bytes.byteLength} bytes`);
    offset += bytesWritten;
    onWritten(bytesWritten);
  }
}

/** Reads up to so many bytes at a position; fewer only where the file ends. */
export async function readAllAt(
  handle: PartHandle,
  positionBytes: number,
  lengthBytes: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(lengthBytes);
  let filled = 0;
  while (filled < lengthBytes) {
    const { bytesRead } = await handle.read(bytes, filled, lengthBytes - filled, positionBytes + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled === lengthBytes ? bytes : bytes.subarray(0, filled);
}

/** Says whether the name still stands for the open file, and not for one that another process has put there. */
export async function isNameOf(path: string, handle: PartHandle): Promise<boolean> {
  const [named, opened] = await Promise.all([lstat(path, { bigint: true }), handle.stat({ bigint: true })]);
  return named.ino === opened.ino && named.dev === opened.dev;
}
