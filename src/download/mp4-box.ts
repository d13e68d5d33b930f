import { InvalidVideoError } from './invalid-video-error.ts';

/** The longest header that is understood: 32-bit size, type, 64-bit size. */
export const MAX_BOX_HEADER_BYTES = 16;

/** One box of ISO/IEC 14496-12 §4.2: where it starts, its header, its whole size. */
export interface Mp4Box {
  readonly type: string;
  readonly startBytes: number;
  readonly headerBytes: number;
  readonly sizeBytes: number;
}

/** What a header says before it is known how much room there is. `toEnd`: size 0, the box ends with the file. */
export type BoxHeader =
  | { readonly kind: 'short' }
  | {
      readonly kind: 'box';
      readonly type: string;
      readonly headerBytes: number;
      readonly sizeBytes: number | 'toEnd';
    };

/**
 * Reads a box header from the first bytes of `bytes`; `short` when more bytes are needed.
 * @throws InvalidVideoError for a size that no box can have
 */
export function readBoxHeader(bytes: Uint8Array): BoxHeader {
  if (bytes.length < 8) return { kind: 'short' };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size32 = view.getUint32(0);
  const type = String.fromCharCode(...bytes.subarray(4, 8));
  if (size32 === 0) return { kind: 'box', type, headerBytes: 8, sizeBytes: 'toEnd' };
  if (size32 !== 1) return sized(type, 8, size32);
  if (bytes.length < MAX_BOX_HEADER_BYTES) return { kind: 'short' };
  const size64 = view.getBigUint64(8);
  if (size64 > BigInt(Number.MAX_SAFE_INTEGER))
    throw new InvalidVideoError(`box ${showType(type)} is impossibly large`);
  return sized(type, MAX_BOX_HEADER_BYTES, Number(size64));
}

/** A box type for people: four printable letters, or their codes. */
export function showType(type: string): string {
  return /^[\x21-\x7e]{4}$/.test(type) ? `"${type}"` : `0x${Buffer.from(type, 'latin1').toString('hex')}`;
}

function sized(type: string, headerBytes: number, sizeBytes: number): BoxHeader {
  if (sizeBytes < headerBytes)
    throw new InvalidVideoError(`box ${showType(type)} is smaller than its own header`);
  return { kind: 'box', type, headerBytes, sizeBytes };
}
