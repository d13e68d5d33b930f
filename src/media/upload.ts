import { openAsBlob } from 'node:fs';
import { readdir, unlink } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import * as z from 'zod/mini';
import { ApiReadError } from '../api/errors.ts';
import type { FileQuota, FilesClient, StoredFile } from '../api/files.ts';
import { hashFile } from '../download/target.ts';
import { EvolinkError, inputError } from '../errors.ts';
import { backoffDelayMs, type Clock } from '../platform/clock.ts';
import { replaceDurably } from '../platform/durable-file.ts';
import { ensureFolder } from '../platform/folders.ts';
import { localIoError } from '../platform/fs-error.ts';
import { acquireLock, type LockOwner } from '../platform/lock.ts';
import { readSmallFile } from '../platform/read-file.ts';

/** A local file that was inspected and hashed. */
export interface LocalMedia {
  /** `image 1`; `image 1, image 2` for a file that stands in several places. */
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly mimeType: string;
  /** Of its type, with the dot: a file is sent under the name of what it is. */
  readonly extension: string;
}

const MAX_NAME_CHARACTERS = 80;

/** Letters that every header and every URL carries unchanged. */
function uploadName({ path, sha256, extension }: LocalMedia): string {
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
async function openUnchanged({ path, sha256, mimeType }: LocalMedia): Promise<Blob> {
  const content = await openAsBlob(path, { type: mimeType }).catch((error: unknown) => {
    throw localIoError(error, 'read', path);
  });
  // Not through the blob, whose small pieces take three times as long.
  if ((await hashFile(path)) !== sha256) throw changedError(path);
  return content;
}

function changedError(path: string): EvolinkError {
  return inputError(
    `"${path}" changed while it was used`,
    'run the command again when nothing writes to the file',
  );
}

/** What is known of an upload of some content. */
const ENTRY = z.object({ fileUrl: z.string(), fileId: z.optional(z.string()), expiresAtMs: z.number() });

/** The service keeps an upload this long; nothing is believed that says more. */
const LIFE_MS = 72 * 3_600_000;
/** A task may wait before the service fetches its media, and clocks differ. */
const MARGIN_MS = 2 * 3_600_000;
const MAX_ENTRY_BYTES = 100_000;
/** The other process may be sending 50 MB over a slow line. */
const LOCK_WAIT_MS = 20 * 60_000;

/**
 * Uploads by the SHA-256 of their content, for one service and one account; shared by all processes of a user, as
 * `<sha256>.json` (0600) of the folder. What can't be read is as good as not there, and a failing disk only costs another
 * upload.
 */
export function createUploadCache(folder: string, clock: Clock, owner: LockOwner) {
  const pathOf = (sha256: string) => join(folder, `${sha256}.json`);
  const read = (path: string) => {
    try {
      return ENTRY.parse(JSON.parse(String(readSmallFile(path, MAX_ENTRY_BYTES))));
    } catch {
      return undefined;
    }
  };
  const forget = (path: string) => unlink(path).catch(() => undefined);
  return {
    /** An upload that will live long enough; undefined where there is none. */
    find(sha256: string) {
      const entry = read(pathOf(sha256));
      return entry && entry.expiresAtMs - clock.now() > MARGIN_MS ? entry : undefined;
    },
    /** Remembers an upload; `startedAtMs` is when it began. */
    async keep(sha256: string, { fileUrl, fileId, expiresAtMs }: StoredFile, startedAtMs: number) {
      const latestMs = startedAtMs + LIFE_MS;
      const entry = { fileUrl, fileId, expiresAtMs: Math.min(expiresAtMs ?? latestMs, latestMs) };
      const text = `${JSON.stringify({ schemaVersion: 1, ...entry })}\n`;
      await replaceDurably(pathOf(sha256), text).catch(() => undefined);
      return entry;
    },
    forget: (sha256: string) => forget(pathOf(sha256)),
    /** Forgets a file that was deleted at the service, whatever its content was. */
    async forgetFile(fileId: string): Promise<void> {
      const paths = (await readdir(folder).catch(() => [])).map((name) => join(folder, name));
      for (const path of paths) if (read(path)?.fileId === fileId) await forget(path);
    },
    /** Holds the content, so that two processes do not send it at the same time. @throws EvolinkError `locked` */
    async lock(sha256: string, signal: AbortSignal | undefined) {
      await ensureFolder(folder);
      return acquireLock(join(folder, `${sha256}.lock`), { owner, clock, waitMs: LOCK_WAIT_MS, signal });
    },
  };
}

/** What happens to one file on its way. */
export type UploadProgress =
  | { kind: 'upload-started'; totalBytes: number }
  | { kind: 'upload-bytes'; sentBytes: number; totalBytes: number }
  | { kind: 'upload-retry'; reason: string; delayMs: number }
  | { kind: 'uploaded'; url: string; expiresAtMs: number; isReused: boolean };

export interface UploadDependencies {
  readonly files: FilesClient;
  readonly cache: ReturnType<typeof createUploadCache>;
  readonly clock: Clock;
  /** Whether an earlier upload is still there; false only where its host says that it is gone. */
  readonly isThere: (url: string, signal: AbortSignal | undefined) => Promise<boolean>;
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
  file: LocalMedia,
  onProgress: (progress: UploadProgress) => void,
  signal?: AbortSignal,
) {
  const { files, cache, clock } = deps;
  const { sha256, path, sizeBytes: totalBytes } = file;

  async function findEarlier() {
    const found = cache.find(sha256);
    if (found === undefined || (await deps.isThere(found.fileUrl, signal))) return found;
    await cache.forget(sha256);
  }

  async function send(content: Blob): Promise<StoredFile> {
    onProgress({ kind: 'upload-started', totalBytes });
    // What is sent beside the file itself (names, boundaries) does not count.
    const onSent = (sentBytes: number) =>
      onProgress({ kind: 'upload-bytes', sentBytes: Math.min(sentBytes, totalBytes), totalBytes });
    const stored = await files.upload({ name: uploadName(file), content }, { onSent, signal });
    if (stored.sizeBytes === undefined || stored.sizeBytes === totalBytes) return stored;
    const text = `the service has ${stored.sizeBytes} of the ${totalBytes} bytes of "${path}"`;
    throw new EvolinkError('network', text, { charged: 'no' });
  }

  async function sendRepeatedly(): Promise<StoredFile> {
    const deadlineMs = clock.now() + PATIENCE_MS;
    const content = await openUnchanged(file);
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await send(content);
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

  let upload = await findEarlier();
  let isReused = true;
  if (upload === undefined) {
    const lock = await cache.lock(sha256, signal);
    try {
      // Somebody else may have sent it while we waited.
      upload = await findEarlier();
      isReused = upload !== undefined;
      const startedAtMs = clock.now();
      upload ??= await cache.keep(sha256, await sendRepeatedly(), startedAtMs);
    } finally {
      await lock.release().catch(() => undefined);
    }
  }
  onProgress({ kind: 'uploaded', url: upload.fileUrl, expiresAtMs: upload.expiresAtMs, isReused });
  return upload;
}

/** A refusal names the file, and how many files the account holds: a full store is the usual reason. */
async function refused(files: FilesClient, path: string, { kind, message, facts }: ApiReadError) {
  const isAboutFile = kind !== 'network' && facts.httpStatus !== 401;
  const quota = isAboutFile ? await files.quota().catch(() => undefined) : undefined;
  const isFull = (quota?.remain_files ?? 1) <= 0;
  const line = quota && describeQuota(quota);
  // Of the hints that refused reads have, only the one about the address fits a file.
  const isOwnHint = kind !== 'usage' || facts.hint?.includes('files_url');
  const otherWays = 'give an https URL of the file instead, or convert it: evolink check FILE';
  const room = 'make room: evolink upload --list, then evolink upload --delete FILE_ID';
  const text = `"${path}" could not be uploaded; nothing was submitted: ${message}`;
  return new EvolinkError(isFull ? 'usage' : kind, text, {
    ...facts,
    charged: 'no',
    details: line ? [line] : [],
    hint: isFull ? room : isOwnHint ? facts.hint : otherWays,
  });
}

/** `files of this account: 500 of 500 in use`. */
export function describeQuota({ used_files: used, max_files: max, remain_files: left }: FileQuota) {
  if (used === undefined && left === undefined) return undefined;
  const room = left === undefined ? '' : `, room for ${left}`;
  return `files of this account: ${used ?? '?'} of ${max ?? '?'} in use${room}`;
}
