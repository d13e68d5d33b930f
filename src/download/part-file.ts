import { createHash } from 'node:crypto';
import { unlink } from 'node:fs/promises';
import { EvolinkError } from '../errors.ts';
import { fsErrorCode } from '../platform/fs-error.ts';
import {
  diskOpener,
  isNameOf,
  type PartHandle,
  type PartOpener,
  readAllAt,
  writeAllAt,
} from './part-handle.ts';
import { linkIdentity, type PartPaths, partPaths } from './part-name.ts';
import { type PartRecord, writePartRecord } from './part-record.ts';
import { readUsablePart } from './read-usable-part.ts';
import type { ReadableFile } from './walk-boxes.ts';

/** After so many bytes the part is made durable: what a power cut can cost at most. */
const CHECKPOINT_BYTES = 16 * 1024 ** 2;
/** What is given back of a full disk, so that the record of the rest can be written. */
const SPARE_BYTES = 64 * 1024;

/** What the bytes of a part are of. */
export interface PartSource {
  readonly validator?: string | undefined;
  readonly totalBytes?: number | undefined;
}

/** The unfinished download of one link. Errors of its methods are the system's own. */
export interface PartFile {
  readonly paths: PartPaths;
  /** Why what lay on the disk is not used; absent when nothing did, or when it is used. */
  readonly rejection?: string | undefined;
  /** Bytes that are here and believed. */
  sizeBytes(): number;
  source(): PartSource;
  /** Says whether every byte is here. */
  isWhole(): boolean;
  /** An empty part under a new inode: whoever still writes to the old one can't harm it. */
  startOver(source: PartSource): Promise<void>;
  write(chunk: Uint8Array): Promise<void>;
  /** The SHA-256 of what is here. */
  sha256(): string;
  /** Believes nothing of it any more; the bytes stay until `startOver`. */
  distrust(): Promise<void>;
  /** The part as a file to be read, as long as it is. */
  toReadable(): ReadableFile;
  /** Everything is here and sound: makes it durable, closes it, and returns its SHA-256. */
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

/**
 * Opens the part of a target, task and link. What lies on the disk is used only together with its record, and only as far
 * as that says it was made durable; the rest of the file is written over.
 */
export async function openPart(key: PartKey, opener: PartOpener = diskOpener): Promise<PartFile> {
  const paths = partPaths(key.target, key);
  const identity = linkIdentity(key.link);
  const found = await readUsablePart(paths, { taskId: key.taskId, linkIdentity: identity, opener });
  const isUsable = found.kind === 'usable';
  let handle: PartHandle | undefined = isUsable ? found.handle : undefined;
  let hash = isUsable ? found.hash : createHash('sha256');
  let sizeBytes = isUsable ? found.record.syncedBytes : 0;
  let source: PartSource = isUsable ? found.record : {};
  let syncedBytes = sizeBytes;

  const opened = (): PartHandle => {
    if (handle === undefined) throw new EvolinkError('internal', 'the part file is not open');
    return handle;
  };
  const close = async () => {
    const open = handle;
    handle = undefined;
    await open?.close();
  };
  const record = async (change: Partial<PartRecord>) => {
    const { validator, totalBytes } = source;
    const facts = { taskId: key.taskId, linkIdentity: identity, validator, totalBytes, syncedBytes };
    await writePartRecord(paths.record, { schemaVersion: 1, ...facts, ...change });
  };
  const checkpoint = async () => {
    await opened().datasync();
    syncedBytes = sizeBytes;
    await record({});
  };

  return {
    paths,
    rejection: found.kind === 'rejected' ? found.reason : undefined,
    sizeBytes: () => sizeBytes,
    source: () => source,
    isWhole: () => handle !== undefined && sizeBytes > 0 && sizeBytes === source.totalBytes,
    toReadable: () => {
      const open = opened();
      return {
        sizeBytes,
        readAt: (position, length) =>
          readAllAt(open, position, Math.max(0, Math.min(length, sizeBytes - position))),
      };
    },
    async startOver(newSource) {
      await close();
      await removeIfThere(paths.part);
      handle = await opener.create(paths.part);
      hash = createHash('sha256');
      [sizeBytes, syncedBytes, source] = [0, 0, newSource];
      // Before the first byte: the record of an older part must never meet bytes that are not its own.
      await record({});
    },
    async write(chunk) {
      await writeAllAt(opened(), chunk, sizeBytes);
      hash.update(chunk);
      sizeBytes += chunk.byteLength;
      if (sizeBytes - syncedBytes >= CHECKPOINT_BYTES) await checkpoint();
    },
    sha256: () => hash.copy().digest('hex'),
    async distrust() {
      [sizeBytes, syncedBytes, source] = [0, 0, {}];
      await record({});
      await close();
    },
    async seal() {
      const open = opened();
      await open.truncate(sizeBytes);
      await open.sync();
      if (!(await isNameOf(paths.part, open))) {
        throw new EvolinkError('local-io', `another process has replaced "${paths.part}"`, {
          hint: 'run the command again',
        });
      }
      source = { ...source, totalBytes: sizeBytes };
      syncedBytes = sizeBytes;
      const sha256 = hash.copy().digest('hex');
      await record({ sha256 });
      await close();
      return sha256;
    },
    async suspend() {
      if (handle === undefined) return;
      await checkpoint()
        .catch(() => giveBack())
        .catch(() => undefined);
      await close().catch(() => undefined);
    },
    async discard() {
      await close().catch(() => undefined);
      await removeIfThere(paths.part);
      await removeIfThere(paths.record);
    },
  };

  /** On a full disk even the small record finds no room: some bytes of the part make it. */
  async function giveBack(): Promise<void> {
    const keptBytes = Math.max(syncedBytes === sizeBytes ? 0 : syncedBytes, sizeBytes - SPARE_BYTES);
    await opened().truncate(keptBytes);
    await opened().datasync();
    await record({ syncedBytes: keptBytes });
  }
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (fsErrorCode(error) !== 'ENOENT') throw error;
  }
}
