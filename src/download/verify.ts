import { createHash } from 'node:crypto';
import { inspectResult } from '../media/inspect.ts';
import { sanitizeServerText } from '../platform/text.ts';

/** What the request lets us expect of the file; a difference is a warning, never a failure. */
export interface MediaExpectation {
  readonly durationSeconds?: number | undefined;
  readonly widthPx?: number | undefined;
  readonly heightPx?: number | undefined;
  readonly hasAudio?: boolean | undefined;
}

/** What the file says of itself, as documents have it. */
export interface MediaFacts {
  readonly duration_seconds: number;
  readonly width_px: number | null;
  readonly height_px: number | null;
  readonly has_audio: boolean;
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

  /** What is inside is for `verifyVideo`; here only the sizes of the top-level boxes count (ISO/IEC 14496-12 §4.2). */
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

/** Facts of a clip, or why it could not be verified. */
export type Verdict = MediaFacts | { readonly doubt: string };

/**
 * What is in a finished clip: type, tracks, length, and every sample inside the file. Read in another process, bounded in
 * time and memory.
 */
export async function verifyVideo(path: string): Promise<Verdict> {
  const { facts, problems } = await inspectResult(path);
  if (problems[0] !== undefined) return { doubt: `it ${problems[0].is}` };
  if (facts?.videoCodec === undefined) return { doubt: 'it has no pictures' };
  const { seconds = 0, widthPx = null, heightPx = null, audioCodec } = facts;
  return {
    duration_seconds: seconds,
    width_px: widthPx,
    height_px: heightPx,
    has_audio: audioCodec !== undefined,
  };
}

/** Encoders end on a picture or a sound frame, not on the second. */
const DURATION_TOLERANCE_SECONDS = 0.5;

/** What differs between the request and the file, a line each. The clip is paid for either way, so these are warnings. */
export function compareMedia(asked: MediaExpectation, facts: MediaFacts): readonly string[] {
  const { duration_seconds: lengthSeconds, width_px: width, height_px: height, has_audio: isLoud } = facts;
  const {
    durationSeconds: seconds = lengthSeconds,
    widthPx = width,
    heightPx = height,
    hasAudio = isLoud,
  } = asked;
  // Fragmented files leave the length open (0): nothing to compare.
  const isOff = Math.abs(seconds - lengthSeconds) > DURATION_TOLERANCE_SECONDS;
  const hasPixels = width !== null && height !== null;
  const isResized = width !== widthPx || height !== heightPx;
  const length = `${Number(lengthSeconds.toFixed(2))} s long, ${seconds} s were asked for`;
  const pixels = `${width}×${height} pixels, ${widthPx}×${heightPx} were asked for`;
  return [
    ...(lengthSeconds > 0 && isOff ? [`the video is ${length}`] : []),
    ...(hasPixels && isResized ? [`the video has ${pixels}`] : []),
    ...(hasAudio && !isLoud ? ['the video has no sound, although it was asked for'] : []),
    ...(!hasAudio && isLoud ? ['the video has sound, although none was asked for'] : []),
  ];
}
