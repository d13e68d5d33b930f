import { checkSampleTable } from './check-sample-table.ts';
import { type ChildBox, readChildren, requireChild } from './child-boxes.ts';
import { InvalidVideoError } from './invalid-video-error.ts';

/** What the header of a movie says, once every table in it was found sound. */
export interface MovieHeader {
  /** 0 where the header leaves it open, as in fragmented files. */
  readonly durationSeconds: number;
  readonly hasVideo: boolean;
  readonly hasAudio: boolean;
  /** The samples are described in `moof` boxes, not here. */
  readonly isFragmented: boolean;
}

const MAX_TRACKS = 64;

/**
 * Checks a `moov` box: nested boxes inside their parents, each track's tables inside their boxes, every sample that they
 * describe inside the file. Time and memory are bounded by the size of `moov`, whatever numbers it holds.
 * @param moov the content of the box
 * @param fileBytes the size of the whole file
 * @throws InvalidVideoError
 */
export function checkMoov(moov: Uint8Array, fileBytes: number): MovieHeader {
  const children = readChildren(moov, 'moov');
  const isFragmented = children.some(({ type }) => type === 'mvex');
  const tracks = children.filter(({ type }) => type === 'trak');
  if (tracks.length > MAX_TRACKS) throw new InvalidVideoError(`the video has ${tracks.length} tracks`);
  const kinds = tracks.map((track) => checkTrack(track, { fileBytes, isFragmented }));
  if (!kinds.includes('vide')) throw new InvalidVideoError('the file has no picture track');
  const durationSeconds = readDuration(requireChild(children, 'mvhd', 'moov').content);
  return { durationSeconds, hasVideo: true, hasAudio: kinds.includes('soun'), isFragmented };
}

function checkTrack(
  track: ChildBox,
  movie: { readonly fileBytes: number; readonly isFragmented: boolean },
): string {
  const mdia = readChildren(
    requireChild(readChildren(track.content, 'trak'), 'mdia', 'trak').content,
    'mdia',
  );
  const { content } = requireChild(mdia, 'hdlr', 'mdia');
  if (content.length < 12) throw new InvalidVideoError('box "hdlr" is too short');
  const kind = String.fromCharCode(...content.subarray(8, 12));
  if (kind !== 'vide' && kind !== 'soun') return kind;
  const minf = readChildren(requireChild(mdia, 'minf', 'mdia').content, 'minf');
  const stbl = readChildren(requireChild(minf, 'stbl', 'minf').content, 'stbl');
  const sampleCount = checkSampleTable(stbl, movie.fileBytes);
  if (kind === 'vide' && sampleCount === 0 && !movie.isFragmented)
    throw new InvalidVideoError('the video has no pictures');
  return kind;
}

/** `mvhd` (ISO/IEC 14496-12 §8.2.2): 32-bit times in version 0, 64-bit in version 1. */
function readDuration(mvhd: Uint8Array): number {
  const view = new DataView(mvhd.buffer, mvhd.byteOffset, mvhd.byteLength);
  const isLong = mvhd[0] === 1;
  if (mvhd.length < (isLong ? 32 : 20)) throw new InvalidVideoError('box "mvhd" is too short');
  const timescale = view.getUint32(isLong ? 20 : 12);
  const duration = isLong ? Number(view.getBigUint64(24)) : view.getUint32(16);
  const isOpen = !isLong && duration === 0xffff_ffff;
  return timescale === 0 || isOpen || duration > Number.MAX_SAFE_INTEGER ? 0 : duration / timescale;
}
