import { createHash, type Hash } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { lstat, open, unlink } from 'node:fs/promises';
import * as z from 'zod/mini';
import { EvolinkError } from '../errors.ts';
import { quoteCommand } from '../platform/command-text.ts';
import { openNew, replaceDurably, ShortWriteError } from '../platform/durable-file.ts';
import { fsErrorCode } from '../platform/fs-error.ts';
import { currentUserId } from '../platform/process.ts';
import { readSmallFile } from '../platform/read-file.ts';
import { linkIdentity, type PartPaths, partPaths } from './output.ts';
import type { ReadableFile } from './verify.ts';

/** A power cut or a kill costs at most an eighth of what is here, but a small file is not synced for every few bytes. */
const LEAST_STEP_BYTES = 1024 ** 2;
const MOST_STEP_BYTES = 16 * 1024 ** 2;

/** Makes a growing file durable step by step, while the bytes go on coming. */
interface Checkpoints {
  /** So many bytes are on the disk for certain, and on record. */
  syncedBytes(): number;
  /** Starts a step where one is due and none is under way. @throws what an earlier one failed with */
  consider(): void;
  /** A step with all that is written. @throws what it, or an earlier one, failed with */
  finish(): Promise<void>;
  /** Resolves when no step is under way. @throws what one failed with */
  settle(): Promise<void>;
}

interface CheckpointsOptions {
  readonly syncedBytes: number;
  /** What the system has taken by now. */
  readonly writtenBytes: () => number;
  readonly datasync: () => Promise<void>;
  /** Puts on record that so many bytes are durable. */
  readonly note: (syncedBytes: number) => Promise<void>;
}

/** Steps in the background, one at a time; after one that failed there is no other. */
function createCheckpoints(options: CheckpointsOptions): Checkpoints {
  let syncedBytes = options.syncedBytes;
  let underWay: Promise<void> | undefined;
  let failure: { readonly error: unknown } | undefined;

  const throwFailure = () => {
    if (failure !== undefined) throw failure.error;
  };
  const step = async () => {
    const bytes = options.writtenBytes();
    await options.datasync();
    await options.note(bytes);
    syncedBytes = bytes;
  };
  const settle = async () => {
    await underWay;
    throwFailure();
  };

  return {
    syncedBytes: () => syncedBytes,
    consider: () => {
      throwFailure();
      const dueBytes = Math.min(MOST_STEP_BYTES, Math.max(LEAST_STEP_BYTES, syncedBytes / 8));
      if (underWay !== undefined || options.writtenBytes() - syncedBytes < dueBytes) return;
      underWay = step()
        .catch((error: unknown) => {
          failure = { error };
        })
        .finally(() => {
          underWay = undefined;
        });
    },
    finish: async () => {
      await settle();
      await step();
    },
    settle,
  };
}

const byteCount = z.int().check(z.gte(0));

/** What must be known of a part before a byte of it is believed. */
const partRecordSchema = z.object({
  schemaVersion: z.literal(1),
  taskId: z.string(),
  /** Scheme, host and path of the link: no secret. */
  linkIdentity: z.string(),
  /** What `If-Range` carries; absent when the host gave nothing to recognise the version by. */
  validator: z.optional(z.string()),
  totalBytes: z.optional(byteCount),
  /** So many bytes are on the disk for certain; what lies beyond may be anything. */
  syncedBytes: byteCount,
  /** Of the whole file, once it was found sound: then all that is left is to publish it. */
  sha256: z.optional(z.string().check(z.regex(/^[0-9a-f]{64}$/))),
});

export type PartRecord = z.infer<typeof partRecordSchema>;

const MAX_RECORD_BYTES = 1_000_000;

/** The record of a part; `undefined` when there is none, `unreadable` when it is not one of ours or torn. */
export async function readPartRecord(path: string): Promise<PartRecord | 'unreadable' | undefined> {
  let text: string;
  try {
    text = readSmallFile(path, MAX_RECORD_BYTES).toString('utf8');
  } catch (error) {
    return fsErrorCode(error) === 'ENOENT' ? undefined : 'unreadable';
  }
  try {
    const parsed = partRecordSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : 'unreadable';
  } catch {
    return 'unreadable';
  }
}

