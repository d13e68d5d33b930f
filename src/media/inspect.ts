import { stat } from 'node:fs/promises';
import type { FileTypeResult } from 'file-type';
import type { Input, InputTrack, Source } from 'mediabunny';
import { type ReadableFile, readBoxHeader } from '../download/verify.ts';
import { describeFsError } from '../platform/fs-error.ts';
import { openRegular } from '../platform/read-file.ts';
import { MEDIA_LIMITS, type MediaKind } from '../request/models.ts';
import type { Inspection, MediaFacts, MediaProblem } from './facts.ts';

/** Opens a file for reads anywhere in it, and closes it after `action`. @throws the system's errors */
async function withReadableFile<T>(path: string, action: (file: ReadableFile) => Promise<T>): Promise<T> {
  const handle = await openRegular(path);
  try {
    const { size } = await handle.stat();
    return await action({
      sizeBytes: size,
      async readAt(positionBytes, lengthBytes) {
        const buffer = Buffer.alloc(Math.max(0, Math.min(lengthBytes, size - positionBytes)));
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, positionBytes);
        return buffer.subarray(0, bytesRead);
      },
    });
  } finally {
    await handle.close();
  }
}

export interface MediaType {
  readonly format: string;
  readonly mimeType: string;
  readonly kind?: MediaKind | undefined;
  /** The extension of a file of this type, with its dot. */
  readonly extension: string;
}

/** Formats whose usual extension is not their name, and types that have several names. */
const NAMES: Readonly<Record<string, { readonly format: string; readonly mimeType?: string }>> = {
  jpg: { format: 'jpeg' },
  tif: { format: 'tiff' },
  // Apple's word for MP4 with its own brand; the box structure is the same.
  m4v: { format: 'mp4', mimeType: 'video/mp4' },
};

/**
 * The type of a local file by its bytes; undefined for bytes that no known type has. The library is loaded at the first
 * call. @throws the system's errors of reading
 */
async function sniffFile(path: string): Promise<MediaType | undefined> {
  const { fileTypeFromFile } = await import('file-type');
  return guarded(() => fileTypeFromFile(path));
}

/** The same for the first bytes of a file (some kilobytes are enough for most types). */
export async function sniffBytes(bytes: Uint8Array): Promise<MediaType | undefined> {
  const { fileTypeFromBuffer } = await import('file-type');
  return guarded(() => fileTypeFromBuffer(bytes));
}

/** A file that ends in the middle of its head makes the library throw; the type is unknown then. */
async function guarded(detect: () => Promise<FileTypeResult | undefined>): Promise<MediaType | undefined> {
  try {
    const found = await detect();
    return found === undefined ? undefined : toMediaType(found);
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) throw error;
    return undefined;
  }
}

function toMediaType({ ext, mime }: FileTypeResult): MediaType {
  const known = NAMES[ext];
  const mimeType = known?.mimeType ?? mime;
  const format = known?.format ?? ext;
  return { format, mimeType, kind: kindOf(mimeType), extension: `.${format === 'jpeg' ? 'jpg' : format}` };
}

function kindOf(mimeType: string): MediaKind | undefined {
  const [family] = mimeType.split('/');
  return family === 'image' || family === 'video' || family === 'audio' ? family : undefined;
}

type ClipFacts = Pick<
  MediaFacts,
  | 'widthPx'
  | 'heightPx'
  | 'isTurned'
  | 'framesPerSecond'
  | 'seconds'
  | 'videoCodec'
  | 'audioCodec'
  | 'channels'
>;

export interface ClipInspection {
  /** Absent where the library can't read the file. */
  readonly facts?: ClipFacts | undefined;
  /** What the head says of the length, where it says anything. */
  readonly declaredSeconds?: number | undefined;
}

/** 60 frames a second for more than the longest clip that is taken; a longer one is judged by its start. */
const MAX_FRAMES_COUNTED = 2_000;

/**
 * Pixels, frames a second, length and codecs of a clip or a sound, from its index; packets are counted, never decoded.
 * The library reads what it needs and holds at most 8 MiB.
 */
async function inspectClip(path: string): Promise<ClipInspection> {
  const { FilePathSource } = await import('mediabunny');
  return inspectSource(new FilePathSource(path, { handleUnhandledError: () => undefined }));
}

/** The same from the first bytes of a file: enough where the index comes first. */
export async function inspectClipHead(head: Uint8Array): Promise<ClipInspection> {
  const { BufferSource } = await import('mediabunny');
  return inspectSource(new BufferSource(head));
}

