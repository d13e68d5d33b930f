import { readBoxHeader } from '../download/mp4-box.ts';
import type { ReadableFile } from '../download/walk-boxes.ts';

const STEP_BYTES = 256 * 1024;
/** Far above what any real file has; bounds the walk through a hostile one. */
const MAX_PARTS = 65_536;

/**
 * Says where a file breaks off, as a phrase, or undefined where it is whole as far as its format tells. Reads heads of
 * parts only (of a JPEG, the compressed part once); memory is flat.
 */
export async function findCut(file: ReadableFile, format: string): Promise<string | undefined> {
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
