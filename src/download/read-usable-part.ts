import { createHash, type Hash } from 'node:crypto';
import { lstat } from 'node:fs/promises';
import { fsErrorCode } from '../platform/fs-error.ts';
import { type PartHandle, type PartOpener, readAllAt } from './part-handle.ts';
import type { PartPaths } from './part-name.ts';
import { type PartRecord, readPartRecord } from './part-record.ts';

const READ_BYTES = 1024 ** 2;

export type FoundPart =
  | { readonly kind: 'none' }
  | { readonly kind: 'rejected'; readonly reason: string }
  /** `hash` has taken the first `syncedBytes` bytes. */
  | {
      readonly kind: 'usable';
      readonly handle: PartHandle;
      readonly record: PartRecord;
      readonly hash: Hash;
    };

export interface ExpectedPart {
  readonly taskId: string;
  readonly linkIdentity: string;
  readonly opener: PartOpener;
}

/** Looks at what an earlier run has left, and says whether it may be continued. */
export async function readUsablePart(paths: PartPaths, expected: ExpectedPart): Promise<FoundPart> {
  const sizeBytes = await regularSize(paths.part);
  if (sizeBytes === undefined) return { kind: 'none' };
  const record = await readPartRecord(paths.record);
  const reason = whyNot(sizeBytes, record, expected);
  if (reason !== undefined || record === undefined || record === 'unreadable') {
    return { kind: 'rejected', reason: reason ?? 'its record is missing' };
  }
  const handle = await expected.opener.reopen(paths.part);
  const hash = await hashStart(handle, record.syncedBytes);
  const isSound =
    hash !== undefined && (record.sha256 === undefined || record.sha256 === hash.copy().digest('hex'));
  if (isSound) return { kind: 'usable', handle, record, hash };
  await handle.close();
  return { kind: 'rejected', reason: 'its bytes are not those of its record' };
}

function whyNot(
  sizeBytes: number,
  record: PartRecord | 'unreadable' | undefined,
  expected: ExpectedPart,
): string | undefined {
  if (record === undefined) return 'its record is missing';
  if (record === 'unreadable') return 'its record can not be read';
  if (record.taskId !== expected.taskId || record.linkIdentity !== expected.linkIdentity)
    return 'it is of another task or link';
  if (sizeBytes < record.syncedBytes) return 'it is shorter than its record says';
  if (record.totalBytes !== undefined && record.syncedBytes > record.totalBytes)
    return 'it is longer than the file';
  if (record.validator === undefined && record.sha256 === undefined)
    return 'the host gave nothing to recognise its version by';
  return undefined;
}

/** `undefined` for what is not there; -1, which no record fits, for anything but a regular file. */
async function regularSize(path: string): Promise<number | undefined> {
  try {
    const stats = await lstat(path);
    return stats.isFile() ? stats.size : -1;
  } catch (error) {
    if (fsErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** `undefined` when the file ends before so many bytes. */
async function hashStart(handle: PartHandle, lengthBytes: number): Promise<Hash | undefined> {
  const hash = createHash('sha256');
  for (let at = 0; at < lengthBytes; at += READ_BYTES) {
    const wantedBytes = Math.min(READ_BYTES, lengthBytes - at);
    const bytes = await readAllAt(handle, at, wantedBytes);
    if (bytes.byteLength !== wantedBytes) return undefined;
    hash.update(bytes);
  }
  return hash;
}
