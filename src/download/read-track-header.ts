import { InvalidVideoError } from './invalid-video-error.ts';

export interface TrackHeader {
  readonly id: number;
  /** The size to show pictures at, turned as the header says; absent where it gives none. */
  readonly widthPx?: number | undefined;
  readonly heightPx?: number | undefined;
}

/** Where the track's id lies, and the matrix that width and height follow, by version: 32- or 64-bit times before it. */
const LAYOUTS = { short: { idAt: 12, matrixAt: 40 }, long: { idAt: 20, matrixAt: 52 } } as const;
const MATRIX_BYTES = 36;

/**
 * Reads `tkhd` (ISO/IEC 14496-12 §8.3.2), whose width and height are those of presentation: pixel aspect ratio included,
 * turning (a matrix that swaps the axes) not.
 * @throws InvalidVideoError
 */
export function readTrackHeader(tkhd: Uint8Array): TrackHeader {
  const { idAt, matrixAt } = tkhd[0] === 1 ? LAYOUTS.long : LAYOUTS.short;
  const sizeAt = matrixAt + MATRIX_BYTES;
  if (tkhd.length < sizeAt + 8) throw new InvalidVideoError('box "tkhd" is too short');
  const view = new DataView(tkhd.buffer, tkhd.byteOffset, tkhd.byteLength);
  const id = view.getUint32(idAt);
  // Both are numbers of 16.16 bits.
  const [width, height] = [view.getUint32(sizeAt), view.getUint32(sizeAt + 4)].map((value) =>
    Math.round(value / 65_536),
  );
  if (!width || !height) return { id };
  const isTurned = view.getInt32(matrixAt) === 0 && view.getInt32(matrixAt + 4) !== 0;
  return isTurned ? { id, widthPx: height, heightPx: width } : { id, widthPx: width, heightPx: height };
}
