import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import * as z from 'zod/mini';
import { cutToBytes, MAX_NAME_BYTES, PART_DECORATION_BYTES } from '../config/output.ts';
import { EvolinkError } from '../errors.ts';
import { lstatIfThere, openNew, replaceDurably, ShortWriteError } from '../platform/durable-file.ts';
import { fsErrorCode } from '../platform/fs-error.ts';
import { currentUserId } from '../platform/process.ts';
import { readSmallFile } from '../platform/read-file.ts';
import { quoteCommand } from '../platform/text.ts';
import type { Source } from './response.ts';
import { VideoCheck } from './verify.ts';

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
  /** Of the whole file, once all of it was here: then all that is left is to publish it. */
  sha256: z.optional(z.string().check(z.regex(/^[0-9a-f]{64}$/))),
});
type PartRecord = z.infer<typeof PART_RECORD>;

const MAX_RECORD_BYTES = 1_000_000;

export interface PartKey {
  readonly target: string;
  readonly taskId: string;
  readonly link: string;
}

/** What makes a link the same link although its signature is new: scheme, host and path, without query and fragment. */
export function linkIdentity(link: string): string {
  // Not a URL at all: opening it will say so in better words.
  if (!URL.canParse(link)) return link.replace(/[?#].*$/s, '');
  const { protocol, host, pathname } = new URL(link);
  return `${protocol}//${host}${pathname}`;
}

/**
 * Where the unfinished download of a target lies: in the target's own folder (publishing must not cross file systems),
 * named after the target, the task and the link, so that no other task's bytes can ever be taken for these.
 */
export function partPaths({ target, taskId, link }: PartKey) {
  const hash = createHash('sha256')
    .update(`${taskId}\n${linkIdentity(link)}`)
    .digest('hex')
    .slice(0, 8);
  const name = cutToBytes(basename(target), MAX_NAME_BYTES - PART_DECORATION_BYTES);
  const part = join(dirname(target), `.${name}.${hash}.part`);
  return { part, record: `${part}.json` };
}
type PartPaths = ReturnType<typeof partPaths>;

/** The record of a part; `undefined` when there is none, `unreadable` when it is not one of ours or torn. */
export async function readPartRecord(path: string): Promise<PartRecord | 'unreadable' | undefined> {
  try {
    return PART_RECORD.parse(JSON.parse((await readSmallFile(path, MAX_RECORD_BYTES)).toString('utf8')));
  } catch (error) {
    return fsErrorCode(error) === 'ENOENT' ? undefined : 'unreadable';
  }
}

/**
 * An idle disk is given no less than this at once: a write for each chunk of the network would cost more than its bytes.
 * With as much in the queue of a busy disk, the network waits: 1 and 8 MiB were measured to be no faster.
 */
const LEAST_WRITE_BYTES = 256 * 1024;
/** A power cut or a kill costs at most an eighth of what is here, but a small file is not synced for every few bytes. */
const LEAST_STEP_BYTES = 1024 ** 2;
const MOST_STEP_BYTES = 16 * 1024 ** 2;
/** What is given back of a full disk, so that the record of the rest can be written. */
const SPARE_BYTES = 64 * 1024;
const READ_BYTES = 1024 ** 2;

/**
 * The unfinished download of one link. Bytes are written and made durable in the background: a method may throw what an
 * earlier one began. Errors are the system's own, and none is ever forgotten.
 */
export class PartFile {
  readonly paths: PartPaths;
  /** Why what lay on the disk is not used; absent when nothing did, or when it is used. */
  readonly rejection: string | undefined;
  check = new VideoCheck();
  #source: Source = {};
  #handle: FileHandle | undefined;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  /** What was taken; after a failure, what the file has of it. */
  #acceptedBytes = 0;
  #writtenBytes = 0;
  #syncedBytes = 0;
  #work: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  /** A system that could not write a page back drops it, and may say at the next fsync(2) that all is well. */
  #hasSyncFailed = false;
  readonly #key: PartKey;

  constructor(key: PartKey, found: FoundPart) {
    this.#key = key;
    this.paths = partPaths(key);
    this.rejection = 'rejection' in found ? found.rejection : undefined;
    if (!('handle' in found)) return;
    const { validator, totalBytes, syncedBytes } = found.record;
    this.#source = { validator, totalBytes };
    this.#open(found.handle, found.check, syncedBytes);
  }

  #open(handle: FileHandle, check: VideoCheck, sizeBytes: number): void {
    this.#handle = handle;
    this.check = check;
    this.#acceptedBytes = this.#writtenBytes = this.#syncedBytes = sizeBytes;
    this.#failure = undefined;
    this.#hasSyncFailed = false;
  }

  /** No step of the background may outlive the file, nor write its record after a later one. */
  async #close(): Promise<void> {
    await this.flush().catch(() => undefined);
    const handle = this.#handle;
    this.#handle = undefined;
    this.#acceptedBytes = 0;
    await handle?.close();
  }

  get #file(): FileHandle {
    if (this.#handle === undefined) throw new EvolinkError('internal', 'the part file is not open');
    return this.#handle;
  }

  async #note(facts: Pick<PartRecord, 'syncedBytes' | 'sha256'>): Promise<void> {
    const { taskId, link } = this.#key;
    const of = { schemaVersion: 1, taskId, linkIdentity: linkIdentity(link), ...this.#source } as const;
    const record: PartRecord = { ...of, ...facts };
    await replaceDurably(this.paths.record, `${JSON.stringify(record)}\n`);
  }

  /** Bytes that are here and believed, some of them perhaps still on their way to the disk. */
  sizeBytes(): number {
    return this.#acceptedBytes;
  }

  source(): Source {
    return this.#source;
  }

  /** An empty part under a new inode: whoever still writes to the old one can't harm it. */
  async startOver(source: Source): Promise<void> {
    await this.#close();
    await removeIfThere(this.paths.part);
    this.#source = source;
    // Before the first byte: the record of an older part must never meet bytes that are not its own.
    await this.#note({ syncedBytes: 0 });
    // The mode that the umask leaves of 0666, as any saved file has.
    this.#open(await openNew(this.paths.part, 0o666), new VideoCheck(), 0);
  }

  /** Takes a chunk, which is not to be changed; where the disk is behind, there is a promise to wait for. */
  write(chunk: Uint8Array): Promise<void> | undefined {
    this.#throwFailure();
    this.check.push(chunk);
    this.#queue.push(chunk);
    this.#queuedBytes += chunk.byteLength;
    this.#acceptedBytes += chunk.byteLength;
    if (this.#queuedBytes >= LEAST_WRITE_BYTES) void this.#start(LEAST_WRITE_BYTES);
    return this.#queuedBytes >= LEAST_WRITE_BYTES ? this.#work : undefined;
  }

  /** Resolves when the file has all that was taken. */
  async flush(): Promise<void> {
    this.#throwFailure();
    while (this.#work !== undefined || this.#queue.length > 0) await this.#start(0);
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #start(leastBytes: number): Promise<void> {
    this.#work ??= this.#writeQueue(leastBytes)
      .catch((error: unknown) => {
        this.#failure = { error };
        this.#acceptedBytes = this.#writtenBytes;
        this.#queue = [];
      })
      .finally(() => {
        this.#work = undefined;
      });
    return this.#work;
  }

  async #writeQueue(leastBytes: number): Promise<void> {
    while (this.#queue.length > 0 && this.#queuedBytes >= leastBytes) {
      let rest = this.#queue;
      this.#queue = [];
      this.#queuedBytes = 0;
      while (rest.length > 0) {
        const { bytesWritten } = await this.#file.writev(rest, this.#writtenBytes);
        // A disk may take fewer bytes without an error (write(2)): asked again, it gives the true one.
        if (bytesWritten <= 0)
          throw new ShortWriteError(`wrote ${this.#writtenBytes} of ${this.#acceptedBytes} bytes`);
        this.#writtenBytes += bytesWritten;
        rest = dropBytes(rest, bytesWritten);
      }
      const stepBytes = Math.min(MOST_STEP_BYTES, Math.max(LEAST_STEP_BYTES, this.#syncedBytes / 8));
      if (this.#writtenBytes - this.#syncedBytes >= stepBytes) await this.#checkpoint();
    }
  }

  async #checkpoint(): Promise<void> {
    const bytes = this.#writtenBytes;
    await this.#sync((handle) => handle.datasync());
    await this.#note({ syncedBytes: bytes });
    this.#syncedBytes = bytes;
  }

  async #sync(flush: (handle: FileHandle) => Promise<void>): Promise<void> {
    try {
      await flush(this.#file);
    } catch (error) {
      this.#hasSyncFailed = true;
      throw error;
    }
  }

  /** The file has all that was taken, and nothing that an earlier run left behind it: it can be read by others. */
  async finish(): Promise<void> {
    await this.flush();
    await this.#file.truncate(this.#writtenBytes);
  }

  /** After `finish`. */
  async sync(): Promise<void> {
    await this.#sync((handle) => handle.sync());
  }

  /** Everything is here and synced: puts its SHA-256 on record, closes it, and returns what it holds. */
  async seal(): Promise<{ readonly sizeBytes: number; readonly sha256: string }> {
    if (!(await isNameOf(this.paths.part, this.#file))) {
      throw new EvolinkError('local-io', `another process has replaced "${this.paths.part}"`, {
        hint: 'run the command again',
      });
    }
    const sizeBytes = this.sizeBytes();
    const sha256 = this.check.sha256();
    this.#source = { ...this.#source, totalBytes: sizeBytes };
    await this.#note({ syncedBytes: sizeBytes, sha256 });
    await this.#close();
    return { sizeBytes, sha256 };
  }

  /** Keeps what is here for the next run, as well as the disk lets it, and closes. Never throws. */
  async suspend(): Promise<void> {
    await this.flush().catch(() => undefined);
    if (this.#handle !== undefined && !this.#hasSyncFailed)
      await this.#checkpoint()
        .catch(() => this.#release())
        .catch(() => undefined);
    await this.#close().catch(() => undefined);
  }

  /** On a full disk even the small record finds no room: some bytes of the part make it. */
  async #release(): Promise<void> {
    if (this.#hasSyncFailed) return;
    const leastBytes = this.#syncedBytes === this.#writtenBytes ? 0 : this.#syncedBytes;
    this.#writtenBytes = Math.max(leastBytes, this.#writtenBytes - SPARE_BYTES);
    await this.#file.truncate(this.#writtenBytes);
    await this.#checkpoint();
  }

  /** Removes part and record. */
  async discard(): Promise<void> {
    await this.#close().catch(() => undefined);
    await removeIfThere(this.paths.part);
    await removeIfThere(this.paths.record);
  }
}

function dropBytes(chunks: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let leftBytes = bytes;
  return chunks.flatMap((chunk) => {
    const rest = chunk.subarray(Math.min(leftBytes, chunk.byteLength));
    leftBytes -= chunk.byteLength - rest.byteLength;
    return rest.byteLength === 0 ? [] : [rest];
  });
}

type FoundPart =
  | { readonly rejection?: string }
  /** `check` has seen the bytes that the record claims. */
  | { readonly handle: FileHandle; readonly record: PartRecord; readonly check: VideoCheck };

/**
 * Opens the part of a target, task and link. What lies on the disk is used only together with its record, and only as far
 * as that says it was made durable; the rest of the file is written over.
 * @throws EvolinkError `local-io` as `requireOwnFiles`
 */
export async function openPart(key: PartKey): Promise<PartFile> {
  const paths = partPaths(key);
  await requireOwnFiles(paths, key.taskId);
  return new PartFile(key, await findPart(paths, key));
}

async function findPart(paths: PartPaths, key: PartKey): Promise<FoundPart> {
  const stats = await lstatIfThere(paths.part);
  if (stats === undefined) return {};
  const record = await readPartRecord(paths.record);
  if (record === undefined) return { rejection: 'its record is missing' };
  if (record === 'unreadable') return { rejection: 'its record can not be read' };
  const { taskId, validator, totalBytes, syncedBytes, sha256 } = record;
  if (taskId !== key.taskId || record.linkIdentity !== linkIdentity(key.link))
    return { rejection: 'it is of another task or link' };
  if (!stats.isFile() || stats.size < syncedBytes) return { rejection: 'it is shorter than its record says' };
  if (totalBytes !== undefined && syncedBytes > totalBytes)
    return { rejection: 'it is longer than the file' };
  if (validator === undefined && sha256 === undefined)
    return { rejection: 'the host gave nothing to recognise its version by' };
  const handle = await open(paths.part, constants.O_RDWR | (constants.O_NOFOLLOW ?? 0));
  const check = new VideoCheck();
  const bytes = Buffer.allocUnsafe(READ_BYTES);
  let at = 0;
  while (at < syncedBytes) {
    const { bytesRead } = await handle.read(bytes, 0, Math.min(READ_BYTES, syncedBytes - at), at);
    if (bytesRead === 0) break;
    check.push(bytes.subarray(0, bytesRead));
    at += bytesRead;
  }
  if (at === syncedBytes && (sha256 ?? check.sha256()) === check.sha256()) return { handle, record, check };
  await handle.close();
  return { rejection: 'its bytes are not those of its record' };
}

/**
 * What another user of the machine has put in the way is neither believed nor replaced.
 * @throws EvolinkError `local-io`
 */
export async function requireOwnFiles(paths: PartPaths, taskId: string): Promise<void> {
  const userId = currentUserId();
  if (userId === undefined) return;
  for (const path of [paths.part, paths.record]) {
    const stats = await lstatIfThere(path);
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

async function removeIfThere(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (fsErrorCode(error) !== 'ENOENT') throw error;
  });
}
