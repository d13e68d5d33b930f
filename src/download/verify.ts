import type { MediaExpectation, MediaFacts } from '../config/output-pattern.ts';
import { inspectResult } from '../media/inspect.ts';
import { sanitizeServerText } from '../platform/text.ts';
import { InvalidVideoError, UnverifiedError } from './errors.ts';

/** The longest header that is understood: 32-bit size, type, 64-bit size (ISO/IEC 14496-12 §4.2). */
const MAX_HEADER_BYTES = 16;
/** Far above what any real file has; bounds the walk through a hostile one. */
const MAX_BOXES = 65_536;

/** The top-level boxes of an MP4 as its bytes pass: what tells a cut file where the host names no length. */
export interface BoxScanner {
  /** @throws InvalidVideoError as soon as the bytes can't be an MP4 */
  push(chunk: Uint8Array): void;
  /** Passes over the rest of a box, at most so many bytes; returns how many. */
  skip(maxBytes: number): number;
  /** Says that no more bytes come. @throws InvalidVideoError when a box is cut or a needed one is missing */
  finish(): void;
}

/** A scanner that keeps no more than one box header in memory. */
export function createBoxScanner(): BoxScanner {
  const seen = new Set<string>();
  let count = 0;
  let header = Buffer.alloc(0);
  let current = '';
  let leftBytes = 0;

  const skip = (maxBytes: number): number => {
    const skippedBytes = Math.min(leftBytes, maxBytes);
    leftBytes -= skippedBytes;
    return skippedBytes;
  };
  const begin = (): void => {
    current = header.toString('latin1', 4, 8);
    const [short, isLong] = [header.readUInt32BE(0), header.readUInt32BE(0) === 1];
    const sizeBytes = isLong ? Number(header.readBigUInt64BE(8)) : short;
    if (count === 0 && current !== 'ftyp') throw new InvalidVideoError('the first box is not "ftyp"');
    count += 1;
    if (count > MAX_BOXES) throw new InvalidVideoError(`the file has more than ${MAX_BOXES} boxes`);
    seen.add(current);
    // Size 0: the box ends with the file.
    leftBytes = short === 0 ? Number.POSITIVE_INFINITY : sizeBytes - header.length;
    if (leftBytes < 0 || !(short === 0 || Number.isSafeInteger(sizeBytes)))
      throw new InvalidVideoError(`box ${showType(current)} has an impossible size`);
    header = Buffer.alloc(0);
  };

  return {
    skip,
    push: (chunk) => {
      for (let at = 0; at < chunk.length; ) {
        at += skip(chunk.length - at);
        if (at === chunk.length) return;
        const isLong = header.length >= 8 && header.readUInt32BE(0) === 1;
        const taken = chunk.subarray(at, at + (isLong ? MAX_HEADER_BYTES : 8) - header.length);
        header = Buffer.concat([header, taken]);
        at += taken.length;
        const isShortForm = header.length === 8 && header.readUInt32BE(0) !== 1;
        if (isShortForm || header.length === MAX_HEADER_BYTES) begin();
      }
    },
    finish: () => {
      if (header.length > 0) throw new InvalidVideoError('the file ends inside the header of a box');
      if (leftBytes > 0 && leftBytes !== Number.POSITIVE_INFINITY)
        throw new InvalidVideoError(`box ${showType(current)} lacks ${leftBytes} bytes`);
      for (const type of ['ftyp', 'moov', 'mdat']) {
        if (!seen.has(type)) throw new InvalidVideoError(`the file has no "${type}" box`);
      }
    },
  };
}

/** A box type for people: four printable letters, or their codes. */
function showType(type: string): string {
  return /^[\x21-\x7e]{4}$/.test(type) ? `"${type}"` : `0x${Buffer.from(type, 'latin1').toString('hex')}`;
}

/** A file of known size that can be read anywhere. `readAt` returns fewer bytes only at the end. */
export interface ReadableFile {
  readonly sizeBytes: number;
  readAt(positionBytes: number, lengthBytes: number): Promise<Uint8Array>;
}

/**
 * Checks that a file has its whole length, starts as an MP4, and that its top-level boxes end exactly where it ends.
 * @param expectedBytes the length that the host announced; absent when it named none
 * @throws InvalidVideoError and nothing else but errors of reading
 */
