import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { onTestFinished } from 'vitest';

/** How one request is answered. Without anything: as a good host with a strong entity tag and ranges does. */
export interface LinkStep {
  /** Another status than 200, 206 or 416; the body is then `body`. */
  readonly status?: number;
  readonly body?: Uint8Array | string;
  /** Added to, or put in place of, the usual headers; `undefined` removes one. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly ignoreRange?: boolean;
  /** Answers a range with this part of the content instead, as `[first, last]`. */
  readonly span?: readonly [number, number];
  /** Sends so many bytes of the body, then ends the connection in this way. */
  readonly cutAfterBytes?: number;
  readonly cut?: 'fin' | 'rst' | 'stall';
  /** Neither length nor chunks: the end of the connection is the end of the body. */
  readonly hasNoLength?: boolean;
  /** Announces so many bytes more (or, negative, fewer) than are sent. */
  readonly announcedExtraBytes?: number;
  readonly gzip?: boolean;
  /** Called before each request is answered. */
  readonly onRequest?: () => void | Promise<void>;
}

interface LinkRequest {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
}

export interface LinkServer {
  readonly origin: string;
  /** A signed link to the content. */
  readonly link: string;
  readonly requests: readonly LinkRequest[];
  /** What is served from now on. */
  serve(content: Uint8Array, etag?: string): void;
  /** Scripts the next requests, one step each; later ones are answered well. */
  script(...steps: readonly LinkStep[]): void;
  /** Scripts every request that has no step of its own. */
  always(step: LinkStep): void;
  /** Called when a body stalls. */
  onStall(action: () => void): void;
}

/** A scripted link host on loopback, closed when the running test ends. */
export async function startLinkServer(content: Uint8Array, etag = '"v1"'): Promise<LinkServer> {
  let current = { content, etag };
  let steps: LinkStep[] = [];
  let usual: LinkStep = {};
  let stalled: () => void = () => undefined;
  const requests: LinkRequest[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    requests.push({ path: request.url ?? '', headers: request.headers });
    void answer(request, response, { ...current, step: steps.shift() ?? usual, stalled: () => stalled() });
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const origin = originOf(address);
  return {
    origin,
    link: `${origin}/clip.mp4?signature=secret`,
    requests,
    serve: (next, tag = '"v1"') => {
      current = { content: next, etag: tag };
    },
    script: (...next) => {
      steps = [...steps, ...next];
    },
    always: (step) => {
      usual = step;
    },
    onStall: (action) => {
      stalled = action;
    },
  };
}

function originOf({ port }: AddressInfo): string {
  return `http://127.0.0.1:${port}`;
}

interface Answer {
  readonly content: Uint8Array;
  readonly etag: string;
  readonly step: LinkStep;
  readonly stalled: () => void;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { content, etag, step, stalled }: Answer,
): Promise<void> {
  await step.onRequest?.();
  const { status, headers, body } = compose(request, { content, etag, step });
  for (const [name, value] of Object.entries({ ...headers, ...step.headers })) {
    if (value !== undefined) response.setHeader(name, value);
  }
  if (step.hasNoLength === true) {
    response.removeHeader('content-length');
    response.useChunkedEncodingByDefault = false;
    response.shouldKeepAlive = false;
  }
  response.writeHead(status);
  response.flushHeaders();
  if (step.cut === undefined) {
    response.end(body);
    return;
  }
  const sent = Buffer.from(body.subarray(0, step.cutAfterBytes ?? 0));
  const cut = () => {
    if (step.cut === 'stall') stalled();
    else if (step.cut === 'rst') setImmediate(() => response.socket?.resetAndDestroy());
    else response.socket?.end();
  };
  if (sent.length === 0) cut();
  else response.write(sent, cut);
}

function compose(request: IncomingMessage, { content, etag, step }: Omit<Answer, 'stalled'>) {
  const headers: Record<string, string> = { etag, 'content-type': 'video/mp4', 'accept-ranges': 'bytes' };
  if (step.status !== undefined && step.body === undefined)
    return { status: step.status, headers: { 'content-length': '0' }, body: Buffer.alloc(0) };
  if (step.body !== undefined) {
    const body = Buffer.from(step.body);
    return { status: step.status ?? 200, headers: { 'content-length': String(body.length) }, body };
  }
  const range = step.ignoreRange === true ? undefined : spanOf(request, { content, etag, step });
  if (range === undefined) {
    const body = step.gzip === true ? gzipSync(content) : Buffer.from(content);
    const coded = step.gzip === true ? { 'content-encoding': 'gzip' } : {};
    const announced = String(body.length + (step.announcedExtraBytes ?? 0));
    return { status: 200, headers: { ...headers, ...coded, 'content-length': announced }, body };
  }
  const [first, last] = range;
  if (first >= content.length)
    return {
      status: 416,
      headers: { ...headers, 'content-range': `bytes */${content.length}`, 'content-length': '0' },
      body: Buffer.alloc(0),
    };
  const body = Buffer.from(content.subarray(first, last + 1));
  return {
    status: 206,
    headers: {
      ...headers,
      'content-range': `bytes ${first}-${last}/${content.length}`,
      'content-length': String(body.length),
    },
    body,
  };
}

/** RFC 9110 §13.1.5: the range counts only when `If-Range` names this very version. */
function spanOf(
  request: IncomingMessage,
  { content, etag, step }: Omit<Answer, 'stalled'>,
): readonly [number, number] | undefined {
  const match = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
  if (match === null) return undefined;
  if (step.span !== undefined) return step.span;
  const validator = request.headers['if-range'];
  const isSame =
    validator === undefined || validator === etag || validator === step.headers?.['last-modified'];
  return isSame ? [Number(match[1]), content.length - 1] : undefined;
}
