import { open } from 'node:fs/promises';

/**
 * Makes the names in a folder durable (POSIX: a rename survives a power cut only after the folder's own fsync).
 * File systems and platforms that refuse it (Windows: EISDIR, EPERM; some network mounts: EINVAL, ENOTSUP) are accepted.
 */
export async function syncFolder(folder: string): Promise<void> {
  const unsupported = new Set(['EISDIR', 'EPERM', 'EINVAL', 'ENOTSUP', 'EBADF']);
  let handle: Awaited<ReturnType<typeof open>> | undefined;
  try {
    handle = await open(folder, 'r');
    await handle.sync();
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && unsupported.has(String(error.code)))) throw error;
  } finally {
    await handle?.close();
  }
}
