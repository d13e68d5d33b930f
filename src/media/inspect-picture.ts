import type { ReadableFile } from '../download/walk-boxes.ts';
import type { MediaFacts } from './media-facts.ts';

export type PictureFacts = Pick<MediaFacts, 'widthPx' | 'heightPx' | 'isTurned' | 'isAnimated'>;

/** Most heads end here; a JPEG with a large colour profile or preview needs more. */
const HEAD_BYTES = 512 * 1024;
const MAX_HEAD_BYTES = 16 * 1024 * 1024;
/** Bit "Animation" of the VP8X flags (RFC 9649 §2.7.1). */
const ANIMATION = 0x02;

/** Width and height as shown, EXIF orientation applied; nothing where the head does not tell. Nothing is decoded. */
export async function inspectPicture(file: ReadableFile, format: string): Promise<PictureFacts> {
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
