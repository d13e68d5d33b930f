import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, open, unlink } from 'node:fs/promises';
import * as z from 'zod/mini';
import { EvolinkError } from '../errors.ts';
import { openNew, replaceDurably, ShortWriteError } from '../platform/durable-file.ts';
import { fsErrorCode } from '../platform/fs-error.ts';
import { currentUserId } from '../platform/process.ts';
import { readSmallFile } from '../platform/read-file.ts';
import { quoteCommand } from '../platform/text.ts';
import { linkIdentity, type PartPaths, partPaths } from './output.ts';
import type { Source } from './response.ts';
import { createVideoCheck, type VideoCheck } from './verify.ts';

const byteCount = z.int().check(z.gte(0));

/** What must be known of a part before a byte of it is believed. */
const PART_RECORD = z.object({
  schemaVersion: z.literal(1),
  taskId: z.string(),
  /** Scheme, host and path of the link: no secret. */
  linkIdentity: z.string(),
  validator: z.optional(z.string()),
  totalBytes: z.optional(byteCount),
  /** So many bytes are on the disk for certain; a power cut may leave anything beyond. */
  syncedBytes: byteCount,
  /** Of the whole file, once it was found sound: then all that is left is to publish it. */
  sha256: z.optional(z.string().check(z.regex(/^[0-9a-f]{64}$/))),
});
type PartRecord = z.infer<typeof PART_RECORD>;

const MAX_RECORD_BYTES = 1_000_000;

/** The record of a part; `undefined` when there is none, `unreadable` when it is not one of ours or torn. */
export async function readPartRecord(path: string): Promise<PartRecord | 'unreadable' | undefined> {
  try {
    const text = (await readSmallFile(path, MAX_RECORD_BYTES)).toString('utf8');
    return PART_RECORD.parse(JSON.parse(text));
  } catch (error) {
    return fsErrorCode(error) === 'ENOENT' ? undefined : 'unreadable';
  }
}

/** An idle disk is given no less than this at once: a write for each chunk of the network would cost more than its bytes. */
const LEAST_WRITE_BYTES = 256 * 1024;
/** The network waits for the disk with more than this on its way. */
const MOST_QUEUED_BYTES = 1024 ** 2;
/** A power cut or a kill costs at most an eighth of what is here, but a small file is not synced for every few bytes. */
const LEAST_STEP_BYTES = 1024 ** 2;
const MOST_STEP_BYTES = 16 * 1024 ** 2;
/** What is given back of a full disk, so that the record of the rest can be written. */
const SPARE_BYTES = 64 * 1024;

/** Bytes on their way to a file, and to its disk. Errors are the system's own, and none is ever forgotten. */
interface Writer {
  /** What was taken; after a failure, what the file has of it. */
  sizeBytes(): number;
  /** Takes a chunk; where the disk is behind, there is a promise to wait for. @throws what an earlier write failed with */
  push(chunk: Uint8Array): Promise<void> | undefined;
  /** Resolves when the file has all that was taken. @throws as `push` */
  flush(): Promise<void>;
  /** Makes the file as long as it should be, and durable. @throws as `push` */
  finish(): Promise<void>;
  /** Puts on record what can be kept for the next run. Never throws. */
  keep(): Promise<void>;
}

