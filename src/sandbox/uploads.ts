import { createWriteStream, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { SeededRandom, ServerClock } from './clock.ts';
import { isRecord } from './http.ts';
import { readUploadFacts, type UploadFacts } from './media-facts.ts';

/** One uploaded file. */
export interface Upload {
  readonly id: string;
  readonly fileName: string;
  readonly originalName: string;
  readonly uploadPath: string;
  readonly mimeType: string;
  readonly sizeBytes: number;
  readonly uploadedAtMs: number;
  readonly expiresAtMs: number;
  /** Where the bytes lie. */
  readonly filePath: string;
  /** What was found in it. */
  readonly facts: UploadFacts;
}

type UploadNames = Pick<Upload, 'fileName' | 'originalName' | 'uploadPath' | 'mimeType'>;

export interface UploadBook {
  /** Streams bytes to the disk; nothing is listed before `add`. */
  receive(
    stream: Readable,
  ): Promise<{ readonly id: string; readonly filePath: string; readonly sizeBytes: number }>;
  add(received: Awaited<ReturnType<UploadBook['receive']>>, names: UploadNames): Promise<Upload>;
  /** Throws away what `receive` wrote. */
  discard(filePath: string): Promise<void>;
  /** Only files that have not expired. */
  find(id: string): Upload | undefined;
  /** Newest first. */
  all(): readonly Upload[];
  remove(id: string): Promise<boolean>;
  /** Removes the files, unless they belong to a state folder. */
  close(): Promise<void>;
}

/** The service keeps an upload for 72 hours. */
const UPLOAD_LIFE_MS = 72 * 3_600_000;

export interface UploadBookOptions {
  readonly clock: ServerClock;
  readonly random: SeededRandom;
  readonly stateFolder?: string | undefined;
}

/** Keeps uploads on disk: in the state folder, or in a temporary folder that goes when the server closes. */
export function createUploadBook({ clock, random, stateFolder }: UploadBookOptions): UploadBook {
  const kept = stateFolder === undefined ? undefined : join(stateFolder, 'uploads');
  if (kept !== undefined) mkdirSync(kept, { recursive: true, mode: 0o700 });
  const uploads = new Map<string, Upload>(
    (kept === undefined ? [] : loadUploads(kept)).map((each) => [each.id, each]),
  );
  let temporary: Promise<string> | undefined;

  const folder = (): Promise<string> => {
    if (kept !== undefined) return Promise.resolve(kept);
    temporary ??= mkdtemp(join(tmpdir(), 'evolink-sandbox-'));
    return temporary;
  };
  const isAlive = (upload: Upload): boolean => clock.now() < upload.expiresAtMs;

  return {
    receive: async (stream) => {
      const id = `file_${random.letters(16)}`;
      const filePath = join(await folder(), `${id}.bin`);
      const target = createWriteStream(filePath, { flags: 'wx', mode: 0o600 });
      await pipeline(stream, target);
      return { id, filePath, sizeBytes: target.bytesWritten };
    },
    add: async (received, names) => {
      const uploadedAtMs = clock.now();
      const facts = await readUploadFacts(received.filePath);
      const upload: Upload = {
        ...received,
        ...names,
        uploadedAtMs,
        expiresAtMs: uploadedAtMs + UPLOAD_LIFE_MS,
        facts,
      };
      uploads.set(upload.id, upload);
      if (kept !== undefined)
        writeFileSync(join(kept, `${upload.id}.json`), JSON.stringify(upload), { mode: 0o600 });
      return upload;
    },
    discard: (filePath) => rm(filePath, { force: true }),
    find: (id) => {
      const upload = uploads.get(id);
      return upload !== undefined && isAlive(upload) ? upload : undefined;
    },
    all: () => [...uploads.values()].filter(isAlive).reverse(),
    remove: async (id) => {
      const upload = uploads.get(id);
      if (upload === undefined || !isAlive(upload)) return false;
      uploads.delete(id);
      await rm(upload.filePath, { force: true });
      if (kept !== undefined) await rm(join(kept, `${id}.json`), { force: true });
      return true;
    },
    close: async () => {
      if (temporary !== undefined) await rm(await temporary, { recursive: true, force: true });
    },
  };
}

function loadUploads(folder: string): readonly Upload[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
  return names.map((name) => readUpload(join(folder, name))).filter((upload) => upload !== undefined);
}

function readUpload(path: string): Upload | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return isUpload(value) ? value : undefined;
  } catch {
    return undefined; // Torn by a kill: the file counts as never uploaded.
  }
}

function isUpload(value: unknown): value is Upload {
  return (
    isRecord(value) &&
    typeof value.id === 'string' &&
    typeof value.filePath === 'string' &&
    isRecord(value.facts) &&
    typeof value.expiresAtMs === 'number'
  );
}
