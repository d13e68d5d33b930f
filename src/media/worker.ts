// The process in which media are read: their bytes come from anywhere, and what they make a library do is bounded here.
import type { FileHandle } from 'node:fs/promises';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { describeFsError, FileRefusal, fsErrorCode } from '../platform/fs-error.ts';
import { openRegular } from '../platform/read-file.ts';
import { MEDIA_KINDS, MEDIA_LIMITS } from '../request/models.ts';
import type { Inspection, MediaFacts, MediaProblem } from './facts.ts';

/** What can be asked of the process; one answer each, in order. */
export type MediaQuestion =
  | { readonly kind: 'file'; readonly path: string }
  /** A finished download, of any size. */
  | { readonly kind: 'result'; readonly path: string }
  /** The first bytes of a file behind a URL; `sizeBytes` is its whole size, where its host tells. */
  | { readonly kind: 'head'; readonly bytes: Uint8Array; readonly sizeBytes: number | undefined };

/** Processor time for one question: a good 4k clip takes a tenth. */
const MOST_CPU_SECONDS = 5;
/** Beside the limit of the heap, which does not count buffers. */
const MOST_RESIDENT_BYTES = 220 * 1024 ** 2;
const WATCH_INTERVAL_MS = 20;
/** No index and no sample of a clip that the service makes or accepts comes near it. */
const MOST_BYTES_AT_ONCE = 32 * 1024 ** 2;
/** Pictures are read whole up to here; the largest that is accepted has half. */
const MOST_IMAGE_BYTES = 64 * 1024 ** 2;
/** A file so many times above the limit of its kind is not looked into: its size is enough. */
const FAR_ABOVE = 5;
/** 60 frames a second for more than the longest clip that is accepted; a longer one is judged by its start. */
const MOST_FRAMES_COUNTED = 2_000;
/** Difference between what a head says and what is there that no rounding explains. */
const CUT_SECONDS = 0.5;
const HEAD_BYTES = 4_100;

const FORMATS = `use ${Object.entries(MEDIA_LIMITS)
  .map(([kind, { formats }]) => `${formats.join(', ')} (${kind})`)
  .join('; ')}`;

class OverLimitError extends Error {
  override readonly name = 'OverLimitError';
}

/** What could be looked into, or only its outside; with what is wrong. */
function outcome(facts: MediaFacts | undefined, ...problems: readonly MediaProblem[]): Inspection {
  return { facts, problems, remarks: [] };
}

function isCut(is: string): MediaProblem {
  return { rule: 'whole', is: `is not whole: ${is}`, allowed: 'copy or export it again' };
}

/** Bytes to look into: those of a file, or the first of one. */
interface Content {
  readonly lengthBytes: number;
  readonly isWhole: boolean;
  read(start: number, lengthBytes: number): Promise<Buffer>;
}

/** Whatever a file holds gives an answer; only what is over a limit throws. */
async function inspectFile(path: string, isResult: boolean): Promise<Inspection> {
  let handle: FileHandle | undefined;
  try {
    const opened = await openRegular(path);
    handle = opened;
    const { size } = await opened.stat();
    const allowed = 'there must be something in it';
    if (size === 0) return outcome(undefined, { rule: 'whole', is: 'is empty (0 bytes)', allowed });
    const content = {
      lengthBytes: size,
      isWhole: true,
      read: (start: number, lengthBytes: number) =>
        readAt(opened, start, Math.min(lengthBytes, size - start)),
    };
    const type = await sniff(content);
    if (type === undefined) {
      const is = describeUnknown(await content.read(0, HEAD_BYTES));
      return outcome(undefined, { rule: 'type', is, allowed: FORMATS });
    }
    const facts = { sizeBytes: size, ...type };
    const isFarAbove = type.kind && size > FAR_ABOVE * MEDIA_LIMITS[type.kind].maxFileBytes;
    return isFarAbove && !isResult ? outcome(facts) : await lookInto(facts, content);
  } catch (error) {
    if (error instanceof OverLimitError) throw error;
    const why =
      fsErrorCode(error) === 'ENOENT' ? 'does not exist' : `can't be read: ${describeFsError(error)}`;
    const is = error instanceof FileRefusal ? error.message.replace(/^it /, '') : why;
    const allowed = error instanceof FileRefusal ? 'a file is needed' : 'check the path and its permissions';
    return outcome(undefined, { rule: 'readable', is, allowed });
  } finally {
    await handle?.close();
  }
}

