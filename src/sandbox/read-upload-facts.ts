import { open, readFile } from 'node:fs/promises';
import { decodePicture, pictureFormat } from './decode-picture.ts';

/** What this server finds in an uploaded file; absent = not known. It believes neither name nor declared type. */
export interface UploadFacts {
  /** By the bytes; absent for what is no picture, clip or sound that it takes. */
  readonly mimeType?: string | undefined;
  readonly widthPx?: number | undefined;
  readonly heightPx?: number | undefined;
  readonly seconds?: number | undefined;
  readonly framesPerSecond?: number | undefined;
  /** It is of that type and can't be decoded. */
  readonly isBroken?: boolean | undefined;
}

const MAX_PICTURE_BYTES = 64 * 1024 * 1024;
const FRAMES_COUNTED = 2_000;

/** Opens a file for real: pictures are decoded, clips and sounds are measured by their packets. */
export async function readUploadFacts(filePath: string): Promise<UploadFacts> {
  const head = await readHead(filePath);
  const format = pictureFormat(head);
  if (format !== undefined) return { mimeType: `image/${format}`, ...(await readPicture(filePath)) };
  const mimeType = movingType(head);
  if (mimeType === undefined) return {};
  const facts = await readMoving(filePath);
  const isSoundOnly = mimeType === 'video/mp4' && facts.isBroken !== true && facts.widthPx === undefined;
  return { mimeType: isSoundOnly ? 'audio/mp4' : mimeType, ...facts };
}

async function readHead(filePath: string): Promise<Buffer> {
  const handle = await open(filePath, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(16), 0, 16, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

function movingType(head: Buffer): string | undefined {
  const text = head.toString('latin1');
  if (text.slice(4, 8) === 'ftyp') {
    const brand = text.slice(8, 12);
    if (brand === 'qt  ') return 'video/quicktime';
    return /^(mp4|iso|avc|M4V|dash|MSNV|hvc|mmp)/.test(brand) ? 'video/mp4' : undefined;
  }
  if (/^RIFF[\s\S]{4}WAVE/.test(text)) return 'audio/wav';
  const isFrame = head[0] === 0xff && ((head[1] ?? 0) & 0xe6) === 0xe2;
  return text.startsWith('ID3') || isFrame ? 'audio/mpeg' : undefined;
}

async function readPicture(filePath: string): Promise<UploadFacts> {
  const bytes = await readFile(filePath);
  const { imageSize } = await import('image-size');
  try {
    const { width: widthPx, height: heightPx } = imageSize(bytes);
    return { widthPx, heightPx, ...((await isDrawable(bytes)) ? {} : { isBroken: true }) };
  } catch {
    return { isBroken: true };
  }
}

/** What no decoder could be loaded for is taken as it is: that says nothing of the picture. */
async function isDrawable(bytes: Uint8Array): Promise<boolean> {
  if (bytes.length > MAX_PICTURE_BYTES) return false;
  return decodePicture(bytes).then(
    (picture) => picture !== undefined,
    () => true,
  );
}

async function readMoving(filePath: string): Promise<UploadFacts> {
  const { ALL_FORMATS, FilePathSource, Input } = await import('mediabunny');
  const source = new FilePathSource(filePath, { handleUnhandledError: () => undefined });
  const input = new Input({ formats: ALL_FORMATS, source });
  try {
    const seconds = await input.computeDuration();
    const video = await input.getPrimaryVideoTrack();
    const stats = await video?.computePacketStats(FRAMES_COUNTED);
    const isMeasured = Number.isFinite(seconds) && seconds > 0;
    return {
      seconds: isMeasured ? seconds : undefined,
      widthPx: video?.codedWidth,
      heightPx: video?.codedHeight,
      framesPerSecond: stats?.averagePacketRate,
      isBroken: !isMeasured,
    };
  } catch {
    return { isBroken: true };
  } finally {
    input.dispose();
  }
}
