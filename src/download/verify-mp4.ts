import { checkMoov, type MovieHeader } from './check-moov.ts';
import { InvalidVideoError } from './invalid-video-error.ts';
import type { Mp4Box } from './mp4-box.ts';
import { readMediaFacts } from './read-media-facts.ts';
import { SNIFF_BYTES, sniffVideo } from './sniff-video.ts';
import type { MediaFacts } from './types.ts';
import { type ReadableFile, walkBoxes } from './walk-boxes.ts';

/** The header of a 15 s clip has some kilobytes; one of 64 MiB describes days. */
const MAX_MOOV_BYTES = 64 * 1024 ** 2;

/**
 * Checks that a file is a whole MP4 and tells what is in it: exact length, `ftyp` first, a complete tree of top-level boxes
 * with `moov` and `mdat`, sample tables that point inside the file. Memory is bounded by the size of `moov` (at most 64 MiB).
 * @param expectedBytes the length that the host announced; absent when it named none
 * @throws InvalidVideoError and nothing else but errors of reading
 */
export async function verifyMp4(file: ReadableFile, expectedBytes?: number): Promise<MediaFacts> {
  if (expectedBytes !== undefined && file.sizeBytes !== expectedBytes) {
    throw new InvalidVideoError(`the file has ${file.sizeBytes} bytes instead of ${expectedBytes}`);
  }
  sniffVideo(await file.readAt(0, Math.min(SNIFF_BYTES, file.sizeBytes)));
  const { durationSeconds, hasAudio } = await checkBoxes(file, await walkBoxes(file));
  try {
    return { durationSeconds, ...(await readMediaFacts(file)) };
  } catch (error) {
    // Every table was found sound: a codec that the library doesn't know must not cost anyone a paid clip.
    if (!(error instanceof InvalidVideoError)) throw error;
    return { durationSeconds, hasAudio };
  }
}

async function checkBoxes(file: ReadableFile, boxes: readonly Mp4Box[]): Promise<MovieHeader> {
  const moovs = boxes.filter(({ type }) => type === 'moov');
  const [moov] = moovs;
  if (moov === undefined) throw new InvalidVideoError('the file has no "moov" box');
  if (moovs.length > 1) throw new InvalidVideoError('the file has several "moov" boxes');
  if (!boxes.some(({ type }) => type === 'mdat')) throw new InvalidVideoError('the file has no "mdat" box');
  const contentBytes = moov.sizeBytes - moov.headerBytes;
  if (contentBytes > MAX_MOOV_BYTES) throw new InvalidVideoError(`box "moov" has ${contentBytes} bytes`);
  const content = await file.readAt(moov.startBytes + moov.headerBytes, contentBytes);
  if (content.length !== contentBytes)
    throw new InvalidVideoError('the file became shorter while it was read');
  const header = checkMoov(content, file.sizeBytes);
  if (header.isFragmented && !boxes.some(({ type }) => type === 'moof'))
    throw new InvalidVideoError('the file has no "moof" box');
  return header;
}
