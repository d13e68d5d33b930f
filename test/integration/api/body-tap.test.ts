import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { createHttp } from '../../../src/api/http.ts';
import { HttpFailure, type HttpStream } from '../../../src/api/http-types.ts';
import { NO_PROXIES } from '../../../src/api/proxy.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';
import { makeSignal } from '../../helpers/make-signal.ts';
import { type RawConnection, type RawServer, startRawServer, TLS_FIXTURE } from '../../helpers/raw-server.ts';

const TIMEOUTS = { connectMs: 10_000, responseMs: 30_000, idleMs: 20_000 };
const BUFFER_BYTES = 1024 ** 2;
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function makeHttp() {
  const clock = createFakeClock();
  const certificateAuthority = TLS_FIXTURE.cert;
  const http = createHttp({
    userAgent: 'x',
    timeouts: TIMEOUTS,
    proxy: NO_PROXIES,
    clock,
    certificateAuthority,
  });
  cleanups.push(() => http.close());
  return { http, clock };
}

async function serve(...parameters: Parameters<typeof startRawServer>): Promise<RawServer> {
  const server = await startRawServer(...parameters);
  cleanups.push(() => server.close());
  return server;
}

/** A certificate for `localhost`, as a name is what it is checked by. */
const urlOf = (server: RawServer) =>
  server.origin.startsWith('https') ? `https://localhost:${server.port}/` : `${server.origin}/`;

const open = (
  server: RawServer,
  { isLarge = true, signal }: { isLarge?: boolean; signal?: AbortSignal } = {},
) => makeHttp().http.open({ method: 'GET', url: urlOf(server), freshConnection: true, isLarge, signal });

interface Reading {
  readonly bytes: Buffer;
  readonly failure?: unknown;
  /** Chunks that lie in a buffer of the tap. */
  readonly tappedCount: number;
}

/** Copies each chunk at once: it is valid no longer. */
async function readAll({ body }: HttpStream): Promise<Reading> {
  const copies: Uint8Array[] = [];
  let tappedCount = 0;
  try {
    for await (const chunk of body) {
      copies.push(Uint8Array.from(chunk));
      if (chunk.buffer.byteLength === BUFFER_BYTES) tappedCount += 1;
    }
    return { bytes: Buffer.concat(copies), tappedCount };
  } catch (failure) {
    return { bytes: Buffer.concat(copies), failure, tappedCount };
  }
}

const head = (lengthBytes: number, more = '') =>
  `HTTP/1.1 200 OK\r\nContent-Length: ${lengthBytes}\r\n${more}\r\n`;

/** Bytes of which no two stretches are alike. */
function makeBody(sizeBytes: number): Buffer {
  const body = Buffer.alloc(sizeBytes);
  for (let at = 0; at + 4 <= sizeBytes; at += 4) body.writeUInt32LE((at * 2_654_435_761) >>> 0, at);
  return body;
}

