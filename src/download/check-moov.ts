import { checkSampleTable } from './check-sample-table.ts';
import { type ChildBox, readChildren, requireChild } from './child-boxes.ts';
import { InvalidVideoError } from './invalid-video-error.ts';
import { readTrackHeader, type TrackHeader } from './read-track-header.ts';

/** One track of pictures or sound. */
export interface MovieTrack extends TrackHeader {
  readonly kind: 'vide' | 'soun';
  /** Units a second of the times in this track; 0 where the header says so. */
  readonly timescale: number;
}

/** What fragments leave out (`trex`). */
export interface FragmentDefaults {
  readonly sampleDuration: number;
  readonly sampleBytes: number;
}

/** What the header of a movie says, once every table in it was found sound. */
export interface MovieHeader {
  /** 0 where the header leaves it open, as in fragmented files. */
  readonly durationSeconds: number;
  /** At least one of them has pictures. */
  readonly tracks: readonly MovieTrack[];
  /** By track, where the samples are described in `moof` boxes and not here. */
  readonly fragmentDefaults?: ReadonlyMap<number, FragmentDefaults> | undefined;
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
  const mvex = children.find(({ type }) => type === 'mvex')?.content;
  const boxes = children.filter(({ type }) => type === 'trak');
  if (boxes.length > MAX_TRACKS) throw new InvalidVideoError(`the video has ${boxes.length} tracks`);
  const movie = { fileBytes, isFragmented: mvex !== undefined };
  const tracks = boxes.flatMap((box) => checkTrack(box, movie) ?? []);
  if (!tracks.some(({ kind }) => kind === 'vide'))
    throw new InvalidVideoError('the file has no picture track');
  return {
    durationSeconds: readMovieDuration(requireChild(children, 'mvhd', 'moov').content),
    tracks,
    fragmentDefaults: mvex && readFragmentDefaults(mvex),
  };
}

/** `undefined` for a track that has neither pictures nor sound. */
function checkTrack(
  { content }: ChildBox,
  movie: { readonly fileBytes: number; readonly isFragmented: boolean },
): MovieTrack | undefined {
  const trak = readChildren(content, 'trak');
  const mdia = readChildren(requireChild(trak, 'mdia', 'trak').content, 'mdia');
  const kind = readKind(requireChild(mdia, 'hdlr', 'mdia').content);
  if (kind !== 'vide' && kind !== 'soun') return undefined;
  const minf = readChildren(requireChild(mdia, 'minf', 'mdia').content, 'minf');
  const stbl = readChildren(requireChild(minf, 'stbl', 'minf').content, 'stbl');
  const sampleCount = checkSampleTable(stbl, movie.fileBytes);
  if (kind === 'vide' && sampleCount === 0 && !movie.isFragmented)
    throw new InvalidVideoError('the video has no pictures');
  const { timescale } = readTimes(requireChild(mdia, 'mdhd', 'mdia').content, 'mdhd');
  return { kind, timescale, ...readTrackHeader(requireChild(trak, 'tkhd', 'trak').content) };
}

function readKind(hdlr: Uint8Array): string {
  if (hdlr.length < 12) throw new InvalidVideoError('box "hdlr" is too short');
  return String.fromCharCode(...hdlr.subarray(8, 12));
}

function readMovieDuration(mvhd: Uint8Array): number {
  const { timescale, duration } = readTimes(mvhd, 'mvhd');
  return timescale === 0 || duration > Number.MAX_SAFE_INTEGER ? 0 : duration / timescale;
}

/** `mvhd` and `mdhd` (ISO/IEC 14496-12 §8.2.2, §8.4.2): 32-bit times in version 0, 64-bit in version 1; all ones is "open". */
function readTimes(content: Uint8Array, type: string): { timescale: number; duration: number } {
  const isLong = content[0] === 1;
  if (content.length < (isLong ? 32 : 20)) throw new InvalidVideoError(`box "${type}" is too short`);
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const duration = isLong ? Number(view.getBigUint64(24)) : view.getUint32(16);
  return {
    timescale: view.getUint32(isLong ? 20 : 12),
    duration: !isLong && duration === 0xffff_ffff ? 0 : duration,
  };
}

/** `trex` (§8.8.3): track, sample description, duration, size, flags. */
function readFragmentDefaults(mvex: Uint8Array): ReadonlyMap<number, FragmentDefaults> {
  const defaults = new Map<number, FragmentDefaults>();
  for (const { type, content } of readChildren(mvex, 'mvex')) {
    if (type !== 'trex') continue;
    if (content.length < 24) throw new InvalidVideoError('box "trex" is too short');
    const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
    defaults.set(view.getUint32(4), { sampleDuration: view.getUint32(12), sampleBytes: view.getUint32(16) });
  }
  return defaults;
}
