const CONTAINERS = new Set(['moov', 'trak', 'mdia']);
const BOXES_WITH_TIMES = new Set(['mvhd', 'tkhd', 'mdhd']);

/**
 * Sets the creation and modification times of an MP4 to "not known" (0, ISO/IEC 14496-12 §8.2.2), in place: the
 * bytes of a clip must not depend on when it was made.
 */
export function clearTimes(file: Uint8Array): Uint8Array {
  clearWithin(new DataView(file.buffer, file.byteOffset, file.byteLength), {
    start: 0,
    end: file.byteLength,
  });
  return file;
}

function clearWithin(view: DataView, { start, end }: { start: number; end: number }): void {
  for (let at = start; at + 8 <= end; ) {
    const type = String.fromCharCode(...[4, 5, 6, 7].map((offset) => view.getUint8(at + offset)));
    const sizeBytes = view.getUint32(at) === 1 ? Number(view.getBigUint64(at + 8)) : view.getUint32(at);
    if (sizeBytes < 8) return;
    if (CONTAINERS.has(type)) clearWithin(view, { start: at + 8, end: at + sizeBytes });
    if (BOXES_WITH_TIMES.has(type)) {
      // Two times of 32 bits in version 0 of the box, of 64 bits in version 1.
      const words = view.getUint8(at + 8) === 1 ? 4 : 2;
      for (let word = 0; word < words; word++) view.setUint32(at + 12 + 4 * word, 0);
    }
    at += sizeBytes;
  }
}
