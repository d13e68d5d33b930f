import { createHash } from 'node:crypto';
import type { MediaExpectation, MediaFacts } from '../config/output-pattern.ts';
import { inspectResult } from '../media/inspect.ts';
import { sanitizeServerText } from '../platform/text.ts';
import { InvalidVideoError, UnverifiedError } from './errors.ts';

/** How many bytes are enough to tell a video from an error page. */
const SNIFF_BYTES = 512;
/** Far above what any real file has; bounds the work that a hostile one makes. */
const MAX_BOXES = 65_536;
const NEEDED_BOXES = ['ftyp', 'moov', 'mdat'];
const PAGE_LINE_LENGTH = 120;

/** What can be said of a clip while its bytes pass: its hash, and whether they are those of a whole MP4. */
export interface VideoCheck {
  push(chunk: Uint8Array): void;
  sha256(): string;
  /** Whether enough has come to tell a video from a page. */
  isStartKnown(): boolean;
  /** What is wrong with the bytes so far or, at their end, with the file. */
  flaw(isEnd?: boolean): InvalidVideoError | undefined;
}

/**
 * Follows the top-level boxes (ISO/IEC 14496-12 §4.2), as their sizes alone tell a cut file from a whole one where the host
 * named no length. What is inside is for `verifyVideo`. Keeps the first bytes and one box header in memory.
 */
export function createVideoCheck(): VideoCheck {
  const hash = createHash('sha256');
  const missing = new Set(NEEDED_BOXES);
  let start: Uint8Array = new Uint8Array(0);
  let header = Buffer.alloc(0);
  let boxes = 0;
  let type = '';
  let leftBytes = 0;
  let reason: string | undefined;

  const begin = () => {
    const short = header.readUInt32BE(0);
    const sizeBytes = short === 1 ? Number(header.readBigUInt64BE(8)) : short;
    type = header.toString('latin1', 4, 8);
    // Size 0: the box ends with the file.
    leftBytes = short === 0 ? Number.POSITIVE_INFINITY : sizeBytes - header.length;
    missing.delete(type);
    boxes += 1;
    if (boxes > MAX_BOXES) reason = `the file has more than ${MAX_BOXES} boxes`;
    if (leftBytes < 0) reason = `box ${showType(type)} has an impossible size`;
    header = Buffer.alloc(0);
  };
  const isLong = () => header.length >= 8 && header.readUInt32BE(0) === 1;
  const walk = (chunk: Uint8Array) => {
    for (let at = 0; at < chunk.length && reason === undefined; ) {
      const skippedBytes = Math.min(leftBytes, chunk.length - at);
      leftBytes -= skippedBytes;
      at += skippedBytes;
      const more = chunk.subarray(at, at + (isLong() ? 16 : 8) - header.length);
      header = Buffer.concat([header, more]);
      at += more.length;
      if (header.length === (isLong() ? 16 : 8)) begin();
    }
  };
  const reasonAtEnd = () => {
    if (header.length > 0) return 'the file ends inside the header of a box';
    if (leftBytes > 0 && Number.isFinite(leftBytes)) return `box ${showType(type)} lacks ${leftBytes} bytes`;
    const [first] = missing;
    return first && `the file has no "${first}" box`;
  };

  return {
    push: (chunk) => {
      hash.update(chunk);
      if (start.length < SNIFF_BYTES)
        start = Buffer.concat([start, chunk.subarray(0, SNIFF_BYTES - start.length)]);
      walk(chunk);
    },
    sha256: () => hash.copy().digest('hex'),
    isStartKnown: () => start.length >= SNIFF_BYTES,
    flaw: (isEnd = false) => {
      const found = reason ?? (isEnd ? reasonAtEnd() : undefined);
      return sniffVideo(start) ?? (found === undefined ? undefined : new InvalidVideoError(found));
    },
  };
}

/** A box type for people: four printable letters, or their codes. */
function showType(type: string): string {
  return /^[\x21-\x7e]{4}$/.test(type) ? `"${type}"` : `0x${Buffer.from(type, 'latin1').toString('hex')}`;
}

/** What a file is instead of an MP4, by its first bytes; of a text, its first line. */
function sniffVideo(start: Uint8Array): InvalidVideoError | undefined {
  if (Buffer.from(start.subarray(4, 8)).toString('latin1') === 'ftyp') return undefined;
  if (start.length === 0) return new InvalidVideoError('the file is empty');
  const text = new TextDecoder().decode(start).trimStart();
  const kind = kindOfText(text);
  if (kind === undefined) return new InvalidVideoError('the file does not start as an MP4 does');
  const reason = `the host sent ${kind} instead of a video: ${firstLine(text)}`;
  return new InvalidVideoError(reason, { isPage: true });
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
export function compareMedia(asked: MediaExpectation, facts: MediaFacts): readonly string[] {
  const { durationSeconds: seconds, widthPx, heightPx, hasAudio } = asked;
  const warnings: string[] = [];
  // Fragmented files leave the length open (0): nothing to compare.
  const isKnownDuration = seconds !== undefined && facts.durationSeconds > 0;
  if (isKnownDuration && Math.abs(seconds - facts.durationSeconds) > DURATION_TOLERANCE_SECONDS)
    warnings.push(
      `the video is ${Number(facts.durationSeconds.toFixed(2))} s long, ${seconds} s were asked for`,
    );
  const isKnownSize = ![facts.widthPx, facts.heightPx, widthPx, heightPx].includes(undefined);
  if (isKnownSize && (facts.widthPx !== widthPx || facts.heightPx !== heightPx))
    warnings.push(
      `the video has ${facts.widthPx}×${facts.heightPx} pixels, ${widthPx}×${heightPx} were asked for`,
    );
  if (hasAudio === true && !facts.hasAudio)
    warnings.push('the video has no sound, although it was asked for');
  if (hasAudio === false && facts.hasAudio) warnings.push('the video has sound, although none was asked for');
  return warnings;
}
