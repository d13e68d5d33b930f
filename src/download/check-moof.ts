import type { FragmentDefaults } from './check-moov.ts';
import { readChildren, requireChild } from './child-boxes.ts';
import { InvalidVideoError } from './invalid-video-error.ts';
import type { Mp4Box } from './mp4-box.ts';

/** One run of samples in a track, as a fragment describes it. */
export interface FragmentTrack {
  readonly trackId: number;
  readonly sampleCount: number;
  /** Where it ends in the track's own time; `undefined` where the fragment does not say when it begins. */
  readonly endTime?: number | undefined;
}

export interface MoofPlace {
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
export function checkMoof(moof: Uint8Array, place: MoofPlace): readonly FragmentTrack[] {
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
