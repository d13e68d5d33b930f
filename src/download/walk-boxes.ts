import { InvalidVideoError } from './invalid-video-error.ts';
import { MAX_BOX_HEADER_BYTES, type Mp4Box, readBoxHeader, showType } from './mp4-box.ts';

/** A file of known size that can be read anywhere. `readAt` returns fewer bytes only at the end. */
export interface ReadableFile {
  readonly sizeBytes: number;
  readAt(positionBytes: number, lengthBytes: number): Promise<Uint8Array>;
}

/** Far above what any real file has; bounds the walk through a hostile one. */
const MAX_BOXES = 65_536;

/**
 * All top-level boxes in order. Each lies inside the file and the last ends exactly at its end, whatever way its size is
 * given (32-bit, 64-bit, or 0 for "to the end").
 * @throws InvalidVideoError
 */
export async function walkBoxes(file: ReadableFile): Promise<readonly Mp4Box[]> {
  const boxes: Mp4Box[] = [];
  let startBytes = 0;
  while (startBytes < file.sizeBytes) {
    if (boxes.length >= MAX_BOXES) throw new InvalidVideoError(`more than ${MAX_BOXES} boxes`);
    const box = await readBox(file, startBytes);
    boxes.push(box);
    startBytes += box.sizeBytes;
  }
  return boxes;
}

async function readBox(file: ReadableFile, startBytes: number): Promise<Mp4Box> {
  const restBytes = file.sizeBytes - startBytes;
  const header = readBoxHeader(await file.readAt(startBytes, Math.min(MAX_BOX_HEADER_BYTES, restBytes)));
  if (header.kind === 'short') throw new InvalidVideoError('the file ends inside the header of a box');
  const { type, headerBytes } = header;
  const sizeBytes = header.sizeBytes === 'toEnd' ? restBytes : header.sizeBytes;
  if (sizeBytes > restBytes) {
    throw new InvalidVideoError(
      `box ${showType(type)} needs ${sizeBytes} bytes, the file has ${restBytes} left`,
    );
  }
  return { type, startBytes, headerBytes, sizeBytes };
}
