import { stat } from 'node:fs/promises';
import { describeFsError } from '../platform/fs-error.ts';
import { MEDIA_LIMITS } from '../request/limits.ts';
import { findCut } from './find-cut.ts';
import { inspectClip } from './inspect-clip.ts';
import { inspectPicture } from './inspect-picture.ts';
import type { Inspection, MediaFacts, MediaProblem } from './media-facts.ts';
import { withReadableFile } from './readable-file.ts';
import { type MediaType, sniffFile } from './sniff-type.ts';

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
  return (mode & FILE_TYPE_MASK) === FOLDER ? 'is a folder' : 'is no regular file (a pipe or a device)';
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