/**
 * Writes the record; it is on the disk when the promise resolves.
 * @throws EvolinkError `local-io`
 */
async function writePartRecord(path: string, record: PartRecord): Promise<void> {
  await replaceDurably(path, `${JSON.stringify(record)}\n`);
}

/** As much of a file handle as a part needs. */
export interface PartHandle {
  read(
    bytes: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }>;
  write(
    bytes: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesWritten: number }>;
  truncate(lengthBytes: number): Promise<void>;
  sync(): Promise<void>;
  datasync(): Promise<void>;
  stat(options: { bigint: true }): Promise<{ readonly ino: bigint; readonly dev: bigint }>;
  close(): Promise<void>;
}

/** Opens part files; a seam for disks that fail. */
export interface PartOpener {
  /** @throws the system's error when the name is taken */
  create(path: string): Promise<PartHandle>;
  /** Opens a regular file for reading and writing, never through a link. */
  reopen(path: string): Promise<PartHandle>;
}

/** The opener of the real file system. New files get the mode that the umask leaves of 0666, as any saved file does. */
export const diskOpener: PartOpener = {
  create: (path) => openNew(path, 0o666),
  reopen: (path) => open(path, constants.O_RDWR | (constants.O_NOFOLLOW ?? 0)),
};

/**
 * The syncs of a file, whose failure is never forgotten: a system that could not write a page back drops it, and may say at
 * the next fsync(2) that all is well.
 */
function createSyncs(handle: PartHandle): Pick<PartHandle, 'sync' | 'datasync'> {
  let failure: { readonly error: unknown } | undefined;
  const guard = async (sync: () => Promise<void>) => {
    if (failure !== undefined) throw failure.error;
    try {
      await sync();
    } catch (error) {
      failure = { error };
      throw error;
    }
  };
  return { sync: () => guard(() => handle.sync()), datasync: () => guard(() => handle.datasync()) };
}

/**
 * Writes all bytes at a position. A disk that takes fewer without an error (write(2) may) is asked again, which gives the
 * true error.
 * @param place `onWritten` is told of every piece that the system has taken
 * @throws the system's error, or `ShortWriteError` when it takes nothing at all
 */
async function writeAllAt(
  handle: PartHandle,
  bytes: Uint8Array,
  { positionBytes, onWritten }: { readonly positionBytes: number; onWritten(bytes: number): void },
): Promise<void> {
  let offset = 0;
  while (offset < bytes.byteLength) {
    const lengthBytes = bytes.byteLength - offset;
    const { bytesWritten } = await handle.write(bytes, offset, lengthBytes, positionBytes + offset);
    if (bytesWritten <= 0) throw new ShortWriteError(`wrote ${offset} of ${bytes.byteLength} bytes`);
    offset += bytesWritten;
    onWritten(bytesWritten);
  }
}