async function inspectSource(source: Source): Promise<ClipInspection> {
  const { ALL_FORMATS, Input } = await import('mediabunny');
  const input = new Input({ formats: ALL_FORMATS, source });
  try {
    const declaredSeconds = await input.getDurationFromMetadata().catch(() => null);
    return { facts: await readFacts(input), declaredSeconds: declaredSeconds ?? undefined };
  } catch {
    // Whatever it says is about its own inside; what matters to the person is that the file can't be read.
    return {};
  } finally {
    input.dispose();
  }
}

async function readFacts(input: Input): Promise<ClipFacts> {
  const tracks = await input.getTracks();
  const video = await input.getPrimaryVideoTrack();
  const audio = await input.getPrimaryAudioTrack();
  const seconds = await lengthOf(tracks.filter((track) => track === video || track === audio));
  const sound =
    audio === null ? {} : { audioCodec: audio.codec ?? 'unknown', channels: audio.numberOfChannels };
  if (video === null) return { seconds, ...sound };
  const { averagePacketRate } = await video.computePacketStats(MAX_FRAMES_COUNTED);
  const isSwapped = video.rotation % 180 !== 0;
  return {
    seconds,
    ...sound,
    videoCodec: video.codec ?? 'unknown',
    widthPx: isSwapped ? video.codedHeight : video.codedWidth,
    heightPx: isSwapped ? video.codedWidth : video.codedHeight,
    isTurned: video.rotation !== 0,
    framesPerSecond: averagePacketRate > 0 ? averagePacketRate : undefined,
  };
}

/** Some files start their clock late, so that the end alone would count too much. */
async function lengthOf(tracks: readonly InputTrack[]): Promise<number | undefined> {
  const starts = await Promise.all(tracks.map((track) => track.getFirstTimestamp()));
  const ends = await Promise.all(tracks.map((track) => track.computeDuration()));
  const seconds = Math.max(...ends) - Math.min(...starts.map((start) => Math.max(0, start)));
  return Number.isFinite(seconds) && seconds > 0 ? seconds : undefined;
}

export type PictureFacts = Pick<MediaFacts, 'widthPx' | 'heightPx' | 'isTurned' | 'isAnimated'>;

/** Most heads end here; a JPEG with a large colour profile or preview needs more. */
const HEAD_BYTES = 512 * 1024;
const MAX_HEAD_BYTES = 16 * 1024 * 1024;
/** Bit "Animation" of the VP8X flags (RFC 9649 §2.7.1). */
const ANIMATION = 0x02;

/** Width and height as shown, EXIF orientation applied; nothing where the head does not tell. Nothing is decoded. */
async function inspectPicture(file: ReadableFile, format: string): Promise<PictureFacts> {
  for (let lengthBytes = HEAD_BYTES; ; lengthBytes *= 4) {
    const head = await file.readAt(0, lengthBytes);
    const facts = await readPictureHead(head, format);
    if (facts.widthPx !== undefined || head.length < lengthBytes || lengthBytes > MAX_HEAD_BYTES)
      return facts;
  }
}

/** The same from the first bytes alone. */
export async function readPictureHead(head: Uint8Array, format: string): Promise<PictureFacts> {
  const { imageSize } = await import('image-size');
  try {
    const { width, height, orientation = 1 } = imageSize(head);
    // 5 to 8 swap width and height (CIPA DC-008 §4.6.4, tag 0x0112).
    const isSwapped = orientation >= 5 && orientation <= 8;
    return {
      widthPx: isSwapped ? height : width,
      heightPx: isSwapped ? width : height,
      isTurned: orientation > 1,
      isAnimated: format === 'webp' && isAnimatedWebp(head),
    };
  } catch {
    return {};
  }
}

function isAnimatedWebp(head: Uint8Array): boolean {
  const isExtended = Buffer.from(head.subarray(12, 16)).toString('latin1') === 'VP8X';
  return isExtended && ((head[20] ?? 0) & ANIMATION) !== 0;
}

const STEP_BYTES = 256 * 1024;
/** Far above what any real file has; bounds the walk through a hostile one. */
const MAX_PARTS = 65_536;

/**
 * Says where a file breaks off, as a phrase, or undefined where it is whole as far as its format tells. Reads heads of
 * parts only (of a JPEG, the compressed part once); memory is flat.
 */
