import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import * as z from 'zod/mini';
import { PART_DECORATION_BYTES } from '../config/output.ts';
import { EvolinkError } from '../errors.ts';
import { lstatIfThere, replaceDurably } from '../platform/durable-file.ts';
import { fsErrorCode } from '../platform/fs-error.ts';
import { currentUserId } from '../platform/process.ts';
import { readSmallFile } from '../platform/read-file.ts';
import { cutText, MAX_NAME_BYTES, quoteCommand, sanitizeServerText } from '../platform/text.ts';
import { downloadFailed, Interruption, type KeptPart, type Obstacle } from './errors.ts';
import { linkIdentity, type Sink, type Source } from './fetch.ts';
import { type Content, requireSpace } from './target.ts';

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

export type PartKey = Readonly<Record<'target' | 'taskId' | 'link', string>>;

/**
 * Where the unfinished download of a target lies: in the target's own folder (publishing must not cross file systems),
 * named after the target, the task and the link, so that no other task's bytes can ever be taken for these.
 */
export function partPaths({ target, taskId, link }: PartKey) {
  const hash = createHash('sha256')
    .update(`${taskId}\n${linkIdentity(link)}`)
    .digest('hex')
    .slice(0, 8);
  const name = cutText(basename(target), MAX_NAME_BYTES - PART_DECORATION_BYTES);
  const part = join(dirname(target), `.${name}.${hash}.part`);
  return { part, record: `${part}.json` };
}

/** The record of a part; `undefined` when there is none, or none that can be believed. */
export function readPartRecord(path: string): PartRecord | undefined {
  try {
    return PART_RECORD.parse(JSON.parse(String(readSmallFile(path, MAX_RECORD_BYTES))));
  } catch {
    return undefined;
  }
}

/** The disk is given no less than this at once: a write for each chunk of the network would cost more than its bytes. */
const LEAST_WRITE_BYTES = 256 * 1024;
/** A power cut or a kill costs at most an eighth of what is here, but a small file is not synced for every few bytes. */
const LEAST_STEP_BYTES = 1024 ** 2;
const MOST_STEP_BYTES = 16 * 1024 ** 2;
const READ_BYTES = 1024 ** 2;

export type PartFile = Awaited<ReturnType<typeof openPart>>;

/**
 * The unfinished download of a target, task and link, with what an earlier run has left of it. Errors of the disk are the
 * system's own.
 * @throws EvolinkError `local-io` as `requireOwnFiles`
 */
