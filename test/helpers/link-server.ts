import { createServer, type IncomingHttpHeaders } from 'node:http';
import { gzipSync } from 'node:zlib';
import { listenForTest } from './serve.ts';

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

/** A scripted link host on loopback, closed when the running test ends. */
export async function startLinkServer(firstContent: Uint8Array) {
  let content = firstContent;
  let etag = '"v1"';
  const steps: LinkStep[] = [];
  let usual: LinkStep = {};
  let stalled: () => void = () => undefined;
  const requests: { readonly path: string; readonly headers: IncomingHttpHeaders }[] = [];
  const server = createServer(async ({ url = '', headers }, response) => {
    requests.push({ path: url, headers });
    const step = steps.shift() ?? usual;
    const served = { content, etag };
    await step.onRequest?.();
    const answer = compose(headers, step, served);
    for (const [name, value] of Object.entries({ ...answer.headers, ...step.headers }))
      if (value !== undefined) response.setHeader(name, value);
    if (step.hasNoLength === true) {
      response.removeHeader('content-length');
      response.useChunkedEncodingByDefault = false;
      response.shouldKeepAlive = false;
    }
    response.writeHead(answer.status);
    response.flushHeaders();
    if (step.cut === undefined) return response.end(answer.body);
    const cut = () => {
      if (step.cut === 'stall') stalled();
      else if (step.cut === 'rst') setImmediate(() => response.socket?.resetAndDestroy());
      else response.socket?.end();
    };
    const sent = Buffer.from(answer.body.subarray(0, step.cutAfterBytes ?? 0));
    return sent.length === 0 ? cut() : response.write(sent, cut);
  });
  server.on('connection', (socket) => socket.on('error', () => undefined));
  const origin = `http://127.0.0.1:${await listenForTest(server)}`;
  return {
    origin,
    /** A signed link to the content. */
    link: `${origin}/clip.mp4?signature=secret`,
    requests,
    /** What is served from now on. */
    serve: (next: Uint8Array, tag = '"v1"') => {
      [content, etag] = [next, tag];
    },
    /** Scripts the next requests, one step each; later ones are answered well. */
    script: (...next: readonly LinkStep[]) => void steps.push(...next),
    /** Scripts every request that has no step of its own. */
    always: (step: LinkStep) => {
      usual = step;
    },
    /** Called when a body stalls. */
    onStall: (action: () => void) => {
      stalled = action;
    },
  };
}

function compose(
  asked: IncomingHttpHeaders,
  step: LinkStep,
  { content, etag }: { readonly content: Uint8Array; readonly etag: string },
) {
  const of = (status: number, body: Buffer, headers: Record<string, string> = {}) => {
    const length = String(body.length + (status === 200 ? (step.announcedExtraBytes ?? 0) : 0));
    return { status, body, headers: { ...headers, 'content-length': length } };
  };
  if (step.status !== undefined || step.body !== undefined)
    return of(step.status ?? 200, Buffer.from(step.body ?? ''));
  const usual = { etag, 'content-type': 'video/mp4', 'accept-ranges': 'bytes' };
  const [, from] = /^bytes=(\d+)-$/.exec(asked.range ?? '') ?? [];
  // RFC 9110 §13.1.5: the range counts only when `If-Range` names this very version.
  const isSame = [undefined, etag, step.headers?.['last-modified']].includes(asked['if-range'] as string);
  if (from === undefined || step.ignoreRange === true || !(isSame || step.span !== undefined)) {
    if (step.gzip === true) return of(200, gzipSync(content), { ...usual, 'content-encoding': 'gzip' });
    return of(200, Buffer.from(content), usual);
  }
  const [first, last] = step.span ?? [Number(from), content.length - 1];
  const rangeOf = (span: string) => ({ ...usual, 'content-range': `bytes ${span}/${content.length}` });
  if (first >= content.length) return of(416, Buffer.alloc(0), rangeOf('*'));
  return of(206, Buffer.from(content.subarray(first, last + 1)), rangeOf(`${first}-${last}`));
}
