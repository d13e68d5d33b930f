import {
  type ClientRequest,
  Agent as HttpAgent,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { LookupFunction, Socket } from 'node:net';
import { PassThrough, type Readable } from 'node:stream';
import got from 'got';
import { HttpProxyAgent, HttpsProxyAgent } from 'hpagent';
import { isLoopbackName, pinnedLookup } from '../platform/address-class.ts';
import type { Clock } from '../platform/clock.ts';
import {
  type Http,
  type HttpAnswer,
  HttpFailure,
  type HttpHeaders,
  type HttpOptions,
  type HttpPhase,
  type HttpRequest,
  type HttpStream,
} from './http-types.ts';
import { proxyFor, proxyName } from './proxy.ts';

/** Time limits by name. Setting one again starts it anew. */
interface Limits {
  set(name: string, limitMs: number): void;
  clear(name: string): void;
  clearAll(): void;
}

/** Runs `onExpire` for each limit that was not cleared in time. After `clearAll` nothing can be set any more. */
function createLimits(clock: Clock, onExpire: (name: string, limitMs: number) => void): Limits {
  const cancels = new Map<string, () => void>();
  let isClosed = false;
  const clear = (name: string) => {
    cancels.get(name)?.();
    cancels.delete(name);
  };
  return {
    set(name, limitMs) {
      clear(name);
      if (isClosed) return;
      cancels.set(
        name,
        clock.after(limitMs, () => onExpire(name, limitMs)),
      );
    },
    clear,
    clearAll() {
      isClosed = true;
      for (const name of [...cancels.keys()]) clear(name);
    },
  };
}

/** Where an exchange stood when it failed. */
interface ExchangeState {
  /** `api.evolink.ai:443`. */
  readonly target: string;
  /** `proxy.example:3128`, where one is used. */
  readonly proxy?: string | undefined;
  readonly phase: HttpPhase;
  readonly hasSentBytes: boolean;
}

// The resolver says ENOTFOUND for a mistyped name, but on macOS and Windows also while there is no network at all.
const DNS_CODES = new Set([
  'ENOTFOUND',
  'EAI_AGAIN',
  'EAI_FAIL',
  'EAI_NODATA',
  'ENODATA',
  'ESERVFAIL',
  'EDNS',
]);
const CERTIFICATE =
  /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERR_TLS_CERT_|HOSTNAME_MISMATCH|INVALID_|PATH_LENGTH_|CRL_|ERROR_IN_C)/;
/** More 1xx answers than any server sends before its answer. */
const MAX_INFORMATIONAL = 16;
/** Faults of protocol or of configuration: before an answer has begun they do not pass by themselves. */
const PERMANENT = /^(ERR_SSL_|EPROTO$|HPE_|ERR_INVALID_|ERR_HTTP_INVALID|ERR_ADDRESS_|ERR_UNESCAPED_)/;
const PASSING_PROXY_STATUS = new Set([408, 429, 500, 502, 503, 504]);

const WORDS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'the name was not found',
  EAI_AGAIN: 'the name lookup failed for now',
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was closed',
  EHOSTUNREACH: 'the host is unreachable',
  ENETUNREACH: 'the network is unreachable',
  ETIMEDOUT: 'the connection timed out',
  ERR_STREAM_PREMATURE_CLOSE: 'the connection was closed early',
  Z_DATA_ERROR: 'the body can not be decoded',
  Z_BUF_ERROR: 'the body ended in the middle of its coding',
  HPE_CLOSED_CONNECTION: 'more came than was announced',
  ERR_HTTP_CONTENT_LENGTH_MISMATCH: 'the body is shorter or longer than announced',
  ERR_ADDRESS_REFUSED: 'its name leads to an address that is not on this machine',
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate is for another host',
  CERT_HAS_EXPIRED: 'the certificate has expired',
  CERT_NOT_YET_VALID: 'the certificate is not valid yet (is the clock right?)',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'the certificate is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'the certificate chain ends in an unknown authority',
};

const FAILED_TO: Readonly<Record<HttpPhase, string>> = {
  dns: 'could not find',
  connect: 'could not connect to',
  tls: 'could not make a secure connection to',
  proxy: 'could not reach',
  send: 'could not send the whole request to',
  response: 'no answer from',
  body: 'no whole answer from',
};

