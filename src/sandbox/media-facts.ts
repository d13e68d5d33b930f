import { open, readFile } from 'node:fs/promises';

interface Chunk {
  readonly id: string;
  /** With its header, without padding. */
  readonly whole: Buffer;
  readonly content: Buffer;
}

const ANIMATED_FRAME_HEADER_BYTES = 16;
const ALPHA_FLAG = 0x10;

/** The first picture of an animated WebP as a WebP of its own; anything else as it is (RFC 9649 §2.7). */
function firstWebpFrame(bytes: Uint8Array): Uint8Array {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const frame = chunksOf(file.subarray(12)).find(({ id }) => id === 'ANMF')?.content;
  if (frame === undefined) return bytes;
  const parts = chunksOf(frame.subarray(ANIMATED_FRAME_HEADER_BYTES)).filter(({ id }) =>
    /^(ALPH|VP8[ L])$/.test(id),
  );
  const hasAlpha = parts.some(({ id }) => id === 'ALPH');
  // Width and height, less one, lie behind the place of the frame.
  const extended = hasAlpha
    ? [makeChunk('VP8X', Buffer.concat([Buffer.from([ALPHA_FLAG, 0, 0, 0]), frame.subarray(6, 12)]))]
    : [];
  const chunks = Buffer.concat([...extended, ...parts.map(({ whole }) => padded(whole))]);
  return makeChunk('RIFF', Buffer.concat([Buffer.from('WEBP'), chunks]));
}

function chunksOf(bytes: Buffer): readonly Chunk[] {
  const chunks: Chunk[] = [];
  for (let at = 0; at + 8 <= bytes.length; ) {
    const end = at + 8 + bytes.readUInt32LE(at + 4);
    const id = bytes.toString('latin1', at, at + 4);
    chunks.push({ id, whole: bytes.subarray(at, end), content: bytes.subarray(at + 8, end) });
    at = end + (end % 2 === at % 2 ? 0 : 1);
  }
  return chunks;
}

function makeChunk(id: string, content: Buffer): Buffer {
  const header = Buffer.alloc(8, id);
  header.writeUInt32LE(content.length, 4);
  return padded(Buffer.concat([header, content]));
}

function padded(chunk: Buffer): Buffer {
  return chunk.length % 2 === 0 ? chunk : Buffer.concat([chunk, Buffer.alloc(1)]);
}

/** Pixels as stored in rows from the top, four bytes each: red, green, blue, opacity. */
export interface Picture {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly rgba: Uint8Array | Uint8ClampedArray;
  /** EXIF orientation, 1 to 8: how it must be turned to be seen as meant. */
  readonly orientation: number;
}

type PictureFormat = 'jpeg' | 'png' | 'webp';

const STARTS: readonly { readonly format: PictureFormat; readonly pattern: RegExp }[] = [
  { format: 'jpeg', pattern: /^\xff\xd8\xff/ },
  { format: 'png', pattern: /^\x89PNG\r\n/ },
  { format: 'webp', pattern: /^RIFF[\s\S]{4}WEBP/ },
];

/** The format of a picture by its first bytes; undefined for anything else. */
function pictureFormat(bytes: Uint8Array): PictureFormat | undefined {
  const start = Buffer.from(bytes.subarray(0, 16)).toString('latin1');
  return STARTS.find(({ pattern }) => pattern.test(start))?.format;
}

/** More would take gigabytes. */
const MAX_PIXELS = 64_000_000;

/**
 * Decodes a JPEG, PNG or WebP, of several pictures the first; undefined for what is none, is broken, or is larger than 64
 * million pixels. The decoders (WebAssembly) are loaded at the first call.
 * @throws where a decoder can't be loaded, which says nothing of the picture
 */
export async function decodePicture(bytes: Uint8Array): Promise<Picture | undefined> {
  const format = pictureFormat(bytes);
  if (format === undefined) return undefined;
  const { imageSize } = await import('image-size');
  const { decode } = await loadDecoder(format);
  try {
    const { width, height, orientation = 1 } = imageSize(bytes);
    if (width * height > MAX_PIXELS) return undefined;
    const image = decode(format === 'webp' ? firstWebpFrame(bytes) : bytes);
    return { widthPx: image.width, heightPx: image.height, rgba: image.data, orientation };
  } catch {
    return undefined;
  }
}

function loadDecoder(format: PictureFormat) {
  switch (format) {
    case 'jpeg':
      return import('@cwasm/jpeg-turbo');
    case 'png':
      return import('@cwasm/lodepng');
    case 'webp':
      return import('@cwasm/webp');
  }
}

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