describe.each([{ tls: false }, { tls: true }])('a large body (%o)', ({ tls }) => {
  it('comes whole, in few buffers, past the parser', async () => {
    const body = makeBody(9 * BUFFER_BYTES + 12_345);
    const server = await serve(
      ({ socket }) => void socket.end(Buffer.concat([Buffer.from(head(body.length)), body])),
      {
        tls,
      },
    );
    const stream = await open(server);
    const buffers = new Set<ArrayBufferLike>();
    const copies: Uint8Array[] = [];
    for await (const chunk of stream.body) {
      buffers.add(chunk.buffer);
      copies.push(Uint8Array.from(chunk));
    }
    expect(Buffer.concat(copies).equals(body)).toBe(true);
    expect(buffers.size).toBeLessThanOrEqual(4);
  });

  it('waits for a slow reader', async () => {
    const body = makeBody(32 * BUFFER_BYTES);
    const server = await serve(
      ({ socket }) => void socket.end(Buffer.concat([Buffer.from(head(body.length)), body])),
      {
        tls,
      },
    );
    const stream = await open(server);
    const copies: Uint8Array[] = [];
    const memoryBytes = new Set<ArrayBufferLike>();
    for await (const chunk of stream.body) {
      memoryBytes.add(chunk.buffer);
      // Everything that the connection has ready comes before the chunk is used.
      for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      copies.push(Uint8Array.from(chunk));
    }
    expect(Buffer.concat(copies).equals(body)).toBe(true);
    expect(memoryBytes.size).toBeLessThanOrEqual(4);
  });

  it('that is cut gives what came, then the failure', async () => {
    const server = await serve((connection) => connection.finish(`${head(100)}half`), { tls });
    const { bytes, failure } = await readAll(await open(server));
    expect(bytes.toString()).toBe('half');
    expect(failure).toBeInstanceOf(HttpFailure);
    expect(failure).toMatchObject({ isTransient: true, hasSentBytes: true });
  });

  it('that is reset gives the failure', async () => {
    const server = await serve((connection) => connection.reset(`${head(100)}half`), { tls });
    const { bytes, failure } = await readAll(await open(server));
    expect('half'.startsWith(bytes.toString())).toBe(true);
    expect(failure).toBeInstanceOf(HttpFailure);
  });

  it('throws the reason of an abort, and the connection ends', async () => {
    const closed = makeSignal();
    const server = await serve(
      ({ socket }) => {
        socket.on('close', closed.fire);
        socket.write(`${head(100)}half`);
      },
      { tls },
    );
    const stopping = new AbortController();
    const reason = new Error('stopped by SIGINT');
    const stream = await open(server, { signal: stopping.signal });
    const read = async () => {
      for await (const _ of stream.body) stopping.abort(reason);
    };
    await expect(read()).rejects.toBe(reason);
    await closed.seen;
  });
});

it('that falls silent ends at the idle limit, and keeps what came', async () => {
  const server = await serve(({ socket }) => void socket.write(`${head(100)}half`));
  const { http, clock } = makeHttp();
  const stream = await http.open({ method: 'GET', url: urlOf(server), freshConnection: true, isLarge: true });
  const chunks = stream.body[Symbol.asyncIterator]();
  const { value } = await chunks.next();
  expect(Buffer.from(value).toString()).toBe('half');
  const ended = expect(chunks.next()).rejects.toThrow('idle limit');
  await clock.advance(TIMEOUTS.idleMs);
  await ended;
});

it('a head of many reads and of informational answers before it', async () => {
  const text = `HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n${head(4)}abcd`;
  const server = await serve(async ({ socket }) => {
    socket.setNoDelay(true);
    for (const byte of text) {
      await new Promise((resolve) => socket.write(byte, resolve));
      await new Promise((resolve) => setImmediate(resolve));
    }
    socket.end();
  });
  const stream = await open(server);
  expect(stream.headers.link).toBeUndefined();
  const { bytes, failure, tappedCount } = await readAll(stream);
  expect({ text: bytes.toString(), failure }).toEqual({ text: 'abcd', failure: undefined });
  expect(tappedCount).toBeGreaterThan(0);
});