/** @param note puts on record that so many bytes are durable */
function createWriter(
  handle: FileHandle,
  offsetBytes: number,
  note: (syncedBytes: number) => Promise<void>,
): Writer {
  let queue: Uint8Array[] = [];
  let queuedBytes = 0;
  let acceptedBytes = offsetBytes;
  let writtenBytes = offsetBytes;
  let syncedBytes = offsetBytes;
  let underWay: Promise<void> | undefined;
  let failure: { readonly error: unknown } | undefined;
  // A system that could not write a page back drops it, and may say at the next fsync(2) that all is well.
  let hasSyncFailed = false;

  const throwFailure = () => {
    if (failure !== undefined) throw failure.error;
  };
  const writeQueue = async () => {
    let rest = queue;
    queue = [];
    queuedBytes = 0;
    while (rest.length > 0) {
      const { bytesWritten } = await handle.writev(rest, writtenBytes);
      // A disk may take fewer bytes without an error (write(2)): asked again, it gives the true one.
      if (bytesWritten <= 0) throw new ShortWriteError(`wrote ${writtenBytes} of ${acceptedBytes} bytes`);
      writtenBytes += bytesWritten;
      rest = dropBytes(rest, bytesWritten);
    }
  };
  const sync = async (flush: () => Promise<void>) => {
    try {
      await flush();
    } catch (error) {
      hasSyncFailed = true;
      throw error;
    }
  };
  const checkpoint = async () => {
    const bytes = writtenBytes;
    await sync(() => handle.datasync());
    await note(bytes);
    syncedBytes = bytes;
  };
  const work = async (leastBytes: number) => {
    while (queue.length > 0 && queuedBytes >= leastBytes) {
      await writeQueue();
      const stepBytes = Math.min(MOST_STEP_BYTES, Math.max(LEAST_STEP_BYTES, syncedBytes / 8));
      if (writtenBytes - syncedBytes >= stepBytes) await checkpoint();
    }
  };
  const start = (leastBytes: number) => {
    underWay ??= work(leastBytes)
      .catch((error: unknown) => {
        failure = { error };
        acceptedBytes = writtenBytes;
        queue = [];
      })
      .finally(() => {
        underWay = undefined;
      });
    return underWay;
  };
  const flush = async () => {
    throwFailure();
    while (underWay !== undefined || queue.length > 0) await start(0);
    throwFailure();
  };
  /** On a full disk even the small record finds no room: some bytes of the part make it. */
  const release = async () => {
    if (hasSyncFailed) return;
    const leastBytes = syncedBytes === writtenBytes ? 0 : syncedBytes;
    writtenBytes = Math.max(leastBytes, writtenBytes - SPARE_BYTES);
    await handle.truncate(writtenBytes);
    await checkpoint();
  };

  return {
    sizeBytes: () => acceptedBytes,
    push: (chunk) => {
      throwFailure();
      queue.push(chunk);
      queuedBytes += chunk.byteLength;
      acceptedBytes += chunk.byteLength;
      if (queuedBytes >= LEAST_WRITE_BYTES) void start(LEAST_WRITE_BYTES);
      return queuedBytes > MOST_QUEUED_BYTES ? underWay : undefined;
    },
    flush,
    finish: async () => {
      await flush();
      await handle.truncate(writtenBytes);
      await sync(() => handle.sync());
    },
    keep: async () => {
      await flush().catch(() => undefined);
      if (hasSyncFailed) return;
      await checkpoint()
        .catch(release)
        .catch(() => undefined);
    },
  };
}

function dropBytes(chunks: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let leftBytes = bytes;
  return chunks.flatMap((chunk) => {
    const rest = chunk.subarray(Math.min(leftBytes, chunk.byteLength));
    leftBytes -= chunk.byteLength - rest.byteLength;
    return rest.byteLength === 0 ? [] : [rest];
  });
}

export interface PartKey {
  readonly target: string;
  readonly taskId: string;
  readonly link: string;
}

interface OpenFile {
  readonly handle: FileHandle;
  readonly check: VideoCheck;
  readonly writer: Writer;
}

/**
 * The unfinished download of one link. Bytes are written and made durable in the background: a method may throw what an
 * earlier one began. Errors are the system's own.
 */
export class PartFile {
  readonly paths: PartPaths;
  /** Why what lay on the disk is not used; absent when nothing did, or when it is used. */
  readonly rejection: string | undefined;
  readonly #key: PartKey;
  #source: Source = {};
  #isSealed = false;
  #file: OpenFile | undefined;

  constructor(key: PartKey, paths: PartPaths, found: FoundPart) {
    this.#key = key;
    this.paths = paths;
    this.rejection = 'rejection' in found ? found.rejection : undefined;
    if (!('handle' in found)) return;
    const { validator, totalBytes, syncedBytes, sha256 } = found.record;
    this.#source = { validator, totalBytes };
    this.#isSealed = sha256 !== undefined;
    this.#open(found, syncedBytes);
  }