export async function checkStructure(file: ReadableFile, expectedBytes?: number): Promise<void> {
  const { sizeBytes } = file;
  if (expectedBytes !== undefined && sizeBytes !== expectedBytes)
    throw new InvalidVideoError(`the file has ${sizeBytes} bytes instead of ${expectedBytes}`);
  sniffVideo(await file.readAt(0, Math.min(SNIFF_BYTES, sizeBytes)));
  const scanner = createBoxScanner();
  for (let at = 0; at < sizeBytes; ) {
    const bytes = await file.readAt(at, Math.min(MAX_HEADER_BYTES, sizeBytes - at));
    if (bytes.length === 0) throw new InvalidVideoError('the file became shorter while it was read');
    scanner.push(bytes);
    at += bytes.length;
    at += scanner.skip(sizeBytes - at);
  }
  scanner.finish();
}

/**
 * What is in a finished clip: type, tracks, length, and every sample inside the file. Read in another process, bounded in
 * time and memory.
 * @throws UnverifiedError
 */
export async function verifyVideo(path: string): Promise<MediaFacts> {
  const { facts, problems } = await inspectResult(path);
  const [problem] = problems;
  if (problem !== undefined) throw new UnverifiedError(`it ${problem.is}`);
  if (facts?.videoCodec === undefined) throw new UnverifiedError('it has no pictures');
  const { seconds = 0, widthPx, heightPx, audioCodec } = facts;
  return { durationSeconds: seconds, widthPx, heightPx, hasAudio: audioCodec !== undefined };
}

/** Encoders end on a picture or a sound frame, not on the second. */
const DURATION_TOLERANCE_SECONDS = 0.5;

/** What differs between the request and the file, a line each. The clip is paid for either way, so these are warnings. */
export function compareMedia(expectation: MediaExpectation, facts: MediaFacts): readonly string[] {
  const { durationSeconds, widthPx, heightPx, hasAudio } = expectation;
  const warnings: string[] = [];
  // Fragmented files leave it open (0): nothing to compare.
  const isKnownDuration = durationSeconds !== undefined && facts.durationSeconds > 0;
  if (isKnownDuration && Math.abs(durationSeconds - facts.durationSeconds) > DURATION_TOLERANCE_SECONDS) {
    warnings.push(
      `the video is ${Number(facts.durationSeconds.toFixed(2))} s long, ${durationSeconds} s were asked for`,
    );
  }
  const isKnownSize = facts.widthPx !== undefined && facts.heightPx !== undefined;
  if (
    isKnownSize &&
    widthPx !== undefined &&
    heightPx !== undefined &&
    (facts.widthPx !== widthPx || facts.heightPx !== heightPx)
  ) {
    warnings.push(
      `the video has ${facts.widthPx}×${facts.heightPx} pixels, ${widthPx}×${heightPx} were asked for`,
    );
  }
  if (hasAudio !== undefined && hasAudio !== facts.hasAudio) {
    warnings.push(
      hasAudio
        ? 'the video has no sound, although it was asked for'
        : 'the video has sound, although none was asked for',
    );
  }
  return warnings;
}

/** How many bytes are enough to tell a video from an error page. */
export const SNIFF_BYTES = 512;

const PAGE_LINE_LENGTH = 120;

/**
 * Checks that a file starts as an MP4 does: a box `ftyp`.
 * @param start its first bytes, at least `SNIFF_BYTES` of them where the file has so many
 * @throws InvalidVideoError naming what it is instead; of a text, its first line
 */
export function sniffVideo(start: Uint8Array): void {
  if (Buffer.from(start.subarray(4, 8)).toString('latin1') === 'ftyp') return;
  if (start.length === 0) throw new InvalidVideoError('the file is empty');
  const text = new TextDecoder()
    .decode(start.subarray(0, SNIFF_BYTES))
    .replace(/^\ufeff/, '')
    .trimStart();
  const kind = kindOfText(text);
  if (kind === undefined) throw new InvalidVideoError('the file does not start as an MP4 does');
  throw new InvalidVideoError(`the host sent ${kind} instead of a video: ${firstLine(text)}`, {
    isPage: true,
  });
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
  const words = sanitizeServerText(text.replace(/<[^>]*>?/g, ' '), { maxLength: PAGE_LINE_LENGTH }).replace(
    /\s+/g,
    ' ',
  );
  return words === '' ? '(no text)' : `"${words}"`;
}