it.each([
  ['chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n'],
  ['encoded', head(4, 'Content-Encoding: gzip\r\n').concat('abcd')],
  ['of unknown length', 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabcd'],
  ['of an error', 'HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nabcd'],
])('a body that is %s is left to the parser', async (_name, answer) => {
  const server = await serve((connection) => connection.finish(answer));
  const { bytes, failure, tappedCount } = await readAll(await open(server));
  expect({ text: bytes.toString(), failure, tappedCount }).toEqual({
    text: 'abcd',
    failure: undefined,
    tappedCount: 0,
  });
});

it('a head that never ends is refused', async () => {
  const server = await serve(
    ({ socket }) => void socket.write(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}`),
  );
  await expect(open(server)).rejects.toMatchObject({ code: 'HPE_HEADER_OVERFLOW' });
});

it('blank lines without end are left to the parser', async () => {
  const text = `${'\r\n'.repeat(40_000)}${head(4)}abcd`;
  const server = await serve((connection) => connection.finish(text));
  const { bytes, failure, tappedCount } = await readAll(await open(server));
  expect({ text: bytes.toString(), failure, tappedCount }).toEqual({
    text: 'abcd',
    failure: undefined,
    tappedCount: 0,
  });
});

/** It holds what could be taken for the end of a head. */
const BODY = Buffer.from('a\r\n\r\nb\n\nc\r\n\r\nHTTP/1.1 200 OK\r\n\r\ndefghij');

/** Answers of every kind, in pieces of every size: what is read past the parser is what the parser would have read. */
const anyAnswer = fc.record({
  status: fc.constantFrom('200 OK', '206 Partial Content', '404 Not Found', '200'),
  announcedBytes: fc.option(fc.nat(40), { nil: undefined }),
  sentBytes: fc.nat(40),
  lineEnd: fc.constantFrom('\r\n', '\r\n', '\r\n', '\n'),
  headEnd: fc.constantFrom('\r\n\r\n', '\r\n\r\n', '\r\n\r\n', '\r\n\n', '\n\r\n', '\n\n'),
  more: fc.subarray([
    'Connection: close',
    'Content-Encoding: identity',
    'Content-Encoding: br',
    'X: \u00e9',
    'ETag: "a"',
  ]),
  early: fc.constantFrom('', '', 'HTTP/1.1 103 Early Hints\r\n\r\n', '\r\n'),
  cuts: fc.array(fc.nat(200), { maxLength: 4 }),
});

it('reads as the parser does', async () => {
  let answer: (connection: RawConnection) => void = () => {};
  const server = await serve((connection) => answer(connection));
  const { http } = makeHttp();
  await fc.assert(
    fc.asyncProperty(
      anyAnswer,
      async ({ status, announcedBytes, sentBytes, lineEnd, headEnd, more, early, cuts }) => {
        const length = announcedBytes === undefined ? [] : [`Content-Length: ${announcedBytes}`];
        const lines = [`HTTP/1.1 ${status}`, ...length, ...more];
        const bytes = Buffer.concat([
          Buffer.from(`${early}${lines.join(lineEnd)}${headEnd}`, 'latin1'),
          BODY.subarray(0, sentBytes),
        ]);
        const edges = [...new Set([0, ...cuts.filter((cut) => cut < bytes.length), bytes.length])].sort(
          (a, b) => a - b,
        );
        answer = async ({ socket }) => {
          socket.setNoDelay(true);
          for (const [index, start] of edges.slice(0, -1).entries()) {
            await new Promise((resolve) => socket.write(bytes.subarray(start, edges[index + 1]), resolve));
          }
          socket.end();
        };
        const read = async (isLarge: boolean) => {
          try {
            return await readAll(
              await http.open({ method: 'GET', url: urlOf(server), freshConnection: true, isLarge }),
            );
          } catch (failure) {
            return { bytes: Buffer.alloc(0), failure, tappedCount: 0 };
          }
        };
        const parsed = await read(false);
        const tapped = await read(true);
        const isTooMuch = announcedBytes !== undefined && sentBytes > announcedBytes;
        if (isTooMuch) {
          // Told by an error of the parser, or by more bytes than announced; never by neither where the parser saw it.
          expect(tapped.bytes.subarray(0, announcedBytes)).toEqual(
            BODY.subarray(0, tapped.bytes.subarray(0, announcedBytes).length),
          );
          return;
        }
        expect(tapped.failure === undefined).toBe(parsed.failure === undefined);
        if (parsed.failure === undefined) expect(tapped.bytes).toEqual(parsed.bytes);
        else expect(BODY.subarray(0, tapped.bytes.length)).toEqual(tapped.bytes);
        for (const { failure } of [parsed, tapped])
          if (failure !== undefined) expect(failure).toBeInstanceOf(HttpFailure);
      },
    ),
    { numRuns: 300 },
  );
});
