import type { MediaExpectation, MediaFacts } from '../config/output-pattern.ts';
import { sanitizeServerText } from '../platform/text.ts';
import { InvalidVideoError } from './errors.ts';

/** The longest header that is understood: 32-bit size, type, 64-bit size. */
const MAX_BOX_HEADER_BYTES = 16;

/** One box of ISO/IEC 14496-12 §4.2: where it starts, its header, its whole size. */
interface Mp4Box {
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
function showType(type: string): string {
  return /^[\x21-\x7e]{4}$/.test(type) ? `"${type}"` : `0x${Buffer.from(type, 'latin1').toString('hex')}`;
}

function sized(type: string, headerBytes: number, sizeBytes: number): BoxHeader {
  if (sizeBytes < headerBytes)
    throw new InvalidVideoError(`box ${showType(type)} is smaller than its own header`);
  return { kind: 'box', type, headerBytes, sizeBytes };
}

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
async function walkBoxes(file: ReadableFile): Promise<readonly Mp4Box[]> {
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

interface ChildBox {
  readonly type: string;
  readonly content: Uint8Array;
}

/**
 * The boxes inside a box that holds nothing else. Views, not copies.
 * @throws InvalidVideoError where one reaches out of its parent
 */
function readChildren(content: Uint8Array, parent: string): readonly ChildBox[] {
  const children: ChildBox[] = [];
  let at = 0;
  while (at < content.length) {
    const rest = content.subarray(at);
    // Apple's writers end a container with 32 zero bits (QuickTime File Format, "User data atoms").
    if (rest.length === 4 && rest.every((byte) => byte === 0)) break;
    const header = readBoxHeader(rest);
    if (header.kind === 'short')
      throw new InvalidVideoError(`box "${parent}" ends inside the header of a box`);
    const sizeBytes = header.sizeBytes === 'toEnd' ? rest.length : header.sizeBytes;
    if (sizeBytes > rest.length)
      throw new InvalidVideoError(`box ${showType(header.type)} reaches out of "${parent}"`);
    children.push({ type: header.type, content: rest.subarray(header.headerBytes, sizeBytes) });
    at += sizeBytes;
  }
  return children;
}

/**
 * The first child of a type.
 * @throws InvalidVideoError when there is none
 */
function requireChild(children: readonly ChildBox[], type: string, parent: string): ChildBox {
  const child = children.find((box) => box.type === type);
  if (child === undefined) throw new InvalidVideoError(`box "${parent}" has no "${type}"`);
  return child;
}

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
function checkSampleTable(stbl: readonly ChildBox[], fileBytes: number): number {
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

interface TrackHeader {
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
function readTrackHeader(tkhd: Uint8Array): TrackHeader {
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

/** One track of pictures or sound. */
interface MovieTrack extends TrackHeader {
  readonly kind: 'vide' | 'soun';
  /** Units a second of the times in this track; 0 where the header says so. */
  readonly timescale: number;
}

/** What fragments leave out (`trex`). */
interface FragmentDefaults {
  readonly sampleDuration: number;
  readonly sampleBytes: number;
}

/** What the header of a movie says, once every table in it was found sound. */
interface MovieHeader {
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
function checkMoov(moov: Uint8Array, fileBytes: number): MovieHeader {
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

/** One run of samples in a track, as a fragment describes it. */
interface FragmentTrack {
  readonly trackId: number;
  readonly sampleCount: number;
  /** Where it ends in the track's own time; `undefined` where the fragment does not say when it begins. */
  readonly endTime?: number | undefined;
}

interface MoofPlace {
  readonly box: Pick<Mp4Box, 'startBytes'>;
  readonly fileBytes: number;
  readonly defaults: ReadonlyMap<number, FragmentDefaults>;
}

interface Base extends FragmentDefaults {
  readonly trackId: number;
  /** What the offsets of the runs count from. */
  readonly offsetBytes: number;
}

/** Duration, size, flags and composition offset of each sample. */
const OWN_FIELDS = 0xf00;

/**
 * Checks a `moof` box (ISO/IEC 14496-12 §8.8): each run fits into its box, and every sample lies inside the file.
 * @param moof the content of the box
 * @throws InvalidVideoError
 */
function checkMoof(moof: Uint8Array, place: MoofPlace): readonly FragmentTrack[] {
  return readChildren(moof, 'moof')
    .filter(({ type }) => type === 'traf')
    .map(({ content }) => checkTraf(content, place));
}

function checkTraf(traf: Uint8Array, place: MoofPlace): FragmentTrack {
  const children = readChildren(traf, 'traf');
  const base = readBase(requireChild(children, 'tfhd', 'traf').content, place);
  const tfdt = children.find(({ type }) => type === 'tfdt')?.content;
  let [sampleCount, duration] = [0, 0];
  let nextBytes = base.offsetBytes;
  for (const { type, content } of children) {
    if (type !== 'trun') continue;
    const run = readRun(content, { base, nextBytes });
    if (run.startBytes < 0 || run.endBytes > place.fileBytes)
      throw new InvalidVideoError(`sample data at byte ${run.startBytes} lies beyond the end of the file`);
    sampleCount += run.sampleCount;
    duration += run.duration;
    nextBytes = run.endBytes;
  }
  const startTime = tfdt && readStartTime(tfdt);
  return { trackId: base.trackId, sampleCount, endTime: startTime && startTime + duration };
}

/** `tfhd` (§8.8.7): flags say which of its fields are there. Offsets count from the fragment unless it says otherwise. */
function readBase(tfhd: Uint8Array, { box, defaults }: MoofPlace): Base {
  const fields = createFields(tfhd, 'tfhd');
  const trackId = fields.u32();
  const offsetBytes = fields.has(0x1) ? fields.u64() : box.startBytes;
  if (fields.has(0x2)) fields.u32();
  const { sampleDuration = 0, sampleBytes = 0 } = defaults.get(trackId) ?? {};
  return {
    trackId,
    offsetBytes,
    sampleDuration: fields.has(0x8) ? fields.u32() : sampleDuration,
    sampleBytes: fields.has(0x10) ? fields.u32() : sampleBytes,
  };
}

/** `trun` (§8.8.8): duration, size, flags and composition offset of each sample, as far as they are not the same for all. */
function readRun(trun: Uint8Array, { base, nextBytes }: { readonly base: Base; readonly nextBytes: number }) {
  const fields = createFields(trun, 'trun');
  const sampleCount = fields.u32();
  const startBytes = fields.has(0x1) ? base.offsetBytes + fields.i32() : nextBytes;
  if (fields.has(0x4)) fields.u32();
  if (!fields.has(OWN_FIELDS)) {
    const endBytes = startBytes + sampleCount * base.sampleBytes;
    return { sampleCount, duration: sampleCount * base.sampleDuration, startBytes, endBytes };
  }
  let [duration, sizeBytes] = [0, 0];
  // Ends with the box, whatever number it claims.
  for (let index = 0; index < sampleCount; index += 1) {
    duration += fields.has(0x100) ? fields.u32() : base.sampleDuration;
    sizeBytes += fields.has(0x200) ? fields.u32() : base.sampleBytes;
    if (fields.has(0x400)) fields.u32();
    if (fields.has(0x800)) fields.u32();
  }
  return { sampleCount, duration, startBytes, endBytes: startBytes + sizeBytes };
}

/** `tfdt` (§8.8.12). */
function readStartTime(tfdt: Uint8Array): number {
  const fields = createFields(tfdt, 'tfdt');
  return tfdt[0] === 1 ? fields.u64() : fields.u32();
}

/** Reads the fields of a box one after the other, behind its version and flags. */
function createFields(content: Uint8Array, type: string) {
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  if (content.length < 4) throw new InvalidVideoError(`box "${type}" is too short`);
  const flags = view.getUint32(0) & 0xff_ffff;
  let at = 4;
  const next = (bytes: number): number => {
    const start = at;
    at += bytes;
    if (at > content.length) throw new InvalidVideoError(`box "${type}" has room for fewer than its entries`);
    return start;
  };
  return {
    has: (flag: number) => (flags & flag) !== 0,
    u32: () => view.getUint32(next(4)),
    i32: () => view.getInt32(next(4)),
    u64: () => Number(view.getBigUint64(next(8))),
  };
}

/** Encoders end on a picture or a sound frame, not on the second. */
const DURATION_TOLERANCE_SECONDS = 0.5;

/** What differs between the request and the file, a line each. The clip is paid for either way, so these are warnings. */
export function compareMedia(expectation: MediaExpectation, facts: MediaFacts): readonly string[] {
  const { durationSeconds, widthPx, heightPx, hasAudio } = expectation;
  const warnings: string[] = [];
  // Fragmented files leave it open (0): nothing to compare.
  const isKnownDuration = durationSeconds !== undefined && facts.durationSeconds > 0;
  if (isKnownDuration && Math.abs(durationSeconds - facts.durationSeconds) > DURATION_TOLERANCE_SECONDS) {
    warnings.push(
      `the video is ${Number(facts.durationSeconds.toFixed(2))} s long, ${durationSeconds} s were asked for`,
    );
  }
  const isKnownSize = facts.widthPx !== undefined && facts.heightPx !== undefined;
  if (
    isKnownSize &&
    widthPx !== undefined &&
    heightPx !== undefined &&
    (facts.widthPx !== widthPx || facts.heightPx !== heightPx)
  ) {
    warnings.push(
      `the video has ${facts.widthPx}×${facts.heightPx} pixels, ${widthPx}×${heightPx} were asked for`,
    );
  }
  if (hasAudio !== undefined && hasAudio !== facts.hasAudio) {
    warnings.push(
      hasAudio
        ? 'the video has no sound, although it was asked for'
        : 'the video has sound, although none was asked for',
    );
  }
  return warnings;
}

/** How many bytes are enough to tell a video from an error page. */
export const SNIFF_BYTES = 512;

const PAGE_LINE_LENGTH = 120;

/**
 * Checks that a file starts as an MP4 does: a box `ftyp`.
 * @param start its first bytes, at least `SNIFF_BYTES` of them where the file has so many
 * @throws InvalidVideoError naming what it is instead; of a text, its first line
 */
export function sniffVideo(start: Uint8Array): void {
  if (Buffer.from(start.subarray(4, 8)).toString('latin1') === 'ftyp') return;
  if (start.length === 0) throw new InvalidVideoError('the file is empty');
  const text = new TextDecoder()
    .decode(start.subarray(0, SNIFF_BYTES))
    .replace(/^\ufeff/, '')
    .trimStart();
  const kind = kindOfText(text);
  if (kind === undefined) throw new InvalidVideoError('the file does not start as an MP4 does');
  throw new InvalidVideoError(`the host sent ${kind} instead of a video: ${firstLine(text)}`, {
    isPage: true,
  });
}

function kindOfText(text: string): string | undefined {
  if (/^<(?:!doctype html|html|head|body)/i.test(text)) return 'a web page';
  if (/^<(?:\?xml|[a-z][\w:-]*[\s>/])/i.test(text)) return 'an XML document';
  if (/^[{[]/.test(text)) return 'a JSON document';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a text has none of them
  return text.length > 0 && !/[\x00-\x08\x0e-\x1f\ufffd]/.test(text) ? 'a text' : undefined;
}

/** The first words without tags, harmless for a terminal. */
function firstLine(text: string): string {
  const words = sanitizeServerText(text.replace(/<[^>]*>?/g, ' '), { maxLength: PAGE_LINE_LENGTH }).replace(
    /\s+/g,
    ' ',
  );
  return words === '' ? '(no text)' : `"${words}"`;
}

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