  #open({ handle, check }: Omit<OpenFile, 'writer'>, sizeBytes: number): void {
    const writer = createWriter(handle, sizeBytes, (syncedBytes) => this.#note({ syncedBytes }));
    this.#file = { handle, check, writer };
  }

  async #note(facts: Pick<PartRecord, 'syncedBytes' | 'sha256'>): Promise<void> {
    const { taskId, link } = this.#key;
    const of = { taskId, linkIdentity: linkIdentity(link), ...this.#source };
    const record: PartRecord = { schemaVersion: 1, ...of, ...facts };
    await replaceDurably(this.paths.record, `${JSON.stringify(record)}\n`);
  }

  get #opened(): OpenFile {
    if (this.#file === undefined) throw new EvolinkError('internal', 'the part file is not open');
    return this.#file;
  }

  /** No step of the background may outlive the file, nor write its record after a later one. */
  async #close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.writer.flush().catch(() => undefined);
    await file?.handle.close();
  }

  /** Bytes that are here and believed, some of them perhaps still on their way to the disk. */
  sizeBytes(): number {
    return this.#file?.writer.sizeBytes() ?? 0;
  }

  source(): Source {
    return this.#source;
  }

  /** Says whether every byte is here. */
  isWhole(): boolean {
    return this.sizeBytes() > 0 && this.sizeBytes() === this.#source.totalBytes;
  }

  /** Says whether an earlier run had everything, and no reason to fetch it once more. */
  isSealed(): boolean {
    return this.#isSealed;
  }

  /** An empty part under a new inode: whoever still writes to the old one can't harm it. */
  async startOver(source: Source): Promise<void> {
    await this.#close();
    await removeIfThere(this.paths.part);
    this.#source = source;
    this.#isSealed = false;
    // Before the first byte: the record of an older part must never meet bytes that are not its own.
    await this.#note({ syncedBytes: 0 });
    // The mode that the umask leaves of 0666, as any saved file has.
    this.#open({ handle: await openNew(this.paths.part, 0o666), check: createVideoCheck() }, 0);
  }

  /** Takes a chunk, which is not to be changed; where the disk is behind, there is a promise to wait for. */
  write(chunk: Uint8Array): Promise<void> | undefined {
    const { writer, check } = this.#opened;
    const wait = writer.push(chunk);
    check.push(chunk);
    return wait;
  }

  /** Resolves when the file has all that was taken. */
  async flush(): Promise<void> {
    await this.#file?.writer.flush();
  }

  check(): VideoCheck {
    return this.#opened.check;
  }

  /** Believes nothing of it any more; the bytes stay until `startOver`. */
  async distrust(): Promise<void> {
    await this.#close();
    this.#source = {};
    await this.#note({ syncedBytes: 0 });
  }

  /** Makes it as long as it should be, and durable. */
  async sync(): Promise<void> {
    await this.#opened.writer.finish();
  }

  /** Everything is here, sound and synced: puts its SHA-256 on record, closes it, and returns the hash. */
  async seal(): Promise<string> {
    const { handle, check } = this.#opened;
    if (!(await isNameOf(this.paths.part, handle))) {
      throw new EvolinkError('local-io', `another process has replaced "${this.paths.part}"`, {
        hint: 'run the command again',
      });
    }
    const sizeBytes = this.sizeBytes();
    const sha256 = check.sha256();
    this.#source = { ...this.#source, totalBytes: sizeBytes };
    await this.#note({ syncedBytes: sizeBytes, sha256 });
    await this.#close();
    return sha256;
  }

  /** Keeps what is here for the next run, as well as the disk lets it, and closes. Never throws. */
  async suspend(): Promise<void> {
    await this.#file?.writer.keep();
    await this.#close().catch(() => undefined);
  }

  /** Removes part and record. */
  async discard(): Promise<void> {
    await this.#close().catch(() => undefined);
    await removeIfThere(this.paths.part);
    await removeIfThere(this.paths.record);
  }
}

