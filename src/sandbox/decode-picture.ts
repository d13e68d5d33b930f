import { firstWebpFrame } from './first-webp-frame.ts';

/** Pixels as stored in rows from the top, four bytes each: red, green, blue, opacity. */
export interface Picture {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly rgba: Uint8Array | Uint8ClampedArray;
  /** EXIF orientation, 1 to 8: how it must be turned to be seen as meant. */
  readonly orientation: number;
}

export type PictureFormat = 'jpeg' | 'png' | 'webp';

const STARTS: readonly { readonly format: PictureFormat; readonly pattern: RegExp }[] = [
  { format: 'jpeg', pattern: /^\xff\xd8\xff/ },
  { format: 'png', pattern: /^\x89PNG\r\n/ },
  { format: 'webp', pattern: /^RIFF[\s\S]{4}WEBP/ },
];

/** The format of a picture by its first bytes; undefined for anything else. */
export function pictureFormat(bytes: Uint8Array): PictureFormat | undefined {
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
