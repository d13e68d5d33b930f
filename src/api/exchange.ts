import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import type { Clock } from '../platform/clock.ts';
import { createBodyTap } from './body-tap.ts';
import type { Connecting } from './connection-agents.ts';
import { describeFailure, describeTimeout, type ExchangeState } from './describe-failure.ts';
import type { HttpHeaders, HttpRequest, HttpStream, HttpTimeouts } from './http-types.ts';
import { createLimits, type Limits } from './limits.ts';
import { proxyName } from './proxy.ts';
import { watchConnection } from './watch-connection.ts';

export interface Exchange extends HttpStream {
  /** Bounds the time that the rest of the body may take, whatever keeps coming. */
  limitWholeBody(limitMs: number): void;
}

export interface ExchangeContext {
  readonly clock: Clock;
  readonly timeouts: HttpTimeouts;
  readonly proxy: URL | undefined;
  /**
   * Starts the request: emits `request` (the `ClientRequest`), then `response`; reads as the body. Whatever else it
   * opens for the request must end with the signal.
   */
  openStream(request: HttpRequest, connecting: Connecting): Readable;
}

/**
 * Sends one request and resolves with the headers of its answer; the body is still to be read.
 * @throws HttpFailure, or the reason of the request's signal
 */
export async function startExchange(request: HttpRequest, context: ExchangeContext): Promise<Exchange> {
  request.signal?.throwIfAborted();
  const { timeouts, proxy } = context;
  const url = new URL(request.url);
  /** Its first reason is the verdict; everything that the library says afterwards is an echo of it. */
  const ending = new AbortController();
  let hasAnswer = false;

  const stateNow = (): ExchangeState => ({
    target: `${url.hostname}:${url.port || (url.protocol === 'https:' ? '443' : '80')}`,
    proxy: proxy && proxyName(proxy),
    phase: hasAnswer ? 'body' : watch.phase(),
    hasSentBytes: watch.hasSentBytes(),
  });
  const limits = createLimits(context.clock, (name, limitMs) => {
    ending.abort(describeTimeout(name, limitMs, stateNow()));
  });
  const upload = watchUpload(request.body, {
    onChunk: () => limits.set('idle', timeouts.idleMs),
    onError: (error) => ending.abort(error),
  });
  const watch = watchConnection(
    { isSecure: url.protocol === 'https:', isProxied: proxy !== undefined },
    {
      onConnected() {
        limits.clear('connect');
        if (upload.isStreamed) limits.set('idle', timeouts.idleMs);
        else limits.set('response', timeouts.responseMs);
      },
      onSent() {
        limits.clear('idle');
        if (!hasAnswer) limits.set('response', timeouts.responseMs);
      },
    },
  );

  limits.set('connect', timeouts.connectMs);
  // A tunnel's connection is made by the proxy's agent.
  const tap = request.isLarge === true && proxy === undefined ? createBodyTap(ending.signal) : undefined;
  const connecting = { signal: ending.signal, onread: tap?.onread };
  const stream = context.openStream({ ...request, body: upload.body }, connecting);
  const onAbort = () => ending.abort(request.signal?.reason);
  request.signal?.addEventListener('abort', onAbort, { once: true });
  const finish = () => {
    limits.clearAll();
    request.signal?.removeEventListener('abort', onAbort);
    stream.destroy();
  };
  ending.signal.addEventListener('abort', finish, { once: true });
  const fail = (error: unknown): unknown => {
    ending.abort(describeFailure(error, stateNow()));
    return ending.signal.reason;
  };

  stream.once('request', (seen: ClientRequest) => {
    watch.follow(seen);
    tap?.follow(seen);
  });
  const response = await waitForResponse(stream, fail);
  hasAnswer = true;
  limits.clear('response');
  limits.clear('idle');

  return {
    url: url.href,
    status: response.statusCode ?? 0,
    headers: joinHeaders(response.headers),
    body: readBody(tap?.chunks() ?? stream[Symbol.asyncIterator](), {
      limits,
      idleMs: timeouts.idleMs,
      fail,
      finish,
    }),
    close: () => void fail(new Error('closed by the reader')),
    limitWholeBody: (limitMs) => limits.set('response', limitMs),
  };
}

function waitForResponse(stream: Readable, fail: (error: unknown) => unknown): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    // Stays for the whole life of the stream: an error that nobody listens to would end the process.
    stream.on('error', (error: unknown) => reject(fail(error)));
    // A stream that we destroy closes without an error.
    stream.once('close', () => reject(fail(new Error('closed'))));
    stream.once('response', resolve);
  });
}

interface BodyContext {
  readonly limits: Limits;
  readonly idleMs: number;
  fail(error: unknown): unknown;
  finish(): void;
}

async function* readBody(
  chunks: AsyncIterator<unknown>,
  { limits, idleMs, fail, finish }: BodyContext,
): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      // Only while we wait for the other side: a slow disk or pipe on our side is not its silence.
      limits.set('idle', idleMs);
      const next = await chunks.next();
      limits.clear('idle');
      if (next.done === true) return;
      yield next.value instanceof Uint8Array ? next.value : Buffer.from(String(next.value));
    }
  } catch (error) {
    throw fail(error);
  } finally {
    finish();
  }
}

interface UploadEvents {
  onChunk(): void;
  onError(error: unknown): void;
}

/** Tells of each chunk that is asked for, and keeps an error of the source apart from errors of the connection. */
function watchUpload(body: HttpRequest['body'], events: UploadEvents) {
  if (typeof body !== 'object' || body instanceof Uint8Array) return { isStreamed: false, body };
  async function* pass(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of source) {
        events.onChunk();
        yield chunk;
      }
    } catch (error) {
      events.onError(error);
      throw error;
    }
  }
  return { isStreamed: true, body: pass(body) };
}

function joinHeaders(headers: IncomingHttpHeaders): HttpHeaders {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  );
}
