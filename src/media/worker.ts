// The process in which media are read: their bytes come from anywhere, and what they make a library do is bounded here.
import { closeSync, readSync } from 'node:fs';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { describeFsError, fsErrorCode } from '../platform/fs-error.ts';
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
/** A file so many times above the limit of its kind is not looked into: its size is enough. */
const FAR_ABOVE = 2;
/** 60 frames a second for more than the longest clip that is accepted; a longer one is judged by its start. */
const MOST_FRAMES_COUNTED = 2_000;
/** Difference between what a head says and what is there that no rounding explains. */
const CUT_SECONDS = 0.5;
const HEAD_BYTES = 4_100;
const OVER_LIMIT = 1;

const FORMATS = `use ${Object.entries(MEDIA_LIMITS)
  .map(([kind, { formats }]) => `${formats.join(', ')} (${kind})`)
  .join('; ')}`;

/** What could be looked into, or only its outside; with what is wrong. */
function outcome(facts: MediaFacts | undefined, ...problems: readonly MediaProblem[]): Inspection {
  return { facts, problems, remarks: [] };
}

function isCut(is: string): MediaProblem {
  return { rule: 'whole', is: `is not whole: ${is}`, allowed: 'copy or export it again' };
}
const NO_END = isCut('its end is missing');

/** Bytes to look into: those of a file, or the first of one. */
interface Content {
  readonly lengthBytes: number;
  readonly isWhole: boolean;
  read(start: number, lengthBytes: number): Buffer;
}

