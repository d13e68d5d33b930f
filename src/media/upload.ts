import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, unlink } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import * as z from 'zod/mini';
import { ApiReadError } from '../api/errors.ts';
import type { FileQuota, FilesClient, StoredFile } from '../api/files.ts';
import { decideRead } from '../api/retry.ts';
import { EvolinkError } from '../errors.ts';
import type { Clock } from '../platform/clock.ts';
import { replaceDurably } from '../platform/durable-file.ts';
import { ensureFolder } from '../platform/folders.ts';
import { localIoError } from '../platform/fs-error.ts';
import { acquireLock, type HeldLock, type LockOwner } from '../platform/lock.ts';
import { readSmallFile } from '../platform/read-file.ts';

/** A local file that was inspected and hashed. */
export interface HashedFile {
  /** Absolute. */
  readonly path: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly mimeType: string;
  /** Of its type, with the dot: a file is sent under the name of what it is. */
  readonly extension: string;
}

const CHUNK_BYTES = 256 * 1024;
const MAX_NAME_CHARACTERS = 80;

/** Letters that every header and every URL carries unchanged. */
function uploadName({ path, sha256, extension }: HashedFile): string {
  const name = basename(path, extname(path))
    .normalize('NFKD')
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replaceAll(/^[-.]+|[-.]+$/g, '')
    .slice(0, MAX_NAME_CHARACTERS);
  return `${name === '' ? sha256.slice(0, 16) : name}${extension}`;
}

/** @throws EvolinkError `usage` before the last bytes when the file is another one than was inspected */
async function* readChecked({ path, sha256, sizeBytes }: HashedFile): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let readBytes = 0;
  let held: Uint8Array | undefined;
  try {
    const stream: AsyncIterable<Buffer> = createReadStream(path, {
      highWaterMark: CHUNK_BYTES,
      end: sizeBytes - 1,
    });
    for await (const chunk of stream) {
      hash.update(chunk);
      readBytes += chunk.length;
      if (held !== undefined) yield held;
      held = chunk;
    }
  } catch (error) {
    throw error instanceof Error && 'syscall' in error ? localIoError(error, 'read', path) : error;
  }
  if (readBytes !== sizeBytes || hash.digest('hex') !== sha256) {
    throw new EvolinkError('usage', `"${path}" changed while it was used`, {
      hint: 'run the command again when nothing writes to the file',
      charged: 'no',
    });
  }
  if (held !== undefined) yield held;
}

const ENTRY = z.object({
  fileUrl: z.string(),
  fileId: z.optional(z.string()),
  expiresAtMs: z.number(),
});

/** What is known of an upload of some content. */
type CachedUpload = Readonly<z.infer<typeof ENTRY>>;

interface UploadCacheOptions {
  /** The state folder. */
  readonly stateFolder: string;
  /** Of the files client: another service or key has uploads of its own. */
  readonly accountId: string;
  readonly clock: Clock;
  readonly owner: LockOwner;
}

/** The service keeps an upload this long; nothing is believed that says more. */
const LIFE_MS = 72 * 3_600_000;
/** A task may wait before the service fetches its media, and clocks differ. */
const MARGIN_MS = 2 * 3_600_000;
const MAX_ENTRY_BYTES = 100_000;

/** What can't be read is as good as not there. */
function readEntry(path: string): CachedUpload | undefined {
  try {
    return ENTRY.parse(JSON.parse(String(readSmallFile(path, MAX_ENTRY_BYTES))));
  } catch {
    return undefined;
  }
}

/**
 * Uploads by the SHA-256 of their content, for one service and one account; shared by all processes of a user, as
 * `uploads/<account>/<sha256>.json` (0600) of the state folder. A failing disk only costs another upload.
 */
