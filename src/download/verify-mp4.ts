import { checkMoof } from './check-moof.ts';
import { checkMoov, type FragmentDefaults, type MovieHeader } from './check-moov.ts';
import { InvalidVideoError } from './invalid-video-error.ts';
import type { Mp4Box } from './mp4-box.ts';
import { SNIFF_BYTES, sniffVideo } from './sniff-video.ts';
import type { MediaFacts } from './types.ts';
import { type ReadableFile, walkBoxes } from './walk-boxes.ts';

/** The header of a 15 s clip has some kilobytes; one of 64 MiB describes days. */
const MAX_HEADER_BYTES = 64 * 1024 ** 2;

/**
 * Checks that a file is a whole MP4 and tells what is in it: exact length, `ftyp` first, a complete tree of top-level boxes
 * with `moov` and `mdat`, sample tables and fragments that point inside the file. Memory is bounded by the size of the
 * headers (at most 64 MiB each).
 * @param expectedBytes the length that the host announced; absent when it named none
 * @throws InvalidVideoError and nothing else but errors of reading
 */
export async function verifyMp4(file: ReadableFile, expectedBytes?: number): Promise<MediaFacts> {
  if (expectedBytes !== undefined && file.sizeBytes !== expectedBytes) {
    throw new InvalidVideoError(`the file has ${file.sizeBytes} bytes instead of ${expectedBytes}`);
  }
  sniffVideo(await file.readAt(0, Math.min(SNIFF_BYTES, file.sizeBytes)));
  const boxes = await walkBoxes(file);
  const header = await readHeader(file, boxes);
  const { fragmentDefaults } = header;
  const fragmentSeconds =
    fragmentDefaults && (await checkFragments(file, boxes, { ...header, fragmentDefaults }));
  const picture = header.tracks.find(({ kind }) => kind === 'vide');
  return {
    durationSeconds: header.durationSeconds || (fragmentSeconds ?? 0),
    widthPx: picture?.widthPx,
    heightPx: picture?.heightPx,
    hasAudio: header.tracks.some(({ kind }) => kind === 'soun'),
  };
}

async function readHeader(file: ReadableFile, boxes: readonly Mp4Box[]): Promise<MovieHeader> {
  const moovs = boxes.filter(({ type }) => type === 'moov');
  const [moov] = moovs;
  if (moov === undefined) throw new InvalidVideoError('the file has no "moov" box');
  if (moovs.length > 1) throw new InvalidVideoError('the file has several "moov" boxes');
  if (!boxes.some(({ type }) => type === 'mdat')) throw new InvalidVideoError('the file has no "mdat" box');
  return checkMoov(await readContent(file, moov), file.sizeBytes);
}

/** Checks every fragment; returns the length of the pictures in seconds. */
async function checkFragments(
  file: ReadableFile,
  boxes: readonly Mp4Box[],
  { tracks, fragmentDefaults: defaults }: MovieHeader & { readonly fragmentDefaults: Defaults },
): Promise<number> {
  const moofs = boxes.filter(({ type }) => type === 'moof');
  if (moofs.length === 0) throw new InvalidVideoError('the file has no "moof" box');
  const pictures = new Map(tracks.flatMap((track) => (track.kind === 'vide' ? [[track.id, track]] : [])));
  let [endSeconds, pictureCount] = [0, 0];
  for (const box of moofs) {
    const place = { box, fileBytes: file.sizeBytes, defaults };
    for (const { trackId, sampleCount, endTime } of checkMoof(await readContent(file, box), place)) {
      const track = pictures.get(trackId);
      if (track === undefined) continue;
      pictureCount += sampleCount;
      if (track.timescale > 0) endSeconds = Math.max(endSeconds, (endTime ?? 0) / track.timescale);
    }
  }
  if (pictureCount === 0) throw new InvalidVideoError('the video has no pictures');
  return endSeconds;
}

type Defaults = ReadonlyMap<number, FragmentDefaults>;

async function readContent(file: ReadableFile, { type, startBytes, headerBytes, sizeBytes }: Mp4Box) {
  const contentBytes = sizeBytes - headerBytes;
  if (contentBytes > MAX_HEADER_BYTES) throw new InvalidVideoError(`box "${type}" has ${contentBytes} bytes`);
  const content = await file.readAt(startBytes + headerBytes, contentBytes);
  if (content.length !== contentBytes)
    throw new InvalidVideoError('the file became shorter while it was read');
  return content;
}
