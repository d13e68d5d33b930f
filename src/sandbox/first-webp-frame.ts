interface Chunk {
  readonly id: string;
  /** With its header, without padding. */
  readonly whole: Buffer;
  readonly content: Buffer;
}

const ANIMATED_FRAME_HEADER_BYTES = 16;
const ALPHA_FLAG = 0x10;

/** The first picture of an animated WebP as a WebP of its own; anything else as it is (RFC 9649 §2.7). */
export function firstWebpFrame(bytes: Uint8Array): Uint8Array {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const frame = chunksOf(file.subarray(12)).find(({ id }) => id === 'ANMF')?.content;
  if (frame === undefined) return bytes;
  const parts = chunksOf(frame.subarray(ANIMATED_FRAME_HEADER_BYTES)).filter(({ id }) =>
    /^(ALPH|VP8[ L])$/.test(id),
  );
  const hasAlpha = parts.some(({ id }) => id === 'ALPH');
  // Width and height, less one, lie behind the place of the frame.
  const extended = hasAlpha
    ? [makeChunk('VP8X', Buffer.concat([Buffer.from([ALPHA_FLAG, 0, 0, 0]), frame.subarray(6, 12)]))]
    : [];
  const chunks = Buffer.concat([...extended, ...parts.map(({ whole }) => padded(whole))]);
  return makeChunk('RIFF', Buffer.concat([Buffer.from('WEBP'), chunks]));
}

function chunksOf(bytes: Buffer): readonly Chunk[] {
  const chunks: Chunk[] = [];
  for (let at = 0; at + 8 <= bytes.length; ) {
    const end = at + 8 + bytes.readUInt32LE(at + 4);
    const id = bytes.toString('latin1', at, at + 4);
    chunks.push({ id, whole: bytes.subarray(at, end), content: bytes.subarray(at + 8, end) });
    at = end + (end % 2 === at % 2 ? 0 : 1);
  }
  return chunks;
}

function makeChunk(id: string, content: Buffer): Buffer {
  const header = Buffer.alloc(8, id);
  header.writeUInt32LE(content.length, 4);
  return padded(Buffer.concat([header, content]));
}

function padded(chunk: Buffer): Buffer {
  return chunk.length % 2 === 0 ? chunk : Buffer.concat([chunk, Buffer.alloc(1)]);
}
