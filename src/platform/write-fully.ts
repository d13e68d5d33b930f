/** A write that took less than it was given and takes no more. The code is what the disk would have said. */
export class ShortWriteError extends Error {
  override readonly name = 'ShortWriteError';
  readonly code = 'ENOSPC';
}

/** What of a `FileHandle` is needed. */
export interface WritableHandle {
  write(
    bytes: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ bytesWritten: number }>;
  stat(): Promise<{ size: number }>;
}

/**
 * Writes all bytes at the start of a file and checks that the file holds exactly them. The system may write less
 * than it was asked to without an error (write(2): a full disk, a size limit), so every count is looked at: the rest is
 * written again, which gives the true error, and a write of nothing ends it.
 * @throws the system's error, or `ShortWriteError`
 */
export async function writeFully(handle: WritableHandle, bytes: Uint8Array): Promise<void> {
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
