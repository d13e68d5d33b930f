import type { ClientRequest, IncomingMessage } from 'node:http';
import type { OnReadOpts, Socket } from 'node:net';
import { createHeadScanner } from './head-scanner.ts';
import { createReadLane } from './read-lane.ts';

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