/**
 * Opens the part of a target, task and link. What lies on the disk is used only together with its record, and only as far
 * as that says it was made durable; the rest of the file is written over.
 */
export async function openPart(key: PartKey): Promise<PartFile> {
  const paths = partPaths(key.target, key);
  await requireOwnFiles(paths, key.taskId);
  return new PartFile(key, paths, await findPart(paths, key));
}

type FoundPart =
  | { readonly rejection?: string }
  /** `check` has seen the bytes that the record claims. */
  | { readonly handle: FileHandle; readonly record: PartRecord; readonly check: VideoCheck };

async function findPart(paths: PartPaths, key: PartKey): Promise<FoundPart> {
  const stats = await lstatIfThere(paths.part);
  if (stats === undefined) return {};
  const record = await readPartRecord(paths.record);
  if (record === undefined) return { rejection: 'its record is missing' };
  if (record === 'unreadable') return { rejection: 'its record can not be read' };
  const rejection = whyNot(stats.isFile() ? stats.size : -1, record, key);
  if (rejection !== undefined) return { rejection };
  const handle = await open(paths.part, constants.O_RDWR | (constants.O_NOFOLLOW ?? 0));
  const check = await checkStart(handle, record.syncedBytes);
  const isSound = check !== undefined && (record.sha256 ?? check.sha256()) === check.sha256();
  if (isSound) return { handle, record, check };
  await handle.close();
  return { rejection: 'its bytes are not those of its record' };
}

function whyNot(sizeBytes: number, record: PartRecord, key: PartKey): string | undefined {
  if (record.taskId !== key.taskId || record.linkIdentity !== linkIdentity(key.link))
    return 'it is of another task or link';
  if (sizeBytes < record.syncedBytes) return 'it is shorter than its record says';
  if (record.totalBytes !== undefined && record.syncedBytes > record.totalBytes)
    return 'it is longer than the file';
  if (record.validator === undefined && record.sha256 === undefined)
    return 'the host gave nothing to recognise its version by';
  return undefined;
}

/** `undefined` when the file ends before so many bytes. */
async function checkStart(handle: FileHandle, lengthBytes: number): Promise<VideoCheck | undefined> {
  const check = createVideoCheck();
  const bytes = Buffer.allocUnsafe(1024 ** 2);
  for (let at = 0; at < lengthBytes; ) {
    const { bytesRead } = await handle.read(bytes, 0, Math.min(bytes.length, lengthBytes - at), at);
    if (bytesRead === 0) return undefined;
    check.push(bytes.subarray(0, bytesRead));
    at += bytesRead;
  }
  return check;
}

/**
 * What another user of the machine has put in the way is neither believed nor replaced.
 * @throws EvolinkError `local-io`
 */
export async function requireOwnFiles(paths: PartPaths, taskId: string): Promise<void> {
  const userId = currentUserId();
  if (userId === undefined) return;
  for (const path of [paths.part, paths.record]) {
    const stats: Stats | undefined = await lstatIfThere(path);
    const owner: number = stats?.uid ?? userId;
    if (owner === userId) continue;
    throw new EvolinkError(
      'local-io',
      `"${path}" belongs to user ${owner}, so the download is not continued`,
      {
        hint: `if it is yours: ${quoteCommand(['chown', String(userId), path])}`,
        charged: 'yes',
        taskId,
        retryable: false,
      },
    );
  }
}

/** Says whether the name still stands for the open file, and not for one that another process has put there. */
async function isNameOf(path: string, handle: FileHandle): Promise<boolean> {
  const [named, opened] = await Promise.all([lstat(path, { bigint: true }), handle.stat({ bigint: true })]);
  return named.ino === opened.ino && named.dev === opened.dev;
}

async function lstatIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (fsErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (fsErrorCode(error) !== 'ENOENT') throw error;
  }
}
