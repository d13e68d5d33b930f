import { lstat } from 'node:fs/promises';
import { fsErrorCode } from '../platform/fs-error.ts';
import { hashFile } from './hash-file.ts';

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
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (fsErrorCode(error) === 'ENOENT') return false;
    throw error;
  }
}
