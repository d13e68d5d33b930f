import { type ChildBox, requireChild } from './child-boxes.ts';
import { InvalidVideoError } from './invalid-video-error.ts';

/** Four hours of pictures at 60 a second, and of AAC sound at 48 kHz as well. Readers keep something for each. */
const MAX_SAMPLES = 4_000_000;

interface Table {
  readonly view: DataView;
  readonly count: number;
  /** Where the first entry lies. */
  readonly startBytes: number;
}

/**
 * Checks the tables of one track (ISO/IEC 14496-12 §8.6.1, §8.7): each fits into its box, and every sample lies inside the
 * file. Returns the number of samples.
 * @throws InvalidVideoError
 */
export function checkSampleTable(stbl: readonly ChildBox[], fileBytes: number): number {
  const sizeOf = readSampleSizes(stbl);
  checkRuns(stbl, 'stts');
  if (stbl.some(({ type }) => type === 'ctts')) checkRuns(stbl, 'ctts');
  if (stbl.some(({ type }) => type === 'stss')) readTable(stbl, { type: 'stss', entryBytes: 4 });
  const described = checkChunks(stbl, sizeOf, fileBytes);
  if (described !== sizeOf.count) {
    throw new InvalidVideoError(`the tables place ${described} of ${sizeOf.count} samples`);
  }
  return sizeOf.count;
}

function readTable(
  stbl: readonly ChildBox[],
  {
    type,
    entryBytes,
    headBytes = 8,
  }: { readonly type: string; readonly entryBytes: number; readonly headBytes?: number },
): Table {
  const { content } = requireChild(stbl, type, 'stbl');
  if (content.length < headBytes) throw new InvalidVideoError(`box "${type}" is too short`);
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const count = view.getUint32(headBytes - 4);
  if (count * entryBytes > content.length - headBytes) {
    throw new InvalidVideoError(`box "${type}" has room for fewer than its ${count} entries`);
  }
  return { view, count, startBytes: headBytes };
}

interface SampleSizes {
  readonly count: number;
  /** The bytes of `length` samples from `first` on. */
  sum(first: number, length: number): number;
}

function readSampleSizes(stbl: readonly ChildBox[]): SampleSizes {
  const stsz = stbl.find(({ type }) => type === 'stsz')?.content;
  if (stsz === undefined) return readCompactSizes(stbl);
  if (stsz.length < 12) throw new InvalidVideoError('box "stsz" is too short');
  const head = new DataView(stsz.buffer, stsz.byteOffset, stsz.byteLength);
  const sameBytes = head.getUint32(4);
  const { view, count, startBytes } = readTable(stbl, {
    type: 'stsz',
    entryBytes: sameBytes === 0 ? 4 : 0,
    headBytes: 12,
  });
  if (count > MAX_SAMPLES && sameBytes === 0) throw new InvalidVideoError(`a track claims ${count} samples`);
  if (sameBytes !== 0) return { count, sum: (_first, length) => length * sameBytes };
  return {
    count,
    sum: (first, length) => sumOf(length, (index) => view.getUint32(startBytes + 4 * (first + index))),
  };
}

/** `stz2`: sizes of 4, 8 or 16 bits. */
function readCompactSizes(stbl: readonly ChildBox[]): SampleSizes {
  const stz2 = stbl.find(({ type }) => type === 'stz2')?.content;
  if (stz2 === undefined) throw new InvalidVideoError('box "stbl" has no "stsz"');
  const bits = stz2[7] ?? 0;
  if (bits !== 4 && bits !== 8 && bits !== 16)
    throw new InvalidVideoError('box "stz2" has sizes of no known form');
  const { view, count, startBytes } = readTable(stbl, { type: 'stz2', entryBytes: bits / 8, headBytes: 12 });
  if (count > MAX_SAMPLES) throw new InvalidVideoError(`a track claims ${count} samples`);
  const sizeAt = (index: number): number => {
    if (bits === 16) return view.getUint16(startBytes + 2 * index);
    if (bits === 8) return view.getUint8(startBytes + index);
    const pair = view.getUint8(startBytes + (index >> 1));
    return index % 2 === 0 ? pair >> 4 : pair & 0x0f;
  };
  return { count, sum: (first, length) => sumOf(length, (index) => sizeAt(first + index)) };
}

/** Run lengths (`stts`, `ctts`): readers unroll them, so their sum is bounded. */
function checkRuns(stbl: readonly ChildBox[], type: string): void {
  const { view, count, startBytes } = readTable(stbl, { type, entryBytes: 8 });
  const total = sumOf(count, (index) => view.getUint32(startBytes + 8 * index));
  if (total > MAX_SAMPLES * 16) throw new InvalidVideoError(`box "${type}" claims ${total} samples`);
}

/** Walks the chunks as `stsc` groups them; returns how many samples they hold. */
function checkChunks(stbl: readonly ChildBox[], sizes: SampleSizes, fileBytes: number): number {
  const isLong = !stbl.some(({ type }) => type === 'stco');
  const offsets = readTable(stbl, isLong ? { type: 'co64', entryBytes: 8 } : { type: 'stco', entryBytes: 4 });
  const groups = readTable(stbl, { type: 'stsc', entryBytes: 12 });
  let sample = 0;
  let group = -1;
  for (let chunk = 0; chunk < offsets.count && sample < sizes.count; chunk += 1) {
    while (group + 1 < groups.count && firstChunkOf(groups, group + 1) <= chunk + 1) group += 1;
    if (group < 0) throw new InvalidVideoError('box "stsc" does not start with the first chunk');
    const samples = Math.min(groups.view.getUint32(groups.startBytes + 12 * group + 4), sizes.count - sample);
    const at = offsets.startBytes + chunk * (isLong ? 8 : 4);
    const startBytes = isLong ? Number(offsets.view.getBigUint64(at)) : offsets.view.getUint32(at);
    if (startBytes + sizes.sum(sample, samples) > fileBytes) {
      throw new InvalidVideoError(`sample data at byte ${startBytes} lies beyond the end of the file`);
    }
    sample += samples;
  }
  return sample;
}

function firstChunkOf({ view, startBytes }: Table, index: number): number {
  return view.getUint32(startBytes + 12 * index);
}

function sumOf(count: number, valueAt: (index: number) => number): number {
  let sum = 0;
  for (let index = 0; index < count; index += 1) sum += valueAt(index);
  return sum;
}