/** Reads up to so many bytes at a position; fewer only where the file ends. */
async function readAllAt(
  handle: PartHandle,
  positionBytes: number,
  lengthBytes: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(lengthBytes);
  let filled = 0;
  while (filled < lengthBytes) {
    const { bytesRead } = await handle.read(bytes, filled, lengthBytes - filled, positionBytes + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled === lengthBytes ? bytes : bytes.subarray(0, filled);
}

/** Says whether the name still stands for the open file, and not for one that another process has put there. */
async function isNameOf(path: string, handle: PartHandle): Promise<boolean> {
  const [named, opened] = await Promise.all([lstat(path, { bigint: true }), handle.stat({ bigint: true })]);
  return named.ino === opened.ino && named.dev === opened.dev;
}

/** Two of them are all the memory that a download takes for its bytes, however large the file. */
const BUFFER_BYTES = 1024 ** 2;
/** An idle disk is given no less than this at once: a write for each chunk of the network would cost more than its bytes. */
const LEAST_WRITE_BYTES = 256 * 1024;

/** Bytes on their way to a file: gathered in one buffer while the other is being written. */
export interface PartWriter {
  /** What was taken, the bytes still on their way included; after a failure, what the file has of it. */
  acceptedBytes(): number;
  /** What the system has taken. */
  writtenBytes(): number;
  /**
   * Takes a chunk, which may be used again at once. Where both buffers are full there is a promise to wait for.
   * @throws what an earlier write failed with
   */
  push(chunk: Uint8Array): Promise<void> | undefined;
  /** Resolves when all that was taken is written. @throws as `push` */
  flush(): Promise<void>;
}

/** A writer that goes on at the offset. Errors are the system's own, or `ShortWriteError`; none is ever forgotten. */
export function createPartWriter(handle: PartHandle, offsetBytes: number): PartWriter {
  let filling = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  let spare = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  let filledBytes = 0;
  let acceptedBytes = offsetBytes;
  let writtenBytes = offsetBytes;
  let underWay: Promise<void> | undefined;
  let failure: { readonly error: unknown } | undefined;

  const throwFailure = () => {
    if (failure !== undefined) throw failure.error;
  };
  const noteWritten = (bytes: number) => {
    writtenBytes += bytes;
  };
  const fail = (error: unknown) => {
    failure = { error };
    acceptedBytes = writtenBytes;
    filledBytes = 0;
  };
  /** Only while no other write is under way: it would still need the spare buffer. */
  const startWrite = () => {
    const bytes = filling.subarray(0, filledBytes);
    [filling, spare] = [spare, filling];
    filledBytes = 0;
    underWay = writeAllAt(handle, bytes, { positionBytes: writtenBytes, onWritten: noteWritten })
      .catch(fail)
      .finally(() => {
        underWay = undefined;
      });
  };
  /** Takes what fits, and returns the rest. */
  const take = (chunk: Uint8Array): Uint8Array => {
    const taken = chunk.subarray(0, BUFFER_BYTES - filledBytes);
    filling.set(taken, filledBytes);
    filledBytes += taken.byteLength;
    acceptedBytes += taken.byteLength;
    return chunk.subarray(taken.byteLength);
  };
  const pushSlowly = async (chunk: Uint8Array) => {
    for (let rest = take(chunk); rest.byteLength > 0; rest = take(rest)) {
      await underWay;
      throwFailure();
      startWrite();
    }
  };

  return {
    acceptedBytes: () => acceptedBytes,
    writtenBytes: () => writtenBytes,
    push: (chunk) => {
      throwFailure();
      if (chunk.byteLength > BUFFER_BYTES - filledBytes) return pushSlowly(chunk);
      take(chunk);
      if (underWay === undefined && filledBytes >= LEAST_WRITE_BYTES) startWrite();
      return undefined;
    },
    flush: async () => {
      while (underWay !== undefined || filledBytes > 0) {
        if (underWay === undefined) startWrite();
        await underWay;
      }
      throwFailure();
    },
  };
}

const READ_BYTES = 1024 ** 2;

type FoundPart =
  | { readonly kind: 'none' }
  | { readonly kind: 'rejected'; readonly reason: string }
  /** `hash` has taken the first `syncedBytes` bytes. */
  | {
      readonly kind: 'usable';
      readonly handle: PartHandle;
      readonly record: PartRecord;
      readonly hash: Hash;
    };

interface ExpectedPart {
  readonly taskId: string;
  readonly linkIdentity: string;
  readonly opener: PartOpener;
}

/** Looks at what an earlier run has left, and says whether it may be continued. */
async function readUsablePart(paths: PartPaths, expected: ExpectedPart): Promise<FoundPart> {
  await requireOwnFiles(paths, expected.taskId);
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

/**
 * What another user of the machine has put in the way is neither believed nor replaced.
 * @throws EvolinkError `local-io`
 */
export async function requireOwnFiles(paths: PartPaths, taskId: string): Promise<void> {
  const userId = currentUserId();
  if (userId === undefined) return;
  for (const path of [paths.part, paths.record]) {
    const stats: Stats | undefined = await lstat(path).catch(() => undefined);
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

/** What is given back of a full disk, so that the record of the rest can be written. */
const SPARE_BYTES = 64 * 1024;

/** What the bytes of a part are of. */
interface PartSource {
  readonly validator?: string | undefined;
  readonly totalBytes?: number | undefined;
  /** Of all of it, where an earlier run had everything. */
  readonly sha256?: string | undefined;
}

/**
 * The unfinished download of one link. Bytes are written and made durable in the background: a method may throw what an
 * earlier one began. Errors are the system's own.
 */
export interface PartFile {
  readonly paths: PartPaths;
  /** Why what lay on the disk is not used; absent when nothing did, or when it is used. */
  readonly rejection?: string | undefined;
  /** Bytes that are here and believed, some of them perhaps still on their way to the disk. */
  sizeBytes(): number;
  source(): PartSource;
  /** Says whether every byte is here. */
  isWhole(): boolean;
  /** An empty part under a new inode: whoever still writes to the old one can't harm it. */
  startOver(source: PartSource): Promise<void>;
  /** Takes a chunk; where the disk is behind, there is a promise to wait for. */
  write(chunk: Uint8Array): Promise<void> | undefined;
  /** Resolves when the file has all that was taken. */
  flush(): Promise<void>;
  /** The SHA-256 of what is here. */
  sha256(): string;
  /** Believes nothing of it any more; the bytes stay until `startOver`. */
  distrust(): Promise<void>;
  /** The part as a file to be read, as long as it is flushed. */
  toReadable(): ReadableFile;
  /** Makes it as long as it should be, and durable. */
  sync(): Promise<void>;
  /** Everything is here and sound: makes it durable, puts its SHA-256 on record, closes it, and returns the hash. */
  seal(): Promise<string>;
  /** Keeps what is here for the next run, as well as the disk lets it, and closes. Never throws. */
  suspend(): Promise<void>;
  /** Removes part and record. */
  discard(): Promise<void>;
}

export interface PartKey {
  readonly target: string;
  readonly taskId: string;
  readonly link: string;
}

interface OpenFile {
  readonly handle: PartHandle;
  readonly syncs: Pick<PartHandle, 'sync' | 'datasync'>;
  readonly hash: Hash;
  readonly writer: PartWriter;
  readonly checkpoints: Checkpoints;
  /** Nothing was written since the last sync of the whole. */
  isDurable: boolean;
}

interface Part {
  readonly paths: PartPaths;
  readonly taskId: string;
  readonly linkIdentity: string;
  source: PartSource;
  file: OpenFile | undefined;
}

/**
 * Opens the part of a target, task and link. What lies on the disk is used only together with its record, and only as far
 * as that says it was made durable; the rest of the file is written over.
 */
export async function openPart(key: PartKey, opener: PartOpener = diskOpener): Promise<PartFile> {
  const { taskId } = key;
  const paths = partPaths(key.target, key);
  const identity = linkIdentity(key.link);
  const found = await readUsablePart(paths, { taskId, linkIdentity: identity, opener });
  const part: Part = { paths, taskId, linkIdentity: identity, source: {}, file: undefined };
  if (found.kind === 'usable') {
    part.source = found.record;
    part.file = openFile(part, { ...found, sizeBytes: found.record.syncedBytes });
  }
  const sizeBytes = () => part.file?.writer.acceptedBytes() ?? 0;
  return {
    paths,
    rejection: found.kind === 'rejected' ? found.reason : undefined,
    sizeBytes,
    source: () => part.source,
    isWhole: () => sizeBytes() > 0 && sizeBytes() === part.source.totalBytes,
    startOver: (source) => startOver(part, source, opener),
    write: (chunk) => write(requireFile(part), chunk),
    flush: async () => part.file?.writer.flush(),
    sha256: () => requireFile(part).hash.copy().digest('hex'),
    distrust: () => distrust(part),
    toReadable: () => toReadable(requireFile(part)),
    sync: () => sync(requireFile(part)),
    seal: () => seal(part),
    suspend: () => suspend(part),
    discard: () => discard(part),
  };
}

interface StartOfFile {
  readonly handle: PartHandle;
  readonly hash: Hash;
  readonly sizeBytes: number;
}

function openFile(part: Part, { handle, hash, sizeBytes }: StartOfFile): OpenFile {
  const syncs = createSyncs(handle);
  const writer = createPartWriter(handle, sizeBytes);
  const checkpoints = createCheckpoints({
    syncedBytes: sizeBytes,
    writtenBytes: writer.writtenBytes,
    datasync: syncs.datasync,
    note: (syncedBytes) => record(part, { syncedBytes }),
  });
  return { handle, syncs, hash, writer, checkpoints, isDurable: false };
}

function requireFile({ file }: Part): OpenFile {
  if (file === undefined) throw new EvolinkError('internal', 'the part file is not open');
  return file;
}

async function record(
  { paths, taskId, linkIdentity, source }: Part,
  facts: Pick<PartRecord, 'syncedBytes' | 'sha256'>,
): Promise<void> {
  const { validator, totalBytes } = source;
  const of = { taskId, linkIdentity, validator, totalBytes };
  await writePartRecord(paths.record, { schemaVersion: 1, ...of, ...facts });
}

/** No step of the background may outlive the file, nor write its record after a later one. */
async function close(part: Part): Promise<void> {
  const { file } = part;
  part.file = undefined;
  await file?.checkpoints.settle().catch(() => undefined);
  await file?.writer.flush().catch(() => undefined);
  await file?.handle.close();
}

async function startOver(part: Part, source: PartSource, opener: PartOpener): Promise<void> {
  await close(part);
  await removeIfThere(part.paths.part);
  part.source = source;
  // Before the first byte: the record of an older part must never meet bytes that are not its own.
  await record(part, { syncedBytes: 0 });
  const handle = await opener.create(part.paths.part);
  part.file = openFile(part, { handle, hash: createHash('sha256'), sizeBytes: 0 });
}

function write(file: OpenFile, chunk: Uint8Array): Promise<void> | undefined {
  file.isDurable = false;
  file.checkpoints.consider();
  const wait = file.writer.push(chunk);
  file.hash.update(chunk);
  return wait;
}

async function distrust(part: Part): Promise<void> {
  await close(part);
  part.source = {};
  await record(part, { syncedBytes: 0 });
}

function toReadable({ handle, writer }: OpenFile): ReadableFile {
  const sizeBytes = writer.writtenBytes();
  return {
    sizeBytes,
    readAt: (position, length) =>
      readAllAt(handle, position, Math.max(0, Math.min(length, sizeBytes - position))),
  };
}

async function sync(file: OpenFile): Promise<void> {
  const { handle, syncs, writer, checkpoints } = file;
  await writer.flush();
  await checkpoints.settle();
  if (file.isDurable) return;
  await handle.truncate(writer.writtenBytes());
  await syncs.sync();
  file.isDurable = true;
}

async function seal(part: Part): Promise<string> {
  const file = requireFile(part);
  await sync(file);
  if (!(await isNameOf(part.paths.part, file.handle))) {
    throw new EvolinkError('local-io', `another process has replaced "${part.paths.part}"`, {
      hint: 'run the command again',
    });
  }
  const totalBytes = file.writer.writtenBytes();
  part.source = { ...part.source, totalBytes };
  const sha256 = file.hash.copy().digest('hex');
  await record(part, { syncedBytes: totalBytes, sha256 });
  await close(part);
  return sha256;
}

async function suspend(part: Part): Promise<void> {
  const { file } = part;
  if (file === undefined) return;
  await file.writer.flush().catch(() => undefined);
  await file.checkpoints
    .finish()
    .catch(() => giveBack(part, file))
    .catch(() => undefined);
  await close(part).catch(() => undefined);
}

/** On a full disk even the small record finds no room: some bytes of the part make it. */
async function giveBack(part: Part, { handle, syncs, writer, checkpoints }: OpenFile): Promise<void> {
  const writtenBytes = writer.writtenBytes();
  const syncedBytes = checkpoints.syncedBytes();
  const keptBytes = Math.max(syncedBytes === writtenBytes ? 0 : syncedBytes, writtenBytes - SPARE_BYTES);
  await handle.truncate(keptBytes);
  await syncs.datasync();
  await record(part, { syncedBytes: keptBytes });
}

async function discard(part: Part): Promise<void> {
  await close(part).catch(() => undefined);
  await removeIfThere(part.paths.part);
  await removeIfThere(part.paths.record);
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (fsErrorCode(error) !== 'ENOENT') throw error;
  }
}
