import { createHash, type Hash } from 'node:crypto';
import { unlink } from 'node:fs/promises';
import { EvolinkError } from '../errors.ts';
import { fsErrorCode } from '../platform/fs-error.ts';
import { type Checkpoints, createCheckpoints } from './checkpoints.ts';
import {
  createSyncs,
  diskOpener,
  isNameOf,
  type PartHandle,
  type PartOpener,
  readAllAt,
} from './part-handle.ts';
import { linkIdentity, type PartPaths, partPaths } from './part-name.ts';
import { type PartRecord, writePartRecord } from './part-record.ts';
import { createPartWriter, type PartWriter } from './part-writer.ts';
import { readUsablePart } from './read-usable-part.ts';
import type { ReadableFile } from './walk-boxes.ts';

/** What is given back of a full disk, so that the record of the rest can be written. */
const SPARE_BYTES = 64 * 1024;

/** What the bytes of a part are of. */
export interface PartSource {
  readonly validator?: string | undefined;
  readonly totalBytes?: number | undefined;
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