/** Of a file whose end is missing, what is there must do: nothing is wrong with it. */
async function inspectHead(bytes: Uint8Array, sizeBytes: number | undefined): Promise<Inspection> {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const content = {
    lengthBytes: head.length,
    isWhole: sizeBytes === head.length,
    read: async (start: number, lengthBytes: number) => head.subarray(start, start + lengthBytes),
  };
  const type = await sniff(content);
  if (type === undefined) {
    const isPage = /^\s*<(!doctype|html|\?xml)/i.test(head.toString('latin1', 0, 200));
    const remark = isPage ? 'answers with a page, not with a file' : 'is of an unsupported type';
    return { problems: [], remarks: [remark] };
  }
  // A size that nobody told is left to the service.
  const facts = { sizeBytes: sizeBytes ?? 0, ...type };
  const isReadable = type.kind === 'image' || content.isWhole || hasWholeIndex(head);
  return outcome(isReadable ? (await lookInto(facts, content)).facts : facts);
}

async function lookInto(facts: MediaFacts, content: Content): Promise<Inspection> {
  const { lengthBytes, isWhole } = content;
  if (!INSPECTED.has(facts.format)) return outcome(facts);
  if (facts.kind === 'image') {
    const bytes = await content.read(0, Math.min(lengthBytes, MOST_IMAGE_BYTES));
    return inspectImage(facts, bytes, isWhole && bytes.length === lengthBytes);
  }
  const cut =
    facts.format === 'wav' && isWhole ? cutOfRiff(await content.read(0, 12), lengthBytes) : undefined;
  return cut === undefined ? inspectClip(facts, content) : outcome(facts, isCut(cut));
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(buffer, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

// ---- What a file is

type MediaType = Pick<MediaFacts, 'format' | 'mimeType' | 'kind'>;

/** Formats whose usual extension is not their name, and types that have several names. */
const NAMES: Readonly<Record<string, { readonly format: string; readonly mimeType?: string }>> = {
  jpg: { format: 'jpeg' },
  tif: { format: 'tiff' },
  // Apple's word for MP4 with its own brand; the box structure is the same.
  m4v: { format: 'mp4', mimeType: 'video/mp4' },
};

/** Only what the service accepts is looked into; of other types the name is enough. */
const INSPECTED: ReadonlySet<string> = new Set(Object.values(MEDIA_LIMITS).flatMap(({ formats }) => formats));

async function sniff({ lengthBytes, read }: Content): Promise<MediaType | undefined> {
  const { fileTypeFromBuffer } = await import('file-type');
  // A file that ends in the middle of its head makes the library throw; the type is unknown then.
  const found = await fileTypeFromBuffer(await read(0, HEAD_BYTES)).catch(() => undefined);
  if (found === undefined || lengthBytes < 2) return undefined;
  const { format = found.ext, mimeType = found.mime } = NAMES[found.ext] ?? {};
  return { format, mimeType, kind: MEDIA_KINDS.find((kind) => mimeType.startsWith(`${kind}/`)) };
}

/** Text is what error pages and mistaken names lead to, so it is named. */
function describeUnknown(head: Buffer): string {
  const text = head.toString('utf8', 0, 512).trimStart();
  if (/^<svg|^<\?xml[\s\S]*<svg/i.test(text)) return 'is an SVG drawing';
  if (/^<(!doctype\s+html|html|head|body)/i.test(text)) return 'is an HTML page';
  const isText = text.length > 8 && !/[\0\uFFFD]/.test(text);
  return isText ? 'is text' : 'has an unsupported file type';
}

// ---- Images

/** Width and height as shown, EXIF orientation applied, and whether the end is there. Nothing is decoded. */
async function inspectImage(facts: MediaFacts, bytes: Buffer, isComplete: boolean): Promise<Inspection> {
  const cut = isComplete ? cutOfImage(facts.format, bytes) : undefined;
  if (cut !== undefined) return outcome(facts, isCut(cut));
  const { imageSize } = await import('image-size');
  try {
    const { width, height, orientation = 1 } = imageSize(bytes);
    // 5 to 8 swap width and height (CIPA DC-008 §4.6.4, tag 0x0112).
    const [widthPx, heightPx] = orientation >= 5 && orientation <= 8 ? [height, width] : [width, height];
    // Bit "Animation" of the VP8X flags (RFC 9649 §2.7.1).
    const isAnimated = bytes.toString('latin1', 8, 16) === 'WEBPVP8X' && ((bytes[20] ?? 0) & 0x02) !== 0;
    return {
      facts: { ...facts, widthPx, heightPx, isTurned: orientation > 1, isAnimated },
      problems: [],
      remarks: isAnimated ? ['is animated; at most its first picture counts'] : [],
    };
  } catch {
    return outcome(facts, ...(isComplete ? [isCut("its head can't be read")] : []));
  }
}

function cutOfImage(format: string, file: Buffer): string | undefined {
  if (format === 'png') return file.includes('IEND') ? undefined : 'the end of the image is missing';
  return format === 'jpeg' ? cutOfJpeg(file) : cutOfRiff(file, file.length);
}

/** Segments up to the first scan (ITU-T T.81 §B.1.1.4), then the end marker behind it: previews have one of their own. */
function cutOfJpeg(file: Buffer): string | undefined {
  for (let at = 2; at + 4 <= file.length; ) {
    const marker = file[at + 1] ?? 0;
    if (file[at] !== 0xff) return 'a part of its head is broken';
    if (marker === 0xff) at += 1;
    else if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) at += 2;
    else {
      at += 2 + file.readUInt16BE(at + 2);
      if (marker === 0xda)
        return file.includes('\xff\xd9', at, 'latin1') ? undefined : 'the end of the image is missing';
    }
  }
  return 'it ends before the picture begins';
}

/** WebP and WAV; a size of all ones or none is what recorders write that were not stopped. */
function cutOfRiff(head: Buffer, sizeBytes: number): string | undefined {
  if (head.length < 12) return 'it ends inside its head';
  const announcedBytes = head.readUInt32LE(4);
  const missingBytes = announcedBytes + 8 - sizeBytes;
  return missingBytes > 0 && announcedBytes !== 0xffff_ffff ? `${missingBytes} bytes are missing` : undefined;
}

// ---- Video and audio

interface Clip {
  readonly facts?: Partial<MediaFacts>;
  readonly declaredSeconds?: number | undefined;
  /** A sample lies outside the file. */
  readonly isCut?: boolean;
}

async function inspectClip(facts: MediaFacts, content: Content): Promise<Inspection> {
  const clip = await readClip(content).catch((error: unknown): Clip => {
    if (error instanceof OverLimitError) throw error;
    // Whatever a library says is about its own inside; what matters to the person is that the file can't be read.
    return {};
  });
  if (clip.isCut === true) return outcome(facts, isCut('some of its frames or sounds are missing'));
  const seen = { ...facts, ...clip.facts };
  if (seen.seconds === undefined) {
    // Cameras write the index last, so that a clip that was cut has none.
    const isBoxes = facts.format === 'mp4' || facts.format === 'mov';
    const unreadable = { rule: 'readable', is: "can't be read inside", allowed: 'convert it' } as const;
    return outcome(facts, isBoxes ? isCut("its index can't be read") : unreadable);
  }
  const missing = (clip.declaredSeconds ?? 0) - seen.seconds;
  const isShort = facts.format === 'mp3' && missing > CUT_SECONDS && (await declaresLength(content));
  return outcome(seen, ...(isShort ? [isCut(`${missing.toFixed(1)} s are missing at its end`)] : []));
}

/** Pixels, frames a second, length and codecs, by the packets of each track; nothing is decoded. */
async function readClip({ lengthBytes, isWhole, read }: Content): Promise<Clip> {
  const { CustomSource, EncodedPacketSink, Input, MP3, MP4, QTFF, WAVE } = await import('mediabunny');
  let leftBytes = 3 * lengthBytes + MOST_BYTES_AT_ONCE;
  const source = new CustomSource({
    getSize: () => lengthBytes,
    read: (start, end) => {
      leftBytes -= end - start;
      if (end - start > MOST_BYTES_AT_ONCE || leftBytes < 0) throw new OverLimitError('too many bytes');
      return read(start, end - start);
    },
    prefetchProfile: 'fileSystem',
    handleUnhandledError: () => undefined,
  });
  const input = new Input({ formats: [MP4, QTFF, MP3, WAVE], source });
  try {
    const declaredSeconds = (await input.getDurationFromMetadata().catch(() => null)) ?? undefined;
    const video = await input.getPrimaryVideoTrack();
    const audio = await input.getPrimaryAudioTrack();
    let [startSeconds, endSeconds] = [Number.POSITIVE_INFINITY, 0];
    for (const track of [video, audio]) {
      if (track === null) continue;
      // Some files start their clock late, so that the end alone would count too much.
      startSeconds = Math.min(startSeconds, Math.max(0, await track.getFirstTimestamp()));
      endSeconds = Math.max(endSeconds, await track.computeDuration());
      if (!isWhole) continue;
      const sink = new EncodedPacketSink(track);
      // Packets whose data lie outside the file end the second walk too early.
      let missing = 0;
      for await (const _ of sink.packets(undefined, undefined, { metadataOnly: true })) missing += 1;
      for await (const _ of sink.packets()) missing -= 1;
      if (missing !== 0) return { isCut: true };
    }
    const seconds = endSeconds - startSeconds;
    const rate = (await video?.computePacketStats(MOST_FRAMES_COUNTED))?.averagePacketRate ?? 0;
    const isSwapped = (video?.rotation ?? 0) % 180 !== 0;
    const facts: Partial<MediaFacts> = {
      seconds: Number.isFinite(seconds) && seconds > 0 ? seconds : undefined,
      audioCodec: audio ? (audio.codec ?? 'unknown') : undefined,
      channels: audio?.numberOfChannels,
      videoCodec: video ? (video.codec ?? 'unknown') : undefined,
      widthPx: isSwapped ? video?.codedHeight : video?.codedWidth,
      heightPx: isSwapped ? video?.codedWidth : video?.codedHeight,
      isTurned: video ? video.rotation !== 0 : undefined,
      framesPerSecond: rate > 0 ? rate : undefined,
    };
    return { facts, declaredSeconds };
  } finally {
    input.dispose();
  }
}

/**
 * Whether the first frame of an MP3 counts the others (the "Xing" or "Info" header); without it a length that comes from
 * the head is a guess by size and bit rate.
 */
async function declaresLength({ read }: Content): Promise<boolean> {
  const head = await read(0, 10);
  const hasTag = head.toString('latin1', 0, 3) === 'ID3';
  // Four times seven bits (ID3v2.4.0 §3.1).
  const tagBytes = [...head.subarray(6, 10)].reduce((size, byte) => size * 128 + (byte & 0x7f), 0);
  const frame = await read(hasTag ? tagBytes + 10 : 0, 256);
  return frame.includes('Xing') || frame.includes('Info');
}

/** Whether the index of an MP4 or MOV lies in these bytes, and describes all of the file (no fragments). */
function hasWholeIndex(file: Buffer): boolean {
  const start = file.indexOf('moov', 0, 'latin1') - 4;
  const end = start < 0 ? file.length + 1 : start + file.readUInt32BE(start);
  return end <= file.length && !file.subarray(start, end).includes('mvex');
}

// ---- The process

/** When the question at hand was begun, in microseconds of this process; negative between two. */
type Begun = Float64Array;

function cpuMicroseconds(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** In a thread of its own, as the other may be caught in a loop. */
function watch(begun: Begun): void {
  setInterval(() => {
    const startedAt = begun[0] ?? -1;
    if (startedAt < 0) return;
    const isLate = cpuMicroseconds() - startedAt > MOST_CPU_SECONDS * 1e6;
    if (isLate || process.memoryUsage.rss() > MOST_RESIDENT_BYTES) process.kill(process.pid, 'SIGKILL');
  }, WATCH_INTERVAL_MS);
}

function serve(): void {
  const begun = new Float64Array(new SharedArrayBuffer(8)).fill(-1);
  new Worker(new URL(import.meta.url), { workerData: begun });
  process.on('disconnect', () => process.exit());
  process.on('message', async (question: MediaQuestion) => {
    begun[0] = cpuMicroseconds();
    try {
      const answer =
        question.kind === 'head'
          ? await inspectHead(question.bytes, question.sizeBytes)
          : await inspectFile(question.path, question.kind === 'result');
      begun[0] = -1;
      process.send?.(answer);
    } catch {
      // Over a limit, or a fault of ours: the one who asks sees the end of this process.
      process.exit(1);
    }
  });
}

if (isMainThread) serve();
else watch(workerData);
