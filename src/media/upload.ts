import { createHash } from 'node:crypto';
import { createReadStream, openAsBlob } from 'node:fs';
import { readdir, unlink } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import * as z from 'zod/mini';
import { ApiReadError } from '../api/errors.ts';
import type { FileQuota, FilesClient, StoredFile } from '../api/files.ts';
import { EvolinkError } from '../errors.ts';
import { backoffDelayMs, type Clock } from '../platform/clock.ts';
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

const MAX_NAME_CHARACTERS = 80;
const HASHED_AT_ONCE_BYTES = 1024 ** 2;

/** Letters that every header and every URL carries unchanged. */
function uploadName({ path, sha256, extension }: HashedFile): string {
  const name = basename(path, extname(path))
    .normalize('NFKD')
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replaceAll(/^[-.]+|[-.]+$/g, '')
    .slice(0, MAX_NAME_CHARACTERS);
  return `${name === '' ? sha256.slice(0, 16) : name}${extension}`;
}

/**
 * The content that was inspected, or nothing: from here on Node refuses to read on in a file that has changed.
 * @throws EvolinkError `usage` when it is another file now, `local-io` when it can't be read
 */
async function openUnchanged({ path, sha256, mimeType }: HashedFile): Promise<Blob> {
  const hash = createHash('sha256');
  const content = await openAsBlob(path, { type: mimeType }).catch((error: unknown) => {
    throw localIoError(error, 'read', path);
  });
  // Not through the blob, whose small pieces take three times as long.
  await pipeline(createReadStream(path, { highWaterMark: HASHED_AT_ONCE_BYTES }), hash);
  if (hash.digest('hex') !== sha256) throw changedError(path);
  return content;
}

function changedError(path: string): EvolinkError {
  const hint = 'run the command again when nothing writes to the file';
  return new EvolinkError('usage', `"${path}" changed while it was used`, { hint, charged: 'no' });
}

const ENTRY = z.object({
  fileUrl: z.string(),
  fileId: z.optional(z.string()),
  expiresAtMs: z.number(),
});

/** What is known of an upload of some content. */
type CachedUpload = Readonly<z.infer<typeof ENTRY>>;

/** The service keeps an upload this long; nothing is believed that says more. */
const LIFE_MS = 72 * 3_600_000;
/** A task may wait before the service fetches its media, and clocks differ. */
const MARGIN_MS = 2 * 3_600_000;
const MAX_ENTRY_BYTES = 100_000;
/** The other process may be sending 50 MB over a slow line. */
const LOCK_WAIT_MS = 20 * 60_000;

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
export function createUploadCache({
  stateFolder,
  accountId,
  clock,
  owner,
}: {
  readonly stateFolder: string;
  /** Of the files client: another service or key has uploads of its own. */
  readonly accountId: string;
  readonly clock: Clock;
  readonly owner: LockOwner;
}) {
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
  { onProgress, signal }: UploadOptions,
): Promise<CachedUpload> {
  const { cache, clock } = deps;
  const { sha256 } = file;
  const done = (upload: CachedUpload, isReused: boolean) => {
    onProgress({ kind: 'uploaded', url: upload.fileUrl, expiresAtMs: upload.expiresAtMs, isReused });
    return upload;
  };
  const findEarlier = async () => {
    const found = cache.find(sha256);
    if (found === undefined || (await deps.isThere(found.fileUrl, signal))) return found;
    await cache.forget(sha256);
  };
  const earlier = await findEarlier();
  if (earlier !== undefined) return done(earlier, true);
  const lock = await cache.lock(sha256, signal);
  try {
    // Somebody else may have sent it while we waited.
    const meanwhile = await findEarlier();
    if (meanwhile !== undefined) return done(meanwhile, true);
    const startedAtMs = clock.now();
    const stored = await sendRepeatedly(deps, file, { onProgress, signal });
    return done(await cache.keep(sha256, stored, startedAtMs), false);
  } finally {
    await lock.release().catch(() => undefined);
  }
}

async function sendRepeatedly(
  { files, clock }: UploadDependencies,
  file: HashedFile,
  { onProgress, signal }: UploadOptions,
): Promise<StoredFile> {
  const { sizeBytes: totalBytes, path } = file;
  const deadlineMs = clock.now() + PATIENCE_MS;
  // What is sent beside the file itself (names, boundaries) does not count.
  const onSent = (sentBytes: number) =>
    onProgress({ kind: 'upload-bytes', sentBytes: Math.min(sentBytes, totalBytes), totalBytes });
  const content = await openUnchanged(file);
  for (let attempt = 1; ; attempt += 1) {
    onProgress({ kind: 'upload-started', totalBytes });
    try {
      const stored = await files.upload({ name: uploadName(file), content }, { onSent, signal });
      if (stored.sizeBytes === undefined || stored.sizeBytes === totalBytes) return stored;
      const text = `the service has ${stored.sizeBytes} of the ${totalBytes} bytes of "${path}"`;
      throw new EvolinkError('network', text, { hint: 'run the command again', charged: 'no' });
    } catch (error) {
      if (error instanceof Error && error.name === 'NotReadableError') throw changedError(path);
      if (!(error instanceof ApiReadError)) throw error;
      const isOver = !error.isTransient || attempt >= MAX_ATTEMPTS;
      const options = { retryAfterMs: error.retryAfterMs, budgetMs: deadlineMs - clock.now() };
      const delayMs = isOver ? undefined : backoffDelayMs(attempt, clock.random(), options);
      if (delayMs === undefined) throw await refused(files, path, error);
      onProgress({ kind: 'upload-retry', reason: error.message, delayMs });
      await clock.sleep(delayMs, signal);
    }
  }
}

/** A refusal names the file, and how many files the account holds: a full store is the usual reason. */
async function refused(files: FilesClient, path: string, error: ApiReadError): Promise<EvolinkError> {
  const isAboutFile = error.kind !== 'network' && error.facts.httpStatus !== 401;
  const quota = isAboutFile ? await files.quota().catch(() => undefined) : undefined;
  const isFull = (quota?.remain_files ?? 1) <= 0;
  const kind = isFull ? 'usage' : error.kind;
  const text = `"${path}" could not be uploaded; nothing was submitted: ${error.message}`;
  const line = quota && describeQuota(quota);
  // Of the hints that refused reads have, only the one about the address fits a file.
  const own = kind === 'usage' && !error.facts.hint?.includes('files_url') ? OTHER_WAYS : error.facts.hint;
  const hint = isFull ? 'make room: evolink upload --list, then evolink upload --delete FILE_ID' : own;
  return new EvolinkError(kind, text, { ...error.facts, charged: 'no', details: line ? [line] : [], hint });
}

const OTHER_WAYS = 'give an https URL of the file instead, or convert it: evolink check FILE';

/** `files of this account: 500 of 500 in use`. */
export function describeQuota({ used_files: used, max_files: max, remain_files: left }: FileQuota) {
  if (used === undefined && left === undefined) return undefined;
  const room = left === undefined ? '' : `, room for ${left}`;
  return `files of this account: ${used ?? '?'} of ${max ?? '?'} in use${room}`;
}
