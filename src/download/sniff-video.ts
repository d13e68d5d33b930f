import { sanitizeServerText } from '../platform/server-text.ts';
import { InvalidVideoError } from './invalid-video-error.ts';

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