async function findCut(file: ReadableFile, format: string): Promise<string | undefined> {
  switch (format) {
    case 'jpeg':
      return findJpegCut(file);
    case 'png':
      return findPngCut(file);
    case 'webp':
      return findRiffCut(file);
    case 'mp4':
    case 'mov':
      return findBoxCut(file);
    case 'wav':
      return findWavCut(file);
    default:
      return undefined;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Segments up to the first scan (ITU-T T.81 §B.1.1.4), then the end marker behind it. */
async function findJpegCut(file: ReadableFile): Promise<string | undefined> {
  let at = 2;
  for (let part = 0; part < MAX_PARTS; part += 1) {
    const head = viewOf(await file.readAt(at, 4));
    if (head.byteLength < 4) return 'it ends before the picture begins';
    const marker = head.getUint8(1);
    if (head.getUint8(0) !== 0xff) return 'a part of its head is broken';
    // Fill bytes, and markers without content.
    if (marker === 0xff) at += 1;
    else if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) at += 2;
    else if (marker === 0xda) return findEndMarker(file, at + 2 + head.getUint16(2));
    else at += 2 + head.getUint16(2);
  }
  return 'its head has no end';
}

async function findEndMarker(file: ReadableFile, startBytes: number): Promise<string | undefined> {
  for (let at = startBytes; at < file.sizeBytes; at += STEP_BYTES - 1) {
    const bytes = Buffer.from(await file.readAt(at, STEP_BYTES));
    if (bytes.includes(Buffer.from([0xff, 0xd9]))) return undefined;
    if (bytes.length < STEP_BYTES) break;
  }
  return 'the end of the picture is missing';
}

/** Chunks up to `IEND` (PNG specification §5.3). */
async function findPngCut(file: ReadableFile): Promise<string | undefined> {
  let at = 8;
  for (let part = 0; part < MAX_PARTS; part += 1) {
    const head = await file.readAt(at, 8);
    if (head.length < 8) return 'the end of the picture is missing';
    at += viewOf(head).getUint32(0) + 12;
    if (at > file.sizeBytes) return `${at - file.sizeBytes} bytes or more are missing`;
    if (Buffer.from(head.subarray(4)).toString('latin1') === 'IEND') return undefined;
  }
  return 'it has too many parts';
}

async function findRiffCut(file: ReadableFile): Promise<string | undefined> {
  const head = await file.readAt(0, 12);
  if (head.length < 12) return 'it ends inside its head';
  const missingBytes = viewOf(head).getUint32(4, true) + 8 - file.sizeBytes;
  return missingBytes > 0 ? `${missingBytes} bytes are missing` : undefined;
}

/** The `data` chunk must lie inside the file; a size of all ones is what recorders write that were not stopped. */
async function findWavCut(file: ReadableFile): Promise<string | undefined> {
  let at = 12;
  for (let part = 0; part < MAX_PARTS; part += 1) {
    const head = await file.readAt(at, 8);
    if (head.length < 8) return 'the sound is missing';
    const sizeBytes = viewOf(head).getUint32(4, true);
    const isData = Buffer.from(head.subarray(0, 4)).toString('latin1') === 'data';
    const missingBytes = at + 8 + sizeBytes - file.sizeBytes;
    if (isData && (sizeBytes === 0xffff_ffff || missingBytes <= 0)) return undefined;
    if (missingBytes > 0) return `${missingBytes} bytes are missing`;
    at += 8 + sizeBytes + (sizeBytes % 2);
  }
  return 'it has too many parts';
}

/** Top-level boxes (ISO/IEC 14496-12 §4.2): those with content must lie inside the file. Loose bytes at the end do no harm. */
async function findBoxCut(file: ReadableFile): Promise<string | undefined> {
  const seen = new Set<string>();
  let at = 0;
  for (let part = 0; part < MAX_PARTS && at < file.sizeBytes; part += 1) {
    const header = readBoxHeader(await file.readAt(at, 16));
    if (header.kind === 'short') break;
    const restBytes = file.sizeBytes - at;
    const sizeBytes = header.sizeBytes === 'toEnd' ? restBytes : header.sizeBytes;
    if (sizeBytes > restBytes) return `${sizeBytes - restBytes} bytes are missing`;
    seen.add(header.type);
    at += sizeBytes;
  }
  if (!seen.has('moov')) return 'its index (the "moov" box) is missing';
  return seen.has('mdat') ? undefined : 'its content (the "mdat" box) is missing';
}

/** Beyond this a file is far above every limit: only its type is looked at. */
const MAX_INSPECTED_BYTES = 1024 ** 3;
/** Difference between what a head says and what is there that no rounding explains. */
const CUT_SECONDS = 0.5;

/**
 * Looks at a local file: type by its bytes, pixels, length, frames a second, and whether it is whole. Limits are not
 * judged here. Never throws for what a file can be; time and memory are bounded whatever it holds.
 */
export async function inspectFile(path: string): Promise<Inspection> {
  try {
    const { size, ...is } = await stat(path);
    if (size === 0 && isRegular(is.mode))
      return failed('whole', 'is empty (0 bytes)', 'there must be something in it');
    if (!isRegular(is.mode)) return failed('readable', describeOther(is.mode), 'a file is needed');
    const type = await sniffFile(path);
    if (type === undefined) return failed('type', await describeUnknown(path), ALL_FORMATS);
    return await inspectKnown(path, size, type);
  } catch (error) {
    return failed(
      'readable',
      `can't be read: ${describeFsError(error)}`,
      'check the path and its permissions',
    );
  }
}

const ALL_FORMATS = `taken are ${Object.entries(MEDIA_LIMITS)
  .map(([kind, { formats }]) => `${formats.join(', ')} (${kind})`)
  .join('; ')}`;

function failed(rule: MediaProblem['rule'], is: string, allowed: string): Inspection {
  return { problems: [{ rule, is, allowed }], remarks: [] };
}

const FILE_TYPE_MASK = 0o170000;
const REGULAR_FILE = 0o100000;
const FOLDER = 0o040000;

function isRegular(mode: number): boolean {
  return (mode & FILE_TYPE_MASK) === REGULAR_FILE;
}

function describeOther(mode: number): string {
  return (mode & FILE_TYPE_MASK) === FOLDER ? 'is a folder' : 'is not a regular file (a pipe or a device)';
}

/** Text is what error pages and mistaken names lead to, so it is named. */
async function describeUnknown(path: string): Promise<string> {
  const head = await withReadableFile(path, (file) => file.readAt(0, 512));
  const text = Buffer.from(head).toString('utf8').trimStart();
  if (/^<svg|^<\?xml[\s\S]*<svg/i.test(text)) return 'is an SVG drawing';
  if (/^<(!doctype\s+html|html|head|body)/i.test(text)) return 'is an HTML page';
  const isText = text.length > 8 && !/[\0\uFFFD]/.test(text);
  return isText ? 'is text' : 'is of no known type';
}

async function inspectKnown(path: string, sizeBytes: number, type: MediaType): Promise<Inspection> {
  const { format, mimeType, kind } = type;
  const facts: MediaFacts = { sizeBytes, format, mimeType, kind };
  if (kind === undefined || sizeBytes > MAX_INSPECTED_BYTES) return { facts, problems: [], remarks: [] };
  const cut = await withReadableFile(path, (file) => findCut(file, format)).catch(ownFault);
  if (cut !== undefined) return { facts, problems: [cutProblem(cut)], remarks: [] };
  return kind === 'image' ? inspectImage(path, facts) : inspectMoving(path, facts);
}

/**
 * Whether the first frame of an MP3 counts the others (the "Xing" or "Info" header); without it a length that comes from
 * the head is a guess by size and bit rate.
 */
async function declaresLength(path: string): Promise<boolean> {
  return withReadableFile(path, async (file) => {
    const head = Buffer.from(await file.readAt(0, 10));
    const hasTag = head.subarray(0, 3).toString('latin1') === 'ID3';
    // Four times seven bits (ID3v2.4.0 §3.1).
    const tagBytes = [...head.subarray(6, 10)].reduce((size, byte) => size * 128 + (byte & 0x7f), 0);
    const frame = Buffer.from(await file.readAt(hasTag ? tagBytes + 10 : 0, 256));
    return frame.includes('Xing') || frame.includes('Info');
  });
}

/** A box or chunk with an impossible size; the system's own errors go on. */
function ownFault(error: unknown): string {
  if (error instanceof Error && 'syscall' in error) throw error;
  return 'a part of it is broken';
}

function cutProblem(cut: string): MediaProblem {
  return { rule: 'whole', is: `is not whole: ${cut}`, allowed: 'copy or export it again' };
}

async function inspectImage(path: string, facts: MediaFacts): Promise<Inspection> {
  const picture = await withReadableFile(path, (file) => inspectPicture(file, facts.format));
  if (picture.widthPx === undefined && MEDIA_LIMITS.image.formats.some((format) => format === facts.format)) {
    return { facts, problems: [{ ...cutProblem("its head can't be read"), rule: 'whole' }], remarks: [] };
  }
  const remarks = picture.isAnimated === true ? ['is animated; at most its first picture counts'] : [];
  return { facts: { ...facts, ...picture }, problems: [], remarks };
}

async function inspectMoving(path: string, facts: MediaFacts): Promise<Inspection> {
  const { facts: clip, declaredSeconds } = await inspectClip(path);
  const isTaken = [...MEDIA_LIMITS.video.formats, ...MEDIA_LIMITS.audio.formats].some(
    (format) => format === facts.format,
  );
  if (clip?.seconds === undefined) {
    const problem = { rule: 'readable', is: "can't be read inside", allowed: 'convert it' } as const;
    return { facts, problems: isTaken ? [problem] : [], remarks: [] };
  }
  const missing = (declaredSeconds ?? 0) - clip.seconds;
  const isCut = facts.format === 'mp3' && missing > CUT_SECONDS && (await declaresLength(path));
  const problems = isCut ? [cutProblem(`${missing.toFixed(1)} s are missing at its end`)] : [];
  return { facts: { ...facts, ...clip }, problems, remarks: [] };
}
