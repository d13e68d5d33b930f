import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import * as z from 'zod/mini';
import { cutToBytes, MAX_NAME_BYTES, PART_DECORATION_BYTES } from '../config/output.ts';
import { EvolinkError } from '../errors.ts';
import { lstatIfThere, openNew, replaceDurably } from '../platform/durable-file.ts';
import { fsErrorCode } from '../platform/fs-error.ts';
import { currentUserId } from '../platform/process.ts';
import { readSmallFile } from '../platform/read-file.ts';
import { quoteCommand, sanitizeServerText } from '../platform/text.ts';
import { downloadFailed, type KeptPart, type Obstacle } from './errors.ts';
import type { Sink, Source } from './fetch.ts';
import { requireSpace } from './target.ts';

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

/** The record of a part; `undefined` when there is none, or none that can be believed. */
export async function readPartRecord(path: string): Promise<PartRecord | undefined> {
  try {
    return PART_RECORD.parse(JSON.parse(String(readSmallFile(path, MAX_RECORD_BYTES))));
  } catch {
    return undefined;
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

/** The unfinished download of a target, task and link. @throws EvolinkError `local-io` as `requireOwnFiles` */
export async function openPart(key: PartKey): Promise<PartFile> {
  const part = new PartFile(key);
  await part.find();
  return part;
}

/**
 * The unfinished download of one link. Bytes are written and made durable in the background: a method may throw what an
 * earlier one began. Errors are the system's own, and none is ever forgotten.
 */
class PartFile implements Sink {
  /** Why what lay on the disk is not used; absent when nothing did, or when it is used. */
  rejection: string | undefined;
  /** Has seen all bytes that are here. */
  check = new VideoCheck();
  source: Source = {};
  #key: PartKey;
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

  constructor(key: PartKey) {
    this.#key = key;
  }

  get paths() {
    return partPaths(this.#key);
  }

  /** Bytes that are here and believed, some of them perhaps still on their way to the disk. */
  get sizeBytes(): number {
    return this.#acceptedBytes;
  }

  /** What an error tells of it. */
  get kept(): KeptPart | undefined {
    const { sizeBytes, source } = this;
    return sizeBytes > 0 ? { path: this.paths.part, sizeBytes, totalBytes: source.totalBytes } : undefined;
  }

  failure(reason: string, obstacle?: Obstacle): EvolinkError {
    return downloadFailed(this.#key.taskId, reason, this.kept, obstacle);
  }

  /**
   * Goes on with what lies on the disk: only together with its record, and only as far as that says it was made durable; the
   * rest of the file is written over.
   */
  async find(): Promise<void> {
    await requireOwnFiles(this.#key);
    const { part, record: recordPath } = this.paths;
    const stats = await lstatIfThere(part);
    if (stats === undefined) return;
    const record = await readPartRecord(recordPath);
    if (record === undefined) return this.#reject('its record is missing or can not be read');
    const { taskId, validator, totalBytes, syncedBytes, sha256 } = record;
    if (taskId !== this.#key.taskId || record.linkIdentity !== linkIdentity(this.#key.link))
      return this.#reject('it is of another task or link');
    if (validator === undefined && sha256 === undefined)
      return this.#reject('the host gave nothing to recognise its version by');
    const isSound = stats.isFile() && syncedBytes <= Math.min(stats.size, totalBytes ?? stats.size);
    if (!isSound) return this.#reject('it is not as long as its record says');
    const handle = await open(part, constants.O_RDWR | (constants.O_NOFOLLOW ?? 0));
    const check = new VideoCheck();
    const bytes = Buffer.allocUnsafe(READ_BYTES);
    let at = 0;
    while (at < syncedBytes) {
      const { bytesRead } = await handle.read(bytes, 0, Math.min(READ_BYTES, syncedBytes - at), at);
      if (bytesRead === 0) break;
      check.push(bytes.subarray(0, bytesRead));
      at += bytesRead;
    }
    if (at === syncedBytes && (sha256 ?? check.sha256()) === check.sha256()) {
      this.source = { validator, totalBytes };
      this.#use(handle, check, syncedBytes);
    } else {
      await handle.close();
      this.#reject('its bytes are not those of its record');
    }
  }

  #reject(reason: string): void {
    this.rejection = reason;
  }

  #use(handle: FileHandle, check: VideoCheck, sizeBytes: number): void {
    this.#handle = handle;
    this.check = check;
    this.#acceptedBytes = this.#writtenBytes = this.#syncedBytes = sizeBytes;
    this.#failure = undefined;
    this.#hasSyncFailed = false;
  }

  /** A link to another path is another file until proven otherwise, and the old one leads nowhere. */
  async changeLink(link: string): Promise<boolean> {
    if (partPaths({ ...this.#key, link }).part === this.paths.part) return false;
    const hadBytes = this.sizeBytes > 0;
    await this.discard();
    this.#key = { ...this.#key, link };
    this.source = {};
    await this.find();
    return hadBytes;
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
    const of = { schemaVersion: 1, taskId, linkIdentity: linkIdentity(link), ...this.source } as const;
    const record: PartRecord = { ...of, ...facts };
    await replaceDurably(this.paths.record, `${JSON.stringify(record)}\n`);
  }

  /** An empty part under a new inode: whoever still writes to the old one can't harm it. */
  async startOver(source: Source): Promise<void> {
    if (source.totalBytes !== undefined) requireSpace(dirname(this.#key.target), source.totalBytes);
    await this.#close();
    await removeIfThere(this.paths.part);
    this.source = source;
    // Before the first byte: the record of an older part must never meet bytes that are not its own.
    await this.#note({ syncedBytes: 0 });
    // The mode that the umask leaves of 0666, as any saved file has.
    this.#use(await openNew(this.paths.part, 0o666), new VideoCheck(), 0);
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
        if (bytesWritten <= 0) throw Object.assign(new Error('nothing was written'), { code: 'ENOSPC' });
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
    const { paths, sizeBytes } = this;
    const sha256 = this.check.sha256();
    const named = await lstat(paths.part, { bigint: true });
    const { ino, dev } = await this.#file.stat({ bigint: true });
    if (named.ino !== ino || named.dev !== dev)
      throw new EvolinkError('local-io', `another process has replaced "${paths.part}"`, {
        hint: 'run the command again',
      });
    this.source = { ...this.source, totalBytes: sizeBytes };
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

/**
 * What another user of the machine has put in the way is neither believed nor replaced.
 * @throws EvolinkError `local-io`
 */
export async function requireOwnFiles(key: PartKey): Promise<void> {
  const userId = currentUserId();
  for (const path of Object.values(partPaths(key))) {
    const owner = (await lstatIfThere(path))?.uid ?? userId;
    if (userId === undefined || owner === userId) continue;
    const text = `"${path}" belongs to user ${owner}, so the download is not continued`;
    const hint = `if it is yours: ${quoteCommand(['chown', String(userId), path])}`;
    const facts = { hint, charged: 'yes', taskId: key.taskId, retryable: false } as const;
    throw new EvolinkError('local-io', text, facts);
  }
}

async function removeIfThere(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (fsErrorCode(error) !== 'ENOENT') throw error;
  });
}

/** How many bytes are enough to tell a video from an error page. */
const SNIFF_BYTES = 512;
/** Far above what any real file has; bounds the work that a hostile one makes. */
const MAX_BOXES = 65_536;
const PAGE_LINE_LENGTH = 120;

/** What is wrong with the first bytes. A page may stand in the place of a dead link. */
interface Flaw {
  readonly reason: string;
  readonly isPage: boolean;
}

/** What can be said of a clip while its bytes pass. Keeps the first of them and one box header in memory. */
export class VideoCheck {
  readonly #hash = createHash('sha256');
  readonly #missing = new Set(['moov', 'mdat']);
  #start = Buffer.alloc(0);
  #header = Buffer.alloc(0);
  #leftBytes = 0;
  #boxes = 0;
  #isBroken = false;

  push(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    if (!this.isStartKnown())
      this.#start = Buffer.concat([this.#start, chunk.subarray(0, SNIFF_BYTES - this.#start.length)]);
    this.#walk(chunk);
  }

  /** What is inside is for `verifyClip`; here only the sizes of the top-level boxes count (ISO/IEC 14496-12 §4.2). */
  #walk(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length && !this.#isBroken; ) {
      const skippedBytes = Math.min(this.#leftBytes, chunk.length - at);
      this.#leftBytes -= skippedBytes;
      at += skippedBytes;
      if (at === chunk.length) return;
      const isLong = () => this.#header.length >= 8 && this.#header.readUInt32BE(0) === 1;
      const more = chunk.subarray(at, at + (isLong() ? 16 : 8) - this.#header.length);
      this.#header = Buffer.concat([this.#header, more]);
      at += more.length;
      if (this.#header.length === (isLong() ? 16 : 8)) this.#beginBox(this.#header, isLong());
    }
  }

  #beginBox(header: Buffer, isLong: boolean): void {
    const sizeBytes = isLong ? Number(header.readBigUInt64BE(8)) : header.readUInt32BE(0);
    // Size 0: the box ends with the file.
    this.#leftBytes = sizeBytes === 0 ? Number.POSITIVE_INFINITY : sizeBytes - header.length;
    this.#missing.delete(header.toString('latin1', 4, 8));
    this.#boxes += 1;
    this.#isBroken = this.#leftBytes < 0 || this.#boxes > MAX_BOXES;
    this.#header = Buffer.alloc(0);
  }

  sha256(): string {
    return this.#hash.copy().digest('hex');
  }

  /** Whether enough has come to tell a video from a page. */
  isStartKnown(): boolean {
    return this.#start.length >= SNIFF_BYTES;
  }

  /** What the file is instead of an MP4, by its first bytes; of a text, its first line. */
  flaw(): Flaw | undefined {
    if (this.#start.toString('latin1', 4, 8) === 'ftyp') return undefined;
    if (this.#start.length === 0) return { reason: 'the file is empty', isPage: false };
    const text = new TextDecoder().decode(this.#start).trimStart();
    const kind = kindOfText(text);
    if (kind === undefined) return { reason: 'the file does not start as an MP4 does', isPage: false };
    return { reason: `the host sent ${kind} instead of a video: ${firstLine(text)}`, isPage: true };
  }

  /**
   * Why the file is not whole. Where a host closes the connection without having named a length, nothing but the boxes
   * tells a cut file from a whole one before it is on standard output, which mediabunny can't read back.
   */
  cut(): string | undefined {
    if (this.#isBroken) return 'its boxes are broken';
    if (this.#header.length > 0) return 'the file ends inside the header of a box';
    const isCut = this.#leftBytes > 0 && Number.isFinite(this.#leftBytes);
    if (isCut) return `its last box lacks ${this.#leftBytes} bytes`;
    const [first] = this.#missing;
    return first && `it has no "${first}" box`;
  }
}

function kindOfText(text: string): string | undefined {
  if (/^<(?:!doctype html|html|head|body)/i.test(text)) return 'a web page';
  if (/^<(?:\?xml|[a-z][\w:-]*[\s>/])/i.test(text)) return 'an XML document';
  if (/^[{[]/.test(text)) return 'a JSON document';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a text has none of them
  return text.length > 0 && !/[\x00-\x08\x0e-\x1f\ufffd]/.test(text) ? 'a text' : undefined;
}

/** The first words without tags, harmless for a terminal. */
function firstLine(text: string): string {
  const words = sanitizeServerText(text.replace(/<[^>]*>?/g, ' '), { maxLength: PAGE_LINE_LENGTH });
  return words.trim() === '' ? '(no text)' : `"${words.replace(/\s+/g, ' ')}"`;
}
