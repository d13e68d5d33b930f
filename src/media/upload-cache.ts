import { readdir, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoredFile } from '../api/files-types.ts';
import type { Clock } from '../platform/clock.ts';
import { replaceDurably } from '../platform/durable-file.ts';
import { ensureFolder } from '../platform/ensure-folder.ts';
import { acquireLock, type HeldLock } from '../platform/lock.ts';
import type { LockOwner } from '../platform/lock-holder.ts';

/** What is known of an upload of some content. */
export interface CachedUpload {
  readonly fileUrl: string;
  readonly fileId?: string | undefined;
  readonly expiresAtMs: number;
}

/** Uploads by the SHA-256 of their content, for one service and one account; shared by all processes of a user. */
export interface UploadCache {
  /** An upload that will live long enough; undefined where there is none. */
  find(sha256: string): Promise<CachedUpload | undefined>;
  /** Remembers an upload; `startedAtMs` is when it began. A failing disk only costs another upload. */
  keep(sha256: string, file: StoredFile, startedAtMs: number): Promise<CachedUpload>;
  forget(sha256: string): Promise<void>;
  /** Forgets a file that was deleted at the service, whatever its content was. */
  forgetFile(fileId: string): Promise<void>;
  /** Holds the content, so that two processes do not send it at the same time. @throws EvolinkError `locked` */
  lock(sha256: string, options: { waitMs: number; signal?: AbortSignal | undefined }): Promise<HeldLock>;
}

export interface UploadCacheOptions {
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

/** A cache in `uploads/<account>/<sha256>.json` (0600) of the state folder. */
export function createUploadCache({ stateFolder, accountId, clock, owner }: UploadCacheOptions): UploadCache {
  const folder = join(stateFolder, 'uploads', accountId);
  const pathOf = (sha256: string) => join(folder, `${sha256}.json`);
  return {
    async find(sha256) {
      const entry = parseEntry(await readFile(pathOf(sha256), 'utf8').catch(() => ''));
      return entry !== undefined && entry.expiresAtMs - clock.now() > MARGIN_MS ? entry : undefined;
    },
    async keep(sha256, { fileUrl, fileId, expiresAtMs }, startedAtMs) {
      const latestMs = startedAtMs + LIFE_MS;
      const entry = { fileUrl, fileId, expiresAtMs: Math.min(expiresAtMs ?? latestMs, latestMs) };
      const text = `${JSON.stringify({ schemaVersion: 1, ...entry })}\n`;
      await replaceDurably(pathOf(sha256), text, 0o600).catch(() => undefined);
      return entry;
    },
    async forget(sha256) {
      await unlink(pathOf(sha256)).catch(() => undefined);
    },
    async forgetFile(fileId) {
      for (const name of await readdir(folder).catch(() => [])) {
        if (!name.endsWith('.json')) continue;
        const entry = parseEntry(await readFile(join(folder, name), 'utf8').catch(() => ''));
        if (entry?.fileId === fileId) await unlink(join(folder, name)).catch(() => undefined);
      }
    },
    async lock(sha256, { waitMs, signal }) {
      await ensureFolder(folder);
      return acquireLock(join(folder, `${sha256}.lock`), { owner, clock, waitMs, signal });
    },
  };
}

function parseEntry(text: string): CachedUpload | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('fileUrl' in value) || !('expiresAtMs' in value))
      return undefined;
    const { fileUrl, expiresAtMs } = value;
    if (typeof fileUrl !== 'string' || typeof expiresAtMs !== 'number') return undefined;
    const fileId = 'fileId' in value && typeof value.fileId === 'string' ? value.fileId : undefined;
    return { fileUrl, expiresAtMs, fileId };
  } catch {
    return undefined;
  }
}