export async function openPart(key: PartKey) {
  const paths = partPaths(key);
  let handle: FileHandle | undefined;
  let source: Source = {};
  /** Has seen all bytes that are here: those of the file, then those of the queue. */
  let check = new VideoCheck();
  let queue: Uint8Array[] = [];
  let writtenBytes = 0;
  let syncedBytes = 0;
  /** A system that could not write a page back drops it, and may say at the next fsync(2) that all is well. */
  let hasSyncFailed = false;

  const file = (): FileHandle => {
    if (handle === undefined) throw new EvolinkError('internal', 'the part file is not open');
    return handle;
  };

  function use(opened: FileHandle, seen: VideoCheck, sizeBytes: number): void {
    handle = opened;
    check = seen;
    writtenBytes = syncedBytes = sizeBytes;
    hasSyncFailed = false;
  }

  async function close(): Promise<void> {
    const opened = handle;
    handle = undefined;
    queue = [];
    check = new VideoCheck();
    writtenBytes = syncedBytes = 0;
    await opened?.close();
  }

  async function note(facts: Pick<PartRecord, 'syncedBytes' | 'sha256'>): Promise<void> {
    const { link = key.link, validator, totalBytes } = source;
    const of = { taskId: key.taskId, linkIdentity: linkIdentity(link), validator, totalBytes };
    const record: PartRecord = { schemaVersion: 1, ...of, ...facts };
    await replaceDurably(paths.record, `${JSON.stringify(record)}\n`);
  }

  async function sync(how: 'sync' | 'datasync' = 'sync'): Promise<void> {
    try {
      await file()[how]();
    } catch (error) {
      hasSyncFailed = true;
      throw error;
    }
  }

  async function checkpoint(): Promise<void> {
    await sync('datasync');
    await note({ syncedBytes: writtenBytes });
    syncedBytes = writtenBytes;
  }

  async function flush(): Promise<void> {
    while (queue.length > 0) {
      const { bytesWritten } = await file().writev(queue, writtenBytes);
      // A disk may take fewer bytes without an error (write(2)): asked again, it gives the true one.
      if (bytesWritten <= 0) throw Object.assign(new Error('nothing was written'), { code: 'ENOSPC' });
      queue =
        bytesWritten === check.sizeBytes - writtenBytes ? [] : [Buffer.concat(queue).subarray(bytesWritten)];
      writtenBytes += bytesWritten;
    }
    const stepBytes = Math.min(MOST_STEP_BYTES, Math.max(LEAST_STEP_BYTES, syncedBytes / 8));
    if (writtenBytes - syncedBytes >= stepBytes) await checkpoint();
  }

  /**
   * Goes on with what lies on the disk: only together with its record, and only as far as that says it was made durable; the
   * rest of the file is written over.
   * @returns why what lies there is not used
   */
  async function takeUp(): Promise<string | undefined> {
    await requireOwnFiles(key);
    const stats = await lstatIfThere(paths.part);
    if (stats === undefined) return undefined;
    const record = readPartRecord(paths.record);
    // Begun, and nothing came of it.
    if (record?.syncedBytes === 0) return undefined;
    if (record?.taskId !== key.taskId || (record.validator ?? record.sha256) === undefined)
      return 'no record says what it is of';
    const { linkIdentity: link, validator, totalBytes, syncedBytes: claimedBytes, sha256 } = record;
    const seen = new VideoCheck();
    if (stats.isFile() && claimedBytes <= Math.min(stats.size, totalBytes ?? stats.size)) {
      const opened = await open(paths.part, constants.O_RDWR | (constants.O_NOFOLLOW ?? 0));
      const bytes = Buffer.allocUnsafe(READ_BYTES);
      for (let at = 0; at < claimedBytes; at = seen.sizeBytes) {
        const { bytesRead } = await opened.read(bytes, 0, Math.min(READ_BYTES, claimedBytes - at), at);
        if (bytesRead === 0) break;
        seen.push(bytes.subarray(0, bytesRead));
      }
      if (seen.sizeBytes === claimedBytes && (sha256 ?? seen.sha256()) === seen.sha256()) {
        source = { link, validator, totalBytes };
        use(opened, seen, claimedBytes);
        return undefined;
      }
      await opened.close();
    }
    return 'its bytes are not those of its record';
  }

  return {
    paths,
    /** Why what lay on the disk is not used; absent when nothing did, or when it is used. */
    rejection: await takeUp(),
    get check() {
      return check;
    },
    get source() {
      return source;
    },
    get sizeBytes() {
      return check.sizeBytes;
    },

    failure: (reason: string, obstacle?: Obstacle) => downloadFailed(key.taskId, reason, obstacle),

    /** An empty part under a new inode: whoever still writes to the old one can't harm it. */
    async startOver(next: Source): Promise<void> {
      if (next.totalBytes !== undefined) requireSpace(dirname(key.target), next.totalBytes);
      await close();
      await removeIfThere(paths.part);
      source = next;
      // Before the first byte: the record of an older part must never meet bytes that are not its own.
      await note({ syncedBytes: 0 });
      // The mode that the umask leaves of 0666, as any saved file has.
      use(await open(paths.part, 'wx+', 0o666), new VideoCheck(), 0);
    },

    /** Takes a chunk, which is not to be changed; the network waits while the disk is given what has gathered. */
    async write(chunk: Uint8Array): Promise<void> {
      check.push(chunk);
      queue.push(chunk);
      if (check.sizeBytes - writtenBytes >= LEAST_WRITE_BYTES) await flush();
    },

    /** The file has all that was taken, and nothing that an earlier run left behind it: it can be read by others. */
    async finish(): Promise<void> {
      await flush();
      await file().truncate(writtenBytes);
    },

    sync,

    /** Everything is here and synced: puts its SHA-256 on record, closes it, and returns what it holds. */
    async seal(): Promise<Content> {
      const content = { sizeBytes: writtenBytes, sha256: check.sha256() };
      const named = await lstat(paths.part, { bigint: true });
      const { ino, dev } = await file().stat({ bigint: true });
      if (named.ino !== ino || named.dev !== dev)
        throw new EvolinkError('local-io', `another process has replaced "${paths.part}"`, {
          hint: 'run the command again',
        });
      source = { ...source, totalBytes: writtenBytes };
      await note({ syncedBytes: writtenBytes, sha256: content.sha256 });
      await close();
      return content;
    },

    /** Keeps what is here for the next run, as well as the disk lets it, and closes. Never throws. @returns what is certain */
    async suspend(): Promise<KeptPart | undefined> {
      await flush().catch(() => undefined);
      if (handle !== undefined && !hasSyncFailed) await checkpoint().catch(() => undefined);
      const kept = { path: paths.part, sizeBytes: syncedBytes, totalBytes: source.totalBytes };
      await close().catch(() => undefined);
      return kept.sizeBytes > 0 ? kept : undefined;
    },

    /** Removes part and record. */
    async discard(): Promise<void> {
      await close().catch(() => undefined);
      await removeIfThere(paths.part);
      await removeIfThere(paths.record);
    },
  } satisfies Sink & Record<string, unknown>;
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

/** What can be said of a clip while its bytes pass. Keeps the first of them and one box header in memory. */
export class VideoCheck {
  readonly #hash = createHash('sha256');
  readonly #missing = new Set(['moov', 'mdat']);
  #start = Buffer.alloc(0);
  #header = Buffer.alloc(0);
  #leftBytes = 0;
  #boxes = 0;
  #isBroken = false;
  sizeBytes = 0;

  push(chunk: Uint8Array): void {
    this.sizeBytes += chunk.byteLength;
    this.#hash.update(chunk);
    if (!this.isStartKnown())
      this.#start = Buffer.concat([this.#start, chunk.subarray(0, SNIFF_BYTES - this.#start.length)]);
    this.#walk(chunk);
  }

  /** What is inside is for `verifyClip`; here only the sizes of the top-level boxes count (ISO/IEC 14496-12 §4.2). */
  #walk(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      const skippedBytes = Math.min(this.#leftBytes, chunk.length - at);
      this.#leftBytes -= skippedBytes;
      at += skippedBytes;
      // A box has a header of 8 bytes, or of 16 where its size takes 8.
      this.#header = Buffer.concat([this.#header, chunk.subarray(at, at + 1)]);
      at += 1;
      const isLong = this.#header.length >= 8 && this.#header.readUInt32BE(0) === 1;
      if (this.#header.length === (isLong ? 16 : 8)) this.#beginBox(this.#header, isLong);
    }
  }

  #beginBox(header: Buffer, isLong: boolean): void {
    const sizeBytes = isLong ? Number(header.readBigUInt64BE(8)) : header.readUInt32BE(0);
    this.#boxes += 1;
    this.#isBroken = this.#boxes > MAX_BOXES || (sizeBytes > 0 && sizeBytes < header.length);
    // Size 0: the box ends with the file.
    const isLast = this.#isBroken || sizeBytes === 0;
    this.#leftBytes = isLast ? Number.POSITIVE_INFINITY : sizeBytes - header.length;
    this.#missing.delete(header.toString('latin1', 4, 8));
    this.#header = Buffer.alloc(0);
  }

  sha256(): string {
    return this.#hash.copy().digest('hex');
  }

  /** Whether enough has come to tell a video from a page. */
  isStartKnown(): boolean {
    return this.#start.length >= SNIFF_BYTES;
  }

  /** What the file is instead of an MP4, by its first bytes; a text, of which the first line is told, may stand in the place of a dead link. */
  flaw(): Interruption | undefined {
    if (this.#start.toString('latin1', 4, 8) === 'ftyp') return undefined;
    const text = new TextDecoder().decode(this.#start).trimStart();
    const kind = kindOfText(text);
    const reason =
      kind === undefined
        ? 'the file does not start as an MP4 does'
        : `the host sent ${kind} instead of a video: ${firstLine(text)}`;
    return new Interruption(reason, { isDistrusted: true, isLinkDead: kind !== undefined });
  }

  /**
   * Why the file is not whole. Where a host closes the connection without having named a length, nothing but the boxes
   * tells a cut file from a whole one before it is on standard output, which mediabunny can't read back.
   */
  cut(): Interruption | undefined {
    const [missing] = this.#missing;
    const isCut = this.#header.length > 0 || (this.#leftBytes > 0 && Number.isFinite(this.#leftBytes));
    let reason = missing && `it has no "${missing}" box`;
    if (isCut) reason = 'its last box lacks bytes';
    if (this.#isBroken) reason = 'its boxes are broken';
    return reason === undefined ? undefined : new Interruption(reason, { isDistrusted: true });
  }
}

function kindOfText(text: string): string | undefined {
  if (/^<(?:!doctype html|html|head|body)/i.test(text)) return 'a web page';
  if (/^<(?:\?xml|[a-z][\w:-]*[\s>/])/i.test(text)) return 'an XML document';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a text has none of them
  return text.length > 0 && !/[\x00-\x08\x0e-\x1f\ufffd]/.test(text) ? 'a text' : undefined;
}

/** The first words without tags, harmless for a terminal. */
function firstLine(text: string): string {
  const words = sanitizeServerText(text.replace(/<[^>]*>?/g, ' '), { maxLength: PAGE_LINE_LENGTH });
  return words.trim() === '' ? '(no text)' : `"${words.replace(/\s+/g, ' ')}"`;
}
