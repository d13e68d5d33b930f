export interface TinyMp4Options {
  /** Bytes of sample data, at least one a picture. */
  readonly dataBytes?: number;
  readonly widthPx?: number;
  readonly heightPx?: number;
  readonly durationSeconds?: number;
  readonly hasAudio?: boolean;
  /** Different seeds give different sample data of the same size. */
  readonly seed?: number;
  /** `mdat` with a 64-bit size; `toEnd`: size 0, only where `mdat` comes last. */
  readonly mdatSize?: 'short' | 'long' | 'toEnd';
}

const TIMESCALE = 1000;
const FRAMES = 8;

/** One box of ISO/IEC 14496-12: size, type, content. */
function box(type: string, ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content);
  return Buffer.concat([u32(body.length + 8), Buffer.from(type, 'latin1'), body]);
}

function u32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, index * 4);
  return bytes;
}

function u16(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  for (const [index, value] of values.entries()) bytes.writeUInt16BE(value, index * 2);
  return bytes;
}

/** A whole MP4 with an H.264 track of eight pictures (and an AAC track), whose sample data is noise of the size asked for. */
export function tinyMp4(options: TinyMp4Options = {}): Buffer {
  const { dataBytes = 4096, mdatSize = 'short', seed = 1 } = options;
  const ftyp = box('ftyp', Buffer.from('isom'), u32(512), Buffer.from('isomiso2avc1mp41'));
  const data = noise(dataBytes, seed);
  const mdatHeader = headerOfMdat(mdatSize, dataBytes);
  const moovBytes = moov(options, { dataBytes, offset: 0 }).length;
  const offset = ftyp.length + moovBytes + mdatHeader.length;
  return Buffer.concat([ftyp, moov(options, { dataBytes, offset }), mdatHeader, data]);
}

function headerOfMdat(form: 'short' | 'long' | 'toEnd', dataBytes: number): Buffer {
  const type = Buffer.from('mdat');
  if (form === 'toEnd') return Buffer.concat([u32(0), type]);
  if (form === 'long') return Buffer.concat([u32(1), type, u32(0, dataBytes + 16)]);
  return Buffer.concat([u32(dataBytes + 8), type]);
}

interface Samples {
  readonly dataBytes: number;
  readonly offset: number;
}

function moov(options: TinyMp4Options, samples: Samples): Buffer {
  const { widthPx = 64, heightPx = 48, durationSeconds = 4, hasAudio = true } = options;
  const duration = durationSeconds * TIMESCALE;
  const mvhd = box(
    'mvhd',
    u32(0, 0, 0, TIMESCALE, duration, 0x10000),
    u16(0x100, 0),
    u32(0, 0),
    MATRIX,
    Buffer.alloc(24),
    u32(3),
  );
  const pictureBytes = hasAudio ? Math.floor(samples.dataBytes / 2) : samples.dataBytes;
  const picture = track(
    { ...options, id: 1, duration, kind: 'vide', entry: avc1(widthPx, heightPx), widthPx, heightPx },
    { ...samples, dataBytes: pictureBytes },
  );
  const soundSamples = { dataBytes: samples.dataBytes - pictureBytes, offset: samples.offset + pictureBytes };
  const sound = track(
    { ...options, id: 2, duration, kind: 'soun', entry: mp4a(), widthPx: 0, heightPx: 0 },
    soundSamples,
  );
  return box('moov', mvhd, picture, ...(hasAudio ? [sound] : []));
}

const MATRIX = u32(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000);

interface TrackOptions {
  readonly id: number;
  readonly duration: number;
  readonly kind: 'vide' | 'soun';
  readonly entry: Buffer;
  readonly widthPx: number;
  readonly heightPx: number;
}

function track({ id, duration, kind, entry, widthPx, heightPx }: TrackOptions, samples: Samples): Buffer {
  const tkhd = box(
    'tkhd',
    u32(7, 0, 0, id, 0, duration, 0, 0),
    u16(0, 0, kind === 'soun' ? 0x100 : 0, 0),
    MATRIX,
    u32(widthPx * 65536, heightPx * 65536),
  );
  const mdhd = box('mdhd', u32(0, 0, 0, TIMESCALE, duration), u16(0x55c4, 0));
  const hdlr = box('hdlr', u32(0, 0), Buffer.from(kind), u32(0, 0, 0), Buffer.from('\0'));
  const media = kind === 'vide' ? box('vmhd', u32(1, 0, 0)) : box('smhd', u32(0, 0));
  const dinf = box('dinf', box('dref', u32(0, 1), box('url ', u32(1))));
  const each = Math.floor(samples.dataBytes / FRAMES);
  const sizes = Array.from({ length: FRAMES }, (_, index) =>
    index === FRAMES - 1 ? samples.dataBytes - each * (FRAMES - 1) : each,
  );
  const stbl = box(
    'stbl',
    box('stsd', u32(0, 1), entry),
    box('stts', u32(0, 1, FRAMES, duration / FRAMES)),
    box('stsc', u32(0, 1, 1, FRAMES, 1)),
    box('stsz', u32(0, 0, FRAMES, ...sizes)),
    box('stco', u32(0, 1, samples.offset)),
  );
  return box('trak', tkhd, box('mdia', mdhd, hdlr, box('minf', media, dinf, stbl)));
}

function avc1(widthPx: number, heightPx: number): Buffer {
  const sps = Buffer.from('6742c00ad9079e84000003000400000300083c489e4b', 'hex');
  const pps = Buffer.from('68cb8cb2', 'hex');
  const avcC = box(
    'avcC',
    Buffer.from([1, 0x42, 0xc0, 0x0a, 0xff, 0xe1]),
    u16(sps.length),
    sps,
    Buffer.from([1]),
    u16(pps.length),
    pps,
  );
  return box(
    'avc1',
    Buffer.alloc(6),
    u16(1),
    Buffer.alloc(16),
    u16(widthPx, heightPx),
    u32(0x480000, 0x480000, 0),
    u16(1),
    Buffer.alloc(32),
    u16(24, 0xffff),
    avcC,
  );
}

function mp4a(): Buffer {
  const config = Buffer.from([0x05, 0x02, 0x11, 0x90]);
  const decoder = Buffer.concat([
    Buffer.from([0x04, 13 + config.length, 0x40, 0x15, 0, 0, 0]),
    u32(64000, 64000),
    config,
  ]);
  const descriptor = Buffer.concat([
    Buffer.from([0x03, 3 + decoder.length + 3, 0, 2, 0]),
    decoder,
    Buffer.from([0x06, 1, 2]),
  ]);
  return box(
    'mp4a',
    Buffer.alloc(6),
    u16(1),
    u32(0, 0),
    u16(2, 16, 0, 0),
    u32(48000 * 65536),
    box('esds', u32(0), descriptor),
  );
}

/** Bytes that no compressor can shrink and that differ by seed (xorshift32). */
function noise(sizeBytes: number, seed: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  let state = (seed * 2654435761) >>> 0 || 1;
  for (let index = 0; index < sizeBytes; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[index] = state & 0xff;
  }
  return bytes;
}
