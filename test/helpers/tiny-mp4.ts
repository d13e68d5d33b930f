interface TinyMp4Options {
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
/** The handler types `soun` and `vide`. */
const SOUND = 0x736f756e;
const PICTURE = 0x76696465;

/** Numbers as 32 bits, texts as what they spell in hexadecimal. */
type Part = number | string | Uint8Array;

function bytes(...parts: readonly Part[]): Buffer {
  const toBuffer = (part: Part): Uint8Array => {
    if (typeof part === 'string') return Buffer.from(part, 'hex');
    if (typeof part !== 'number') return part;
    const word = Buffer.alloc(4);
    word.writeUInt32BE(part);
    return word;
  };
  return Buffer.concat(parts.map(toBuffer));
}

/** One box of ISO/IEC 14496-12: size, type, content. */
function box(type: string, ...content: readonly Part[]): Buffer {
  const body = bytes(...content);
  return bytes(body.length + 8, Buffer.from(type, 'latin1'), body);
}

/** A whole MP4 with an H.264 track of eight pictures (and an AAC track), whose sample data is noise of the size asked for. */
export function tinyMp4(options: TinyMp4Options = {}): Buffer {
  const { dataBytes = 4096, mdatSize = 'short', seed = 1 } = options;
  const ftyp = box('ftyp', Buffer.from('isom'), 512, Buffer.from('isomiso2avc1mp41'));
  const type = Buffer.from('mdat');
  const sizes = { toEnd: bytes(0, type), long: bytes(1, type, 0, dataBytes + 16) };
  const header = mdatSize === 'short' ? bytes(dataBytes + 8, type) : sizes[mdatSize];
  const offset = ftyp.length + moov(options, dataBytes, 0).length + header.length;
  return Buffer.concat([ftyp, moov(options, dataBytes, offset), header, noise(dataBytes, seed)]);
}

function moov(options: TinyMp4Options, dataBytes: number, offset: number): Buffer {
  const { widthPx = 64, heightPx = 48, durationSeconds = 4, hasAudio = true } = options;
  const duration = durationSeconds * TIMESCALE;
  const pictureBytes = hasAudio ? Math.floor(dataBytes / 2) : dataBytes;
  const sides = [widthPx * 0x10000, heightPx * 0x10000];
  const entry = avc1(widthPx * 0x10000 + heightPx);
  const picture = trackOf(PICTURE, duration, entry, [pictureBytes, offset], sides);
  const sound = trackOf(SOUND, duration, MP4A, [dataBytes - pictureBytes, offset + pictureBytes]);
  return box(
    'moov',
    box('mvhd', 0, 0, 0, TIMESCALE, duration, 0x10000, 0x1000000, 0, 0, MATRIX, Buffer.alloc(24), 3),
    picture,
    ...(hasAudio ? [sound] : []),
  );
}

const MATRIX = bytes(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000);

/** `place`: how many bytes of samples there are, and where they begin. */
function trackOf(kind: number, duration: number, entry: Buffer, place: [number, number], sides = [0, 0]) {
  const [sizeBytes, offset] = place;
  const isSound = kind === SOUND;
  const volume = isSound ? 0x1000000 : 0;
  const perFrame = Math.floor(sizeBytes / FRAMES);
  const last = sizeBytes - perFrame * (FRAMES - 1);
  const stbl = box(
    'stbl',
    box('stsd', 0, 1, entry),
    box('stts', 0, 1, FRAMES, duration / FRAMES),
    box('stsc', 0, 1, 1, FRAMES, 1),
    box('stsz', 0, 0, FRAMES, ...Array(FRAMES - 1).fill(perFrame), last),
    box('stco', 0, 1, offset),
  );
  const media = isSound ? box('smhd', 0, 0) : box('vmhd', 1, 0, 0);
  const dinf = box('dinf', box('dref', 0, 1, box('url ', 1)));
  const mdhd = box('mdhd', 0, 0, 0, TIMESCALE, duration, 0x55c40000);
  const hdlr = box('hdlr', 0, 0, kind, 0, 0, 0, '00');
  return box(
    'trak',
    box('tkhd', 7, 0, 0, isSound ? 2 : 1, 0, duration, 0, 0, 0, volume, MATRIX, ...sides),
    box('mdia', mdhd, hdlr, box('minf', media, dinf, stbl)),
  );
}

const SPS = '6742c00ad9079e84000003000400000300083c489e4b';
const AVCC = box('avcC', '0142c00affe1', '0016', SPS, '01', '0004', '68cb8cb2');

/** `size`: width and height, 16 bits each. */
function avc1(size: number): Buffer {
  const resolution = [0x480000, 0x480000, 0];
  const depth = '0018ffff';
  return box('avc1', 0, 1, Buffer.alloc(16), size, ...resolution, '0001', Buffer.alloc(32), depth, AVCC);
}

const DECODER = '0411401500000000' + '00fa000000fa00' + '05021190';
const ESDS = box('esds', 0, `0319000200${DECODER}060102`);
const MP4A = box('mp4a', 0, 1, 0, 0, 0x20010, 0, 48000 * 65536, ESDS);

/** Bytes that no compressor can shrink and that differ by seed (xorshift32). */
function noise(sizeBytes: number, seed: number): Buffer {
  const data = Buffer.alloc(sizeBytes);
  let state = (seed * 2654435761) >>> 0 || 1;
  for (let index = 0; index < sizeBytes; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    data[index] = state & 0xff;
  }
  return data;
}
