import { InvalidVideoError } from './invalid-video-error.ts';
import { MAX_BOX_HEADER_BYTES, readBoxHeader, showType } from './mp4-box.ts';

/** The top-level box walk for bytes that pass by once. */
export interface BoxScanner {
  /** @throws InvalidVideoError as soon as the bytes can't be an MP4 */
  push(chunk: Uint8Array): void;
  /** Says that no more bytes come. @throws InvalidVideoError when a box is cut or a needed one is missing */
  finish(): void;
}

/** A scanner that keeps no more than one box header in memory. */
export function createBoxScanner(): BoxScanner {
  const seen = new Set<string>();
  let header = new Uint8Array(0);
  let current = '';
  let leftBytes = 0;

  const begin = (chunk: Uint8Array, at: number): number => {
    const taken = chunk.subarray(at, at + MAX_BOX_HEADER_BYTES - header.length);
    const known = header.length;
    const bytes = Buffer.concat([header, taken]);
    const box = readBoxHeader(bytes);
    if (box.kind === 'short') {
      header = bytes;
      return chunk.length;
    }
    if (seen.size === 0 && box.type !== 'ftyp') throw new InvalidVideoError('the first box is not "ftyp"');
    seen.add(box.type);
    current = box.type;
    leftBytes = box.sizeBytes === 'toEnd' ? Number.POSITIVE_INFINITY : box.sizeBytes - box.headerBytes;
    header = new Uint8Array(0);
    // A 64-bit header was asked for only after 8 bytes had been kept: the rest of `taken` is content again.
    return at + box.headerBytes - known;
  };

  return {
    push: (chunk) => {
      let at = 0;
      while (at < chunk.length) {
        if (leftBytes > 0) {
          const skipped = Math.min(leftBytes, chunk.length - at);
          leftBytes -= skipped;
          at += skipped;
        } else at = begin(chunk, at);
      }
    },
    finish: () => {
      if (header.length > 0) throw new InvalidVideoError('the file ends inside the header of a box');
      if (leftBytes > 0 && leftBytes !== Number.POSITIVE_INFINITY) {
        throw new InvalidVideoError(`box ${showType(current)} lacks ${leftBytes} bytes`);
      }
      for (const type of ['ftyp', 'moov', 'mdat']) {
        if (!seen.has(type)) throw new InvalidVideoError(`the file has no "${type}" box`);
      }
    },
  };
}
