import { lstat } from 'node:fs/promises';
import { readTextFile } from '../config/read-text-file.ts';
import { hashFile } from '../download/hash-file.ts';
import type { MediaFacts } from '../download/types.ts';
import { isEvolinkError } from '../errors.ts';
import { MAX_SIDECAR_BYTES, SIDECAR_KIND } from '../generate/sidecar.ts';
import { isLoopbackHost } from '../platform/address-class.ts';
import { fsErrorCode } from '../platform/fs-error.ts';
import { localIoError } from '../platform/local-io-error.ts';
import { isJobObject, type JobObject } from './job-document.ts';

/** What the record beside a clip says of it. */
export interface ClipRecord {
  readonly fingerprint: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly taskId?: string | undefined;
  readonly localId?: string | undefined;
  /** When its request was made; absent where the record does not say. */
  readonly createdAtMs?: number | undefined;
  readonly reservedCredits?: number | undefined;
  readonly usedCredits?: number | undefined;
  readonly media?: MediaFacts | undefined;
  /** Made by an API on this machine: a rehearsal, worth nothing. */
  readonly isRehearsal: boolean;
}

/**
 * `absent`: nothing is there. `ours`: a clip that evolink made, unchanged since. `foreign`: a file that no record vouches
 * for, or that was changed after it was made; never replaced.
 */
export type OutputState =
  | { readonly kind: 'absent' }
  | { readonly kind: 'ours'; readonly clip: ClipRecord }
  | { readonly kind: 'foreign'; readonly reason: string };

/**
 * Looks at the place of a clip: the file, and the record beside it. Time stamps say nothing: a restored cache has new ones.
 * @throws EvolinkError `local-io`
 */
export async function inspectOutput(path: string): Promise<OutputState> {
  const sizeBytes = await sizeOf(path);
  if (sizeBytes === undefined) return { kind: 'absent' };
  if (sizeBytes === 'no file') return { kind: 'foreign', reason: 'is not a regular file' };
  const clip = await readClipRecord(path);
  if (clip === undefined) return { kind: 'foreign', reason: 'has no record beside it that evolink wrote' };
  const isSame = sizeBytes === clip.sizeBytes && (await hashOf(path)) === clip.sha256;
  return isSame ? { kind: 'ours', clip } : { kind: 'foreign', reason: 'was changed after evolink made it' };
}

async function sizeOf(path: string): Promise<number | 'no file' | undefined> {
  try {
    const stats = await lstat(path);
    return stats.isFile() ? stats.size : 'no file';
  } catch (error) {
    const code = fsErrorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw localIoError(error, 'look at the output', path).with({ charged: 'no' });
  }
}

async function hashOf(path: string): Promise<string> {
  try {
    return await hashFile(path);
  } catch (error) {
    throw localIoError(error, 'read the output', path).with({ charged: 'no' });
  }
}

/** The record beside a clip; undefined where there is none that can be believed. */
export async function readClipRecord(path: string): Promise<ClipRecord | undefined> {
  try {
    const { text } = await readTextFile(`${path}.json`, {
      label: 'record of a clip',
      maxBytes: MAX_SIDECAR_BYTES,
    });
    const value: unknown = JSON.parse(text);
    return isJobObject(value) ? toClipRecord(value) : undefined;
  } catch (error) {
    if (isEvolinkError(error) || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function toClipRecord(value: JobObject): ClipRecord | undefined {
  const { kind, fingerprint, file, credits } = value;
  if (kind !== SIDECAR_KIND || typeof fingerprint !== 'string' || !isJobObject(file)) return undefined;
  const { size_bytes: sizeBytes, sha256 } = file;
  if (typeof sizeBytes !== 'number' || typeof sha256 !== 'string') return undefined;
  const spent = isJobObject(credits) ? credits : {};
  return {
    fingerprint,
    sizeBytes,
    sha256,
    taskId: textOf(value.task_id),
    localId: textOf(value.local_id),
    createdAtMs: timeOf(isJobObject(value.times) ? value.times.created : undefined),
    reservedCredits: numberOf(spent.reserved),
    usedCredits: numberOf(spent.used),
    media: toMedia(file),
    isRehearsal: isLoopbackUrl(value.api_base_url),
  };
}

function timeOf(value: unknown): number | undefined {
  const timeMs = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(timeMs) ? undefined : timeMs;
}

function toMedia(file: JobObject): MediaFacts | undefined {
  const durationSeconds = numberOf(file.duration_seconds);
  if (durationSeconds === undefined || typeof file.has_audio !== 'boolean') return undefined;
  return {
    durationSeconds,
    hasAudio: file.has_audio,
    widthPx: numberOf(file.width_px),
    heightPx: numberOf(file.height_px),
  };
}

function isLoopbackUrl(value: unknown): boolean {
  return typeof value === 'string' && URL.canParse(value) && isLoopbackHost(new URL(value).hostname);
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