/** Turns any error of an exchange into our own words. Total: never throws, never keeps the error. */
function describeFailure(error: unknown, state: ExchangeState): HttpFailure {
  // Only the proxy agent knows the status of a refused CONNECT, and tells it in its message alone.
  const refusal = state.phase === 'proxy' && error instanceof Error ? error.message : '';
  const [, status] = /^Bad response: (\d{3})$/.exec(refusal) ?? [];
  if (status !== undefined) {
    const reason = status === '407' ? 'it wants other credentials' : 'it refused the connection';
    const isTransient = PASSING_PROXY_STATUS.has(Number(status));
    return toFailure(`PROXY_${status}`, state, { end: `: ${reason} (status ${status})`, isTransient });
  }
  const code = readCode(error);
  const phase = state.phase === 'connect' && DNS_CODES.has(code) ? 'dns' : state.phase;
  const isCertificate = CERTIFICATE.test(code);
  const general = isCertificate ? 'the certificate is not trusted' : 'the connection failed';
  return toFailure(
    code,
    { ...state, phase },
    {
      end: `: ${WORDS[code] ?? general} (${code})`,
      isTransient: !isCertificate && (phase === 'body' || !PERMANENT.test(code)),
      isCertificate,
    },
  );
}

/** @param how `end` completes "could not connect to HOST" */
function toFailure(
  code: string,
  { phase, target, proxy, hasSentBytes }: ExchangeState,
  { end, ...how }: { readonly end: string; readonly isTransient?: boolean; readonly isCertificate?: boolean },
): HttpFailure {
  const by = phase === 'proxy' ? ` through the proxy ${proxy ?? ''}`.trimEnd() : '';
  const facts = { phase, code, hasSentBytes, isTransient: true, isCertificate: false };
  return new HttpFailure(`${FAILED_TO[phase]} ${target}${by}${end}`, { ...facts, ...how });
}

/** Codes are printed, so only what looks like one is taken. */
function readCode(error: unknown): string {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth += 1) {
    const code = 'code' in at ? at.code : undefined;
    if (typeof code === 'string' && /^[A-Z][A-Z0-9_]{2,60}$/.test(code) && code !== 'ERR_GOT_REQUEST_ERROR')
      return code;
  }
  return 'UNKNOWN';
}

/** What is known of the connection of one exchange. */
interface ConnectionWatch {
  /** Follows the request; called once, when it exists. */
  follow(request: ClientRequest): void;
  phase(): HttpPhase;
  /**
   * False only where it is proven that no byte of the request left: the request was seen, and its socket never
   * connected (for https: the handshake never ended with a trusted certificate). node:http holds everything back
   * until then, and writes it in the very event that is watched here.
   */
  hasSentBytes(): boolean;
}

/** @param place `isSecure` for https, `isProxied` where a CONNECT comes first */
function watchConnection(
  place: { readonly isSecure: boolean; readonly isProxied: boolean },
  events: { onConnected(): void; onSent(): void },
): ConnectionWatch {
  let request: ClientRequest | undefined;
  let isTcpUp = false;
  let isConnected = false;
  let isSent = false;

  const markConnected = () => {
    if (isConnected) return;
    isConnected = true;
    events.onConnected();
  };
  const adopt = (socket: Socket) => {
    const isReused = request?.reusedSocket === true;
    // A destroyed socket does not connect either: its name lookup failed at once.
    isTcpUp = isReused || (!socket.connecting && !socket.destroyed);
    if (isReused || (isTcpUp && !place.isSecure)) return markConnected();
    socket.once('connect', () => {
      isTcpUp = true;
      if (!place.isSecure) markConnected();
    });
    if (place.isSecure) socket.once('secureConnect', markConnected);
  };

  return {
    follow(seen) {
      request = seen;
      if (seen.socket) adopt(seen.socket);
      else seen.once('socket', adopt);
      seen.once('finish', () => {
        isSent = true;
        events.onSent();
      });
    },
    phase() {
      if (isConnected) return isSent ? 'response' : 'send';
      // A tunnel's socket is handed over only when the proxy has made it.
      if (place.isProxied && !request?.socket) return 'proxy';
      return isTcpUp ? 'tls' : 'connect';
    },
    hasSentBytes: () => request === undefined || isConnected,
  };
}