/** Whatever a file holds gives an answer; only what is over a limit ends the process. */
async function inspectFile(path: string, isResult: boolean): Promise<Inspection> {
  let descriptor: number | undefined;
  try {
    const opened = openRegular(path);
    descriptor = opened.descriptor;
    const { size } = opened.stats;
    const allowed = 'there must be something in it';
    if (size === 0) return outcome(undefined, { rule: 'whole', is: 'is empty (0 bytes)', allowed });
    const content: Content = {
      lengthBytes: size,
      isWhole: true,
      read(start, lengthBytes) {
        const buffer = Buffer.allocUnsafeSlow(Math.min(lengthBytes, size - start));
        return buffer.subarray(0, readSync(opened.descriptor, buffer, { position: start }));
      },
    };
    const type = await sniff(content);
    if (type === undefined)
      return outcome(undefined, { rule: 'type', is: 'has an unsupported file type', allowed: FORMATS });
    const facts = { sizeBytes: size, ...type };
    const isFarAbove = type.kind && size > FAR_ABOVE * MEDIA_LIMITS[type.kind].maxFileBytes;
    return isFarAbove && !isResult ? outcome(facts) : await lookInto(facts, content);
  } catch (error) {
    const is =
      fsErrorCode(error) === 'ENOENT' ? 'does not exist' : `can't be read: ${describeFsError(error)}`;
    return outcome(undefined, { rule: 'readable', is, allowed: 'check the path and its permissions' });
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** Of a file whose end is missing, what is there must do: nothing is wrong with it. */
async function inspectHead(bytes: Uint8Array, sizeBytes: number | undefined): Promise<Inspection> {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const content: Content = {
    lengthBytes: head.length,
    isWhole: sizeBytes === head.length,
    read: (start, lengthBytes) => head.subarray(start, start + lengthBytes),
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

/** Only what the service accepts is looked into; of other types the name is enough. */
const INSPECTED: ReadonlySet<string> = new Set(Object.values(MEDIA_LIMITS).flatMap(({ formats }) => formats));

async function lookInto(facts: MediaFacts, content: Content): Promise<Inspection> {
  const { format } = facts;
  if (!INSPECTED.has(format)) return outcome(facts);
  const bytes = content.read(0, facts.kind === 'image' ? content.lengthBytes : 12);
  if (content.isWhole && ENDS[format]?.(bytes, content.lengthBytes) === false) return outcome(facts, NO_END);
  return facts.kind === 'image' ? inspectImage(facts, bytes, content.isWhole) : inspectClip(facts, content);
}

/** Whether the end of a file is there, by what stands in it. */
const ENDS: Readonly<Record<string, (bytes: Buffer, sizeBytes: number) => boolean>> = {
  png: (file) => file.includes('IEND'),
  jpeg: hasJpegEnd,
  webp: hasRiffEnd,
  wav: hasRiffEnd,
};

/** Segments up to the first scan (ITU-T T.81 §B.1.1.4), then the end marker behind it: previews have one of their own. */
function hasJpegEnd(file: Buffer): boolean {
  let at = 2;
  while (at + 4 <= file.length && file[at] === 0xff && file[at + 1] !== 0xda)
    at += file[at + 1] === 0xff ? 1 : 2 + file.readUInt16BE(at + 2);
  return file[at + 1] === 0xda && file.includes('\xff\xd9', at, 'latin1');
}

/** A size of all ones or none is what recorders write that were not stopped. */
function hasRiffEnd(head: Buffer, sizeBytes: number): boolean {
  const announcedBytes = head.length < 12 ? Number.POSITIVE_INFINITY : head.readUInt32LE(4);
  return announcedBytes + 8 <= sizeBytes || announcedBytes === 0xffff_ffff;
}

// ---- What a file is

type MediaType = Pick<MediaFacts, 'format' | 'mimeType' | 'kind'>;

/** Formats whose usual extension is not their name, and types that have several names. */
const NAMES: Readonly<Record<string, { readonly format: string; readonly mimeType?: string }>> = {
  jpg: { format: 'jpeg' },
  // Apple's word for MP4 with its own brand; the box structure is the same.
  m4v: { format: 'mp4', mimeType: 'video/mp4' },
};

async function sniff({ lengthBytes, read }: Content): Promise<MediaType | undefined> {
  const { fileTypeFromBuffer } = await import('file-type');
  // A file that ends in the middle of its head makes the library throw; the type is unknown then.
  const found = await fileTypeFromBuffer(read(0, HEAD_BYTES)).catch(() => undefined);
  if (found === undefined || lengthBytes < 2) return undefined;
  const { format = found.ext, mimeType = found.mime } = NAMES[found.ext] ?? {};
  return { format, mimeType, kind: MEDIA_KINDS.find((kind) => mimeType.startsWith(`${kind}/`)) };
}

/** Width and height as shown, EXIF orientation applied. Nothing is decoded. */
async function inspectImage(facts: MediaFacts, bytes: Buffer, isWhole: boolean): Promise<Inspection> {
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
    return outcome(facts, ...(isWhole ? [isCut("its head can't be read")] : []));
  }
}

// ---- Video and audio

async function inspectClip(facts: MediaFacts, content: Content): Promise<Inspection> {
  // Whatever a library says is about its own inside; what matters to the person is that the file can't be read.
  const clip = await readClip(content).catch(() => undefined);
  if (clip?.isCut === true) return outcome(facts, isCut('some of its frames or sounds are missing'));
  const { seconds } = clip?.facts ?? {};
  if (seconds === undefined) {
    // Cameras write the index last, so that a clip that was cut has none.
    const isBoxes = facts.format === 'mp4' || facts.format === 'mov';
    const unreadable = { rule: 'readable', is: "can't be read inside", allowed: 'convert it' } as const;
    return outcome({ ...facts, ...clip?.facts }, isBoxes ? isCut("its index can't be read") : unreadable);
  }
  const isShort = (clip?.declaredSeconds ?? 0) - seconds > CUT_SECONDS;
  const isCutSound = facts.format === 'mp3' && isShort && declaresLength(content);
  return outcome({ ...facts, ...clip?.facts }, ...(isCutSound ? [NO_END] : []));
}

/** Pixels, frames a second, length and codecs, by the packets of each track; nothing is decoded. */
async function readClip({ lengthBytes, isWhole, read }: Content) {
  const { CustomSource, EncodedPacketSink, Input, MP3, MP4, QTFF, WAVE } = await import('mediabunny');
  let leftBytes = 3 * lengthBytes + MOST_BYTES_AT_ONCE;
  const source = new CustomSource({
    getSize: () => lengthBytes,
    read: (start, end) => {
      leftBytes -= end - start;
      if (end - start > MOST_BYTES_AT_ONCE || leftBytes < 0) process.exit(OVER_LIMIT);
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
    // Packets whose data lie outside the file end the second walk too early.
    let missing = 0;
    for (const track of [video, audio].filter((each) => each !== null)) {
      // Some files start their clock late, so that the end alone would count too much.
      startSeconds = Math.min(startSeconds, Math.max(0, await track.getFirstTimestamp()));
      endSeconds = Math.max(endSeconds, await track.computeDuration());
      if (!isWhole) continue;
      const sink = new EncodedPacketSink(track);
      for await (const _ of sink.packets(undefined, undefined, { metadataOnly: true })) missing += 1;
      for await (const _ of sink.packets()) missing -= 1;
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
    return { facts, declaredSeconds, isCut: missing !== 0 };
  } finally {
    input.dispose();
  }
}

/**
 * Whether the first frame of an MP3 counts the others (the "Xing" or "Info" header); without it a length that comes from
 * the head is a guess by size and bit rate.
 */
function declaresLength({ read }: Content): boolean {
  const head = read(0, 10);
  // Four times seven bits (ID3v2.4.0 §3.1).
  const tagBytes = [...head.subarray(6)].reduce((size, byte) => size * 128 + (byte & 0x7f), 0);
  const frame = read(head.toString('latin1', 0, 3) === 'ID3' ? tagBytes + 10 : 0, 256);
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
      // A fault of ours: the one who asks sees the end of this process, as where it is over a limit.
      process.exit(OVER_LIMIT);
    }
  });
}

if (isMainThread) serve();
else watch(workerData);
