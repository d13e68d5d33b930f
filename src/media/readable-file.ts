import { open } from 'node:fs/promises';
import type { ReadableFile } from '../download/walk-boxes.ts';

/** Opens a file for reads anywhere in it, and closes it after `action`. @throws the system's errors */
export async function withReadableFile<T>(
  path: string,
  action: (file: ReadableFile) => Promise<T>,
): Promise<T> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    return await action({
      sizeBytes: size,
      async readAt(positionBytes, lengthBytes) {
        const buffer = Buffer.alloc(Math.max(0, Math.min(lengthBytes, size - positionBytes)));
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, positionBytes);
        return buffer.subarray(0, bytesRead);
      },
    });
  } finally {
    await handle.close();
  }
}