interface ConnectionAgents {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
}

function createAgents(keepAlive: boolean): ConnectionAgents {
  return { http: new HttpAgent({ keepAlive }), https: new HttpsAgent({ keepAlive }) };
}

/** @param connection `signal` ends a connection to the proxy that is still being made; nothing else would */
function createProxyAgents(
  proxy: URL,
  connection: { readonly signal: AbortSignal; readonly lookup: LookupFunction | undefined },
): ConnectionAgents {
  // `headers` is what the package's types know; `signal` and `lookup` are handed to node:http as they are.
  const options = { proxy, proxyRequestOptions: { headers: {}, ...connection } };
  return { http: new HttpProxyAgent(options), https: new HttpsProxyAgent(options) };
}

interface Exchange extends HttpStream {
  /** Bounds the time that the rest of the body may take, whatever keeps coming. */
  limitWholeBody(limitMs: number): void;
}

/**
 * Sends one request and resolves with the headers of its answer; the body is still to be read.
 * @param pooled the agents whose connections are kept for the next request
 * @throws HttpFailure, or the reason of the request's signal
 */
async function startExchange(
  request: HttpRequest,
  options: HttpOptions,
  pooled: ConnectionAgents,
): Promise<Exchange> {
  request.signal?.throwIfAborted();
  const { timeouts, resolver } = options;
  const url = new URL(request.url);
  const proxy = proxyFor(url, options.proxy);
  const isSecure = url.protocol === 'https:';
  /** Its first reason is the verdict; everything that the library says afterwards is an echo of it. */
  const ending = new AbortController();
  let wireHeaders: IncomingHttpHeaders | undefined;

  const stateNow = (): ExchangeState => ({
    target: `${url.hostname}:${url.port || (isSecure ? '443' : '80')}`,
    proxy: proxy && proxyName(proxy),
    phase: wireHeaders === undefined ? watch.phase() : 'body',
    hasSentBytes: watch.hasSentBytes(),
  });
  const limits = createLimits(options.clock, (name, limitMs) => {
    const end = ` within ${Math.round(limitMs / 100) / 10} s (${name} limit)`;
    ending.abort(toFailure('TIMEOUT', stateNow(), { end }));
  });
  const upload = watchUpload(request.body, {
    onChunk: () => limits.set('idle', timeouts.idleMs),
    onError: (error) => ending.abort(error),
  });
  const watch = watchConnection(
    { isSecure, isProxied: proxy !== undefined },
    {
      onConnected() {
        limits.clear('connect');
        if (upload.isStreamed) limits.set('idle', timeouts.idleMs);
        else limits.set('response', timeouts.responseMs);
      },
      onSent() {
        limits.clear('idle');
        if (wireHeaders === undefined) limits.set('response', timeouts.responseMs);
      },
    },
  );

  limits.set('connect', timeouts.connectMs);
  // A pooled socket may have been closed by the other side a moment ago: nobody can say whether a request on it was read.
  const direct = request.freshConnection === true ? createAgents(false) : pooled;
  const agents = proxy ? createProxyAgents(proxy, { signal: ending.signal, lookup: resolver }) : direct;
  const stream = openGotStream({ ...request, body: upload.body }, { options, agents });
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
    boundInformational(seen, (code, reason) => {
      const end = `: ${reason} (${code})`;
      ending.abort(toFailure(code, { ...stateNow(), hasSentBytes: true }, { end }));
    });
    watch.follow(seen);
    seen.once('response', ({ headers }) => {
      wireHeaders = headers;
    });
  });
  const response = await waitForResponse(stream, fail);
  wireHeaders ??= response.headers;
  limits.clear('response');
  limits.clear('idle');

  return {
    url: url.href,
    status: response.statusCode ?? 0,
    headers: joinHeaders(wireHeaders),
    body: readBody(keepBytes(stream), { limits, idleMs: timeouts.idleMs, fail, finish }),
    close: () => void fail(new Error('closed by the reader')),
    limitWholeBody: (limitMs) => limits.set('response', limitMs),
  };
}

/**
 * Ends an exchange whose answer is only ever informational (1xx). Node has no limit for them; after a 101 that nobody
 * asked for it drops the connection without an event of any other kind, and the request would never settle.
 */