export function createUploadCache({ stateFolder, accountId, clock, owner }: UploadCacheOptions) {
  const folder = join(stateFolder, 'uploads', accountId);
  const pathOf = (sha256: string) => join(folder, `${sha256}.json`);
  const forget = (path: string) => unlink(path).catch(() => undefined);
  return {
    /** An upload that will live long enough; undefined where there is none. */
    find(sha256: string): CachedUpload | undefined {
      const entry = readEntry(pathOf(sha256));
      return entry !== undefined && entry.expiresAtMs - clock.now() > MARGIN_MS ? entry : undefined;
    },
    /** Remembers an upload; `startedAtMs` is when it began. */
    async keep(sha256: string, { fileUrl, fileId, expiresAtMs }: StoredFile, startedAtMs: number) {
      const latestMs = startedAtMs + LIFE_MS;
      const entry = { fileUrl, fileId, expiresAtMs: Math.min(expiresAtMs ?? latestMs, latestMs) };
      const text = `${JSON.stringify({ schemaVersion: 1, ...entry })}\n`;
      await replaceDurably(pathOf(sha256), text, 0o600).catch(() => undefined);
      return entry;
    },
    forget: (sha256: string) => forget(pathOf(sha256)),
    /** Forgets a file that was deleted at the service, whatever its content was. */
    async forgetFile(fileId: string): Promise<void> {
      for (const name of await readdir(folder).catch(() => []))
        if (readEntry(join(folder, name))?.fileId === fileId) await forget(join(folder, name));
    },
    /** Holds the content, so that two processes do not send it at the same time. @throws EvolinkError `locked` */
    async lock(sha256: string, signal: AbortSignal | undefined): Promise<HeldLock> {
      await ensureFolder(folder);
      return acquireLock(join(folder, `${sha256}.lock`), { owner, clock, waitMs: LOCK_WAIT_MS, signal });
    },
  };
}

/** The other process may be sending 50 MB over a slow line. */
const LOCK_WAIT_MS = 20 * 60_000;

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
  readonly cache: ReturnType<typeof createUploadCache>;
  readonly clock: Clock;
  /** Whether an earlier upload is still there; false only where its host says that it is gone. */
  readonly isThere: (url: string, signal: AbortSignal | undefined) => Promise<boolean>;
}

interface UploadOptions {
  readonly onProgress: (progress: UploadProgress) => void;
  readonly signal?: AbortSignal | undefined;
}

const MAX_ATTEMPTS = 5;
const PATIENCE_MS = 10 * 60_000;
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
  const lock = await deps.cache.lock(file.sha256, options.signal);
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
  const found = cache.find(sha256);
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
  const startedAtMs = deps.clock.now();
  const stored = await sendRepeatedly(deps, file, { ...options, deadlineMs: startedAtMs + PATIENCE_MS });
  if (stored.sizeBytes !== undefined && stored.sizeBytes !== file.sizeBytes) {
    const text = `the service has ${stored.sizeBytes} of the ${file.sizeBytes} bytes of "${file.path}"`;
    throw new EvolinkError('network', text, { hint: 'run the command again', charged: 'no' });
  }
  const kept = await deps.cache.keep(file.sha256, stored, startedAtMs);
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
      const open = () => readChecked(file);
      const source = { fileName: uploadName(file), mimeType: file.mimeType, sizeBytes: totalBytes, open };
      return await files.upload(source, { onSent, ...(signal && { signal }) });
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
  const line = quota && describeQuota(quota);
  // Of the hints that refused reads have, only the one about the address fits a file.
  const own = kind === 'usage' && !error.facts.hint?.includes('files_url') ? OTHER_WAYS : error.facts.hint;
  const hint = isFull ? 'make room: evolink upload --list, then evolink upload --delete FILE_ID' : own;
  return new EvolinkError(kind, text, { ...error.facts, charged: 'no', details: line ? [line] : [], hint });
}

const OTHER_WAYS = 'give an https URL of the file instead, or convert it: evolink check FILE';

/** `files of this account: 500 of 500 in use`. */
export function describeQuota({ usedFiles, maxFiles, remainingFiles }: FileQuota): string | undefined {
  if (usedFiles === undefined && remainingFiles === undefined) return undefined;
  const room = remainingFiles === undefined ? '' : `, room for ${remainingFiles}`;
  return `files of this account: ${usedFiles ?? '?'} of ${maxFiles ?? '?'} in use${room}`;
}
