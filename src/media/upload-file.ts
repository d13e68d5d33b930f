import type { FileQuota, FilesClient, StoredFile } from '../api/files-types.ts';
import { ApiReadError } from '../api/read-error.ts';
import { decideRead } from '../api/retry.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import type { Clock } from '../platform/clock.ts';
import { type HashedFile, toUploadSource } from './read-hashed.ts';
import type { CachedUpload, UploadCache } from './upload-cache.ts';

/** What happens to one file on its way. */
export type UploadProgress =
  | { readonly kind: 'upload-started'; readonly totalBytes: number }
  | { readonly kind: 'upload-bytes'; readonly sentBytes: number; readonly totalBytes: number }
  | { readonly kind: 'upload-retry'; readonly reason: string; readonly delayMs: number }
  | {
      readonly kind: 'uploaded';
      readonly url: string;
      readonly expiresAtMs: number;
      readonly isReused: boolean;
    };

export interface UploadDependencies {
  readonly files: FilesClient;
  readonly cache: UploadCache;
  readonly clock: Clock;
  /** Whether an earlier upload is still there; false only where its host says that it is gone. */
  readonly isThere: (url: string, signal: AbortSignal | undefined) => Promise<boolean>;
}

export interface UploadOptions {
  readonly onProgress: (progress: UploadProgress) => void;
  readonly signal?: AbortSignal | undefined;
}

const MAX_ATTEMPTS = 5;
const PATIENCE_MS = 10 * 60_000;
/** The other process may be sending 50 MB over a slow line. */
const LOCK_WAIT_MS = 20 * 60_000;

/**
 * The URL of a file at the service: of an earlier upload of the same content where one lives long enough, else of a new
 * one. Repeated where that may help, as uploads are free; one process at a time for one content.
 * @throws EvolinkError `network`, `auth`, `usage` with the quota where the service refuses, `locked`
 */
export async function uploadFile(
  deps: UploadDependencies,
  file: HashedFile,
  options: UploadOptions,
): Promise<CachedUpload> {
  const reused = await findEarlier(deps, file, options);
  if (reused !== undefined) return reused;
  const lock = await deps.cache.lock(file.sha256, { waitMs: LOCK_WAIT_MS, signal: options.signal });
  try {
    // Somebody else may have sent it while we waited.
    return (await findEarlier(deps, file, options)) ?? (await sendNew(deps, file, options));
  } finally {
    await lock.release().catch(() => undefined);
  }
}

async function findEarlier(
  { cache, isThere }: UploadDependencies,
  { sha256 }: HashedFile,
  { onProgress, signal }: UploadOptions,
): Promise<CachedUpload | undefined> {
  const found = await cache.find(sha256);
  if (found === undefined) return undefined;
  if (!(await isThere(found.fileUrl, signal))) {
    await cache.forget(sha256);
    return undefined;
  }
  onProgress({ kind: 'uploaded', url: found.fileUrl, expiresAtMs: found.expiresAtMs, isReused: true });
  return found;
}

async function sendNew(
  deps: UploadDependencies,
  file: HashedFile,
  options: UploadOptions,
): Promise<CachedUpload> {
  const { clock, cache } = deps;
  const startedAtMs = clock.now();
  const stored = await sendRepeatedly(deps, file, { ...options, deadlineMs: startedAtMs + PATIENCE_MS });
  if (stored.sizeBytes !== undefined && stored.sizeBytes !== file.sizeBytes) {
    throw new EvolinkError(
      'network',
      `the service has ${stored.sizeBytes} of the ${file.sizeBytes} bytes of "${file.path}"`,
      { hint: 'run the command again', charged: 'no' },
    );
  }
  const kept = await cache.keep(file.sha256, stored, startedAtMs);
  options.onProgress({ kind: 'uploaded', url: kept.fileUrl, expiresAtMs: kept.expiresAtMs, isReused: false });
  return kept;
}

async function sendRepeatedly(
  { files, clock }: UploadDependencies,
  file: HashedFile,
  { onProgress, signal, deadlineMs }: UploadOptions & { readonly deadlineMs: number },
): Promise<StoredFile> {
  const { sizeBytes: totalBytes } = file;
  const onSent = (sentBytes: number) => onProgress({ kind: 'upload-bytes', sentBytes, totalBytes });
  for (let attempt = 1; ; attempt += 1) {
    onProgress({ kind: 'upload-started', totalBytes });
    try {
      return await files.upload(toUploadSource(file), {
        onSent,
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      if (!(error instanceof ApiReadError)) throw error;
      const decision = decideRead({
        attempt,
        retryAfterMs: error.retryAfterMs,
        random: clock.random(),
        isTransient: error.isTransient,
        nowMs: clock.now(),
        deadlineMs,
        maxAttempts: MAX_ATTEMPTS,
      });
      if (decision.kind === 'stop') throw await refused(files, file, error);
      onProgress({ kind: 'upload-retry', reason: error.message, delayMs: decision.delayMs });
      await clock.sleep(decision.delayMs, signal);
    }
  }
}

/** A refusal names the file, and how many files the account holds: a full store is the usual reason. */
async function refused(files: FilesClient, file: HashedFile, error: ApiReadError): Promise<EvolinkError> {
  const isAboutFile = error.kind !== 'network' && error.facts.httpStatus !== 401;
  const quota = isAboutFile ? await files.quota().catch(() => undefined) : undefined;
  const isFull = quota?.remainingFiles !== undefined && quota.remainingFiles <= 0;
  const kind = isFull ? 'usage' : error.kind;
  const text = `"${file.path}" could not be uploaded; nothing was submitted: ${error.message}`;
  const line = quota === undefined ? undefined : describeQuota(quota);
  return new EvolinkError(kind, text, {
    ...error.facts,
    charged: 'no',
    details: line === undefined ? [] : [line],
    ...(isFull ? { hint: 'make room: evolink upload --list, then evolink upload --delete FILE_ID' } : {}),
    ...(!isFull && kind === 'usage' && !isEvolinkHintOfOwn(error)
      ? { hint: 'give an https URL of the file instead, or convert it: evolink check FILE' }
      : {}),
  });
}

/** The hints of other refusals speak of requests; a file that is refused has other ways out. */
function isEvolinkHintOfOwn(error: ApiReadError): boolean {
  return isEvolinkError(error) && /files_url/.test(error.facts.hint ?? '');
}

/** `files of this account: 500 of 500 in use`. */
export function describeQuota({ usedFiles, maxFiles, remainingFiles }: FileQuota): string | undefined {
  if (usedFiles === undefined && remainingFiles === undefined) return undefined;
  const used = usedFiles ?? '?';
  return `files of this account: ${used} of ${maxFiles ?? '?'} in use${remainingFiles === undefined ? '' : `, room for ${remainingFiles}`}`;
}