function boundInformational(request: ClientRequest, onEndless: (code: string, reason: string) => void): void {
  let count = 0;
  request.on('information', () => {
    count += 1;
    if (count > MAX_INFORMATIONAL) onEndless('TOO_MANY_1XX', 'it sent only informational answers');
  });
  request.once('upgrade', (_response, socket) => {
    socket.on('error', () => undefined);
    socket.destroy();
    onEndless('UNEXPECTED_101', 'it switched protocols');
  });
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

/** Read ahead of a slow disk. */
const KEPT_BYTES = 512 * 1024;

/**
 * Begins to read at once, and gives what has come before a stream broke, then its error. Node.js from 22 on drops what
 * nobody has read when the other side goes; a download would fetch it again.
 */
function keepBytes(stream: Readable): AsyncGenerator<unknown> {
  const kept = new PassThrough({ highWaterMark: KEPT_BYTES });
  let failure: unknown;
  stream.once('error', (error: unknown) => {
    failure = error;
    kept.end();
  });
  stream.once('close', () => {
    if (!stream.readableEnded) failure ??= new Error('closed');
    kept.end();
  });
  stream.pipe(kept);
  return (async function* read() {
    yield* kept;
    if (failure !== undefined) throw failure;
  })();
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

/**
 * Owns HTTP: limits, connections, proxies, and the words of a failure. The only importer of got, whose errors carry
 * the request's headers, and with them the key: they never leave the exchange, not even as a cause.
 */
export function createHttp(options: HttpOptions): Http {
  const { timeouts } = options;
  const pooled = createAgents(true);
  return {
    async request(request) {
      const exchange = await startExchange(request, options, pooled);
      // An answer that drips for ever would pass the idle limit.
      exchange.limitWholeBody(Math.max(timeouts.responseMs, timeouts.idleMs));
      return readAnswer(exchange, request.maxBytes);
    },
    open: (request) => startExchange(request, options, pooled),
    isProxied: (url) => proxyFor(new URL(url), options.proxy) !== undefined,
    close: () => {
      pooled.http.destroy();
      pooled.https.destroy();
    },
  };
}

/**
 * A name of this machine (`localhost`, `*.localhost`) is trusted as loopback: http, no proxy, no address check. So its
 * connection goes to a loopback address or nowhere, whatever a resolver says.
 */
function loopbackLookup(url: string, resolver: LookupFunction | undefined): LookupFunction | undefined {
  const { hostname } = new URL(url);
  return isLoopbackName(hostname) ? pinnedLookup((kind) => kind === 'loopback', resolver) : undefined;
}

/** Everything that got would do by itself is off: what repeats, follows or decodes is decided by the caller. */
function openGotStream(
  request: HttpRequest,
  { options, agents }: { options: HttpOptions; agents: ConnectionAgents },
): Readable {
  // A stream of a method that may have a body waits for one.
  const body = request.body ?? (request.method === 'GET' ? undefined : '');
  return got.stream(request.url, {
    method: request.method,
    headers: { 'user-agent': options.userAgent, 'accept-encoding': 'identity', ...request.headers },
    ...(body === undefined ? {} : { body }),
    agent: agents,
    dnsLookup: request.lookup ?? loopbackLookup(request.url, options.resolver) ?? options.resolver,
    followRedirect: false,
    throwHttpErrors: false,
    decompress: request.shouldDecode === true,
    // Off in got 14 unless asked for: a body shorter than announced would pass as whole.
    strictContentLength: true,
    retry: { limit: 0 },
    https: { certificateAuthority: options.certificateAuthority },
  });
}

async function readAnswer(exchange: Exchange, maxBytes: number): Promise<HttpAnswer> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  let endedEarly: HttpFailure | undefined;
  try {
    for await (const chunk of exchange.body) {
      chunks.push(chunk.subarray(0, Math.max(0, maxBytes - sizeBytes)));
      sizeBytes += chunk.length;
      if (sizeBytes > maxBytes) break;
    }
  } catch (error) {
    if (!(error instanceof HttpFailure)) throw error;
    endedEarly = error;
  }
  const { url, status, headers } = exchange;
  return { url, status, headers, body: Buffer.concat(chunks), isTruncated: sizeBytes > maxBytes, endedEarly };
}
