import type { ClientRequest, IncomingMessage } from 'node:http';
import type { OnReadOpts, Socket } from 'node:net';

const HEAD_END = Buffer.from('\r\n\r\n');
const LONGEST_CARRY = HEAD_END.byteLength - 1;

export interface HeadScanner {
  /**
   * Looks at the bytes of a read from an offset on, in a time linear to what is passed over.
   * @returns the offset behind the empty line that ends the head (RFC 9112, section 2.1); undefined where it is still to come
   */
  findEnd(bytes: Uint8Array, offset: number): number | undefined;
}

/** Finds where the heads of HTTP messages end, however their bytes are cut into reads. */
export function createHeadScanner(): HeadScanner {
  /** The last bytes before the offset that may begin the end. */
  let carried = Buffer.alloc(0);
  return {
    findEnd(bytes, offset) {
      const seam = Buffer.concat([carried, bytes.subarray(offset, offset + LONGEST_CARRY)]);
      const atSeam = seam.indexOf(HEAD_END);
      if (atSeam >= 0) {
        const end = offset + atSeam + HEAD_END.byteLength - carried.byteLength;
        carried = Buffer.alloc(0);
        return end;
      }
      const found = asBuffer(bytes).indexOf(HEAD_END, offset);
      const rest = bytes.byteLength - offset;
      // Few bytes are all at the seam already, with those before them.
      const last = rest < LONGEST_CARRY ? seam : asBuffer(bytes);
      carried =
        found < 0
          ? Buffer.from(last.subarray(Math.max(0, last.byteLength - LONGEST_CARRY)))
          : Buffer.alloc(0);
      return found < 0 ? undefined : found + HEAD_END.byteLength;
    },
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** As much as a fast connection has ready; of a slow one's only the pages that it fills take memory. */
const BUFFER_BYTES = 1024 ** 2;
/** A buffer with less room than this is full: TLS gives 16 KiB at a time, so it takes many of those. */
const LEAST_ROOM_BYTES = 256 * 1024;
/** Buffers that hold bytes; with more the connection waits. Besides them one is ready for what still comes. */
const MOST_IN_USE = 2;

/** What is read of a connection on its way to who asked for it, in a few buffers that are used again. */
export interface ReadLane {
  /** Room for the next read. */
  nextRoom(): Uint8Array;
  /**
   * Takes what was read into the last room.
   * @param skippedBytes at its start, which belong to something else
   * @returns false where nothing more should be read until there is room
   */
  push(readBytes: number, skippedBytes: number): boolean;
  /** So many bytes, and what came with the last of them; a chunk is valid until the next is asked for. */
  read(lengthBytes: number): AsyncGenerator<Uint8Array>;
}

interface ReadBuffer {
  readonly bytes: Uint8Array;
  filledBytes: number;
  takenBytes: number;
}

/** @param signal ends the waiting for bytes; those that are here are still given out */
export function createReadLane(signal: AbortSignal, onRoom: () => void): ReadLane {
  const free: Uint8Array[] = [];
  /** Oldest first. The connection fills one of its own, which is here as long as it holds bytes. */
  const inUse: ReadBuffer[] = [];
  let filling = makeBuffer();
  let isWaiting = false;
  let wake: (() => void) | undefined;
  signal.addEventListener('abort', () => wake?.(), { once: true });

  function makeBuffer(): ReadBuffer {
    const bytes = free.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
    return { bytes, filledBytes: 0, takenBytes: 0 };
  }
  const take = async (): Promise<Uint8Array> => {
    for (;;) {
      const oldest = inUse.find(({ takenBytes, filledBytes }) => takenBytes < filledBytes);
      if (oldest !== undefined) {
        const chunk = oldest.bytes.subarray(oldest.takenBytes, oldest.filledBytes);
        oldest.takenBytes = oldest.filledBytes;
        return chunk;
      }
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  /** Every chunk that was given out has been used. */
  const release = () => {
    for (let [oldest] = inUse; oldest !== undefined && isUsed(oldest); [oldest] = inUse) {
      inUse.shift();
      if (oldest !== filling) keep(oldest);
    }
    if (!isWaiting || inUse.length > MOST_IN_USE) return;
    isWaiting = false;
    onRoom();
  };
  const keep = ({ bytes }: ReadBuffer) => {
    if (free.length <= MOST_IN_USE) free.push(bytes);
  };

  return {
    // Always room that nobody reads, even where a connection goes on though it was told to wait.
    nextRoom() {
      if (BUFFER_BYTES - filling.filledBytes < LEAST_ROOM_BYTES) {
        if (!inUse.includes(filling)) keep(filling);
        filling = makeBuffer();
      }
      return filling.bytes.subarray(filling.filledBytes);
    },
    push(readBytes, skippedBytes) {
      if (readBytes > skippedBytes && !inUse.includes(filling)) inUse.push(filling);
      if (skippedBytes > 0) filling.takenBytes = filling.filledBytes + skippedBytes;
      filling.filledBytes += readBytes;
      wake?.();
      isWaiting = inUse.length > MOST_IN_USE;
      return !isWaiting;
    },
    async *read(lengthBytes) {
      for (let leftBytes = lengthBytes; leftBytes > 0; ) {
        const chunk = await take();
        leftBytes -= chunk.byteLength;
        yield chunk;
        release();
      }
    },
  };
}

function isUsed({ takenBytes, filledBytes }: ReadBuffer): boolean {
  return takenBytes === filledBytes;
}

/** Heads without end are the parser's to refuse: it has a limit for one (16 KiB), and reads many faster. */
const MOST_HEAD_BYTES = 64 * 1024;

/**
 * The way of one answer's body past the HTTP parser. Node's own way takes new memory for every 64 KiB and copies it once
 * more in the parser; a large file then costs twice the time of its bytes. Here the parser is given the head alone, and of
 * a body of announced length there is nothing to parse.
 */
export interface BodyTap {
  /** How the connection is to be read: one that is made for this request alone. */
  readonly onread: OnReadOpts;
  /** Follows the request from before its connection is made. */
  follow(request: ClientRequest): void;
  /**
   * The chunks of the body, each valid until the next is asked for, with all that came in the last read, be it more than
   * announced. Undefined where the parser has the body: what is encoded, chunked or of unknown length.
   * @throws the signal's reason, once what has come is read
   */
  chunks(): AsyncIterator<Uint8Array> | undefined;
}

/** @param signal the end of the exchange, whoever ends it */
export function createBodyTap(signal: AbortSignal): BodyTap {
  const scanner = createHeadScanner();
  const lane = createReadLane(signal, () => socket?.resume());
  let socket: Socket | undefined;
  let goesTo: 'head' | 'lane' | 'parser' = 'head';
  let isAtHeadEnd = false;
  let headBytes = 0;
  let lengthBytes = 0;

  /** A copy: what a library keeps must not change when the buffer is filled again. */
  const parse = (bytes: Uint8Array) => {
    if (bytes.byteLength > 0) socket?.emit('data', Buffer.from(bytes));
  };
  /** Up to the end of the head, of the last one where informational ones (1xx) come first; returns its bytes. */
  const parseHead = (bytes: Uint8Array): number => {
    let parsedBytes = 0;
    while (goesTo === 'head' && parsedBytes < bytes.byteLength) {
      const end = scanner.findEnd(bytes, parsedBytes);
      const last = end === undefined ? bytes.byteLength : end - 1;
      parse(bytes.subarray(parsedBytes, last));
      // Where the parser saw the end elsewhere, it has bytes of the body already.
      isAtHeadEnd = end !== undefined && goesTo === 'head';
      parse(bytes.subarray(last, end));
      headBytes += (end ?? bytes.byteLength) - parsedBytes;
      parsedBytes = end ?? bytes.byteLength;
      if (goesTo === 'head' && headBytes > MOST_HEAD_BYTES) goesTo = 'parser';
    }
    return parsedBytes;
  };
  const choose = (response: IncomingMessage) => {
    lengthBytes = isAtHeadEnd && goesTo === 'head' ? plainLengthBytes(response) : 0;
    goesTo = lengthBytes > 0 ? 'lane' : 'parser';
  };

  return {
    onread: {
      buffer: lane.nextRoom,
      callback(readBytes, room) {
        const bytes = room.subarray(0, readBytes);
        const parsedBytes = parseHead(bytes);
        if (goesTo === 'lane') return lane.push(readBytes, parsedBytes);
        parse(bytes.subarray(parsedBytes));
        return true;
      },
    },
    follow(request) {
      if (request.socket) socket = request.socket;
      else
        request.once('socket', (made) => {
          socket = made;
        });
      request.once('response', choose);
    },
    chunks: () => (goesTo === 'lane' ? lane.read(lengthBytes) : undefined),
  };
}

/** The length of a body that is nothing but its bytes; 0 for any other. */
function plainLengthBytes({ statusCode, headers }: IncomingMessage): number {
  const length = headers['content-length'] ?? '';
  const isFile = statusCode === 200 || statusCode === 206;
  const isPlain =
    headers['transfer-encoding'] === undefined && (headers['content-encoding'] ?? 'identity') === 'identity';
  return isFile && isPlain && /^\d{1,15}$/.test(length) ? Number(length) : 0;
}
