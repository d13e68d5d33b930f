import { type ClientRequest, Agent as HttpAgent, type IncomingHttpHeaders } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Socket } from 'node:net';
import { PassThrough, type Readable } from 'node:stream';
import got from 'got';
import { HttpProxyAgent, HttpsProxyAgent } from 'hpagent';
import { isLoopbackName, pinnedLookup } from '../platform/address-class.ts';
import {
  type Http,
  type HttpAnswer,
  HttpFailure,
  type HttpFailureFacts,
  type HttpOptions,
  type HttpRequest,
  type HttpStream,
} from './http-types.ts';
import { proxyFor, proxyName } from './proxy.ts';

/** How far an exchange has come, and what could not be done when it fails there. */
const FAILED_TO = {
  proxy: 'could not reach',
  name: 'could not find',
  connect: 'could not connect to',
  tls: 'could not make a secure connection to',
  send: 'could not send the whole request to',
  response: 'no answer from',
  body: 'no whole answer from',
} as const;

/** What is at fault. A name or a line may come back by itself, a certificate or the other side's protocol does not. */
type Fault = 'name' | 'line' | 'certificate' | 'protocol';

/** Codes of Node, OpenSSL and the HTTP parser; the first row that fits counts. */
const FAULTS: readonly (readonly [codes: RegExp, fault: Fault, words: string])[] = [
  // Said for a mistyped name, but on macOS and Windows also while there is no network at all.
  [/^ENOTFOUND$/, 'name', 'no such host'],
  [/^(EAI_|E?SERVFAIL$|E?NODATA$|EDNS$)/, 'name', 'the name lookup failed for now'],
  [/^ECONNREFUSED$/, 'line', 'the connection was refused'],
  [/^E(HOST|NET)UNREACH$/, 'line', 'the host is unreachable'],
  [/^ETIMEDOUT$/, 'line', 'the connection timed out'],
  [/^(ECONNRESET|EPIPE|ERR_STREAM_PREMATURE_CLOSE)$/, 'line', 'the connection was reset'],
  [/^CERT_HAS_EXPIRED$/, 'certificate', 'the certificate has expired'],
  [/^CERT_NOT_YET_VALID$/, 'certificate', 'the certificate is not valid yet (is the clock right?)'],
  [/^ERR_TLS_CERT_ALTNAME/, 'certificate', 'the certificate is for another host'],
  [
    /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERR_TLS_CERT_|HOSTNAME_MISMATCH|INVALID_|PATH_LENGTH_|CRL_|ERROR_IN_C)/,
    'certificate',
    'the certificate is not trusted',
  ],
  [/^ERR_ADDRESS_REFUSED$/, 'protocol', 'its name leads to an address that is not on this machine'],
  [
    /^(HPE_CLOSED_CONNECTION|ERR_HTTP_CONTENT_LENGTH)/,
    'protocol',
    'the body has another length than announced',
  ],
  [
    /^(ERR_SSL_|EPROTO$|HPE_|ERR_INVALID_|ERR_HTTP_INVALID|ERR_UNESCAPED_)/,
    'protocol',
    'it does not speak HTTP',
  ],
];

/** Statuses by which a proxy says that it can't connect for now. */
const PASSING_PROXY_STATUS = new Set([408, 429, 500, 502, 503, 504]);
/** More 1xx answers than any server sends before its answer. */
const MAX_INFORMATIONAL = 16;
/** Read ahead of a slow disk. */
const KEPT_BYTES = 512 * 1024;

/** Where an exchange stands. */
interface Standing {
  readonly phase: keyof typeof FAILED_TO;
  readonly hasSentBytes: boolean;
  /** `api.evolink.ai:443`. */
  readonly target: string;
  readonly proxy: URL | undefined;
}

/** @param end completes "could not connect to HOST" */
function toFailure(
  { phase, target, proxy, hasSentBytes }: Standing,
  code: string,
  end: string,
  facts: Partial<HttpFailureFacts> = {},
): HttpFailure {
  const by = phase === 'proxy' && proxy !== undefined ? ` through the proxy ${proxyName(proxy)}` : '';
  const usual = { code, hasSentBytes, isTransient: true, isCertificate: false };
  return new HttpFailure(`${FAILED_TO[phase]} ${target}${by}${end}`, { ...usual, ...facts });
}

/** Turns any error of an exchange into our own words. Total: never throws, never keeps the error. */
function describeFailure(error: unknown, standing: Standing): HttpFailure {
  // Only the proxy agent knows the status of a refused CONNECT, and tells it in its message alone.
  const refusal = standing.phase === 'proxy' && error instanceof Error ? error.message : '';
  const [, status] = /^Bad response: (\d{3})$/.exec(refusal) ?? [];
  if (status !== undefined) {
    const reason = status === '407' ? 'it wants other credentials' : 'it refused the connection';
    const isTransient = PASSING_PROXY_STATUS.has(Number(status));
    return toFailure(standing, `PROXY_${status}`, `: ${reason} (status ${status})`, { isTransient });
  }
  const code = readCode(error);
  const [, fault, words] = FAULTS.find(([codes]) => codes.test(code)) ?? [
    '',
    'line',
    'the connection failed',
  ];
  const phase = standing.phase === 'connect' && fault === 'name' ? fault : standing.phase;
  const isCertificate = fault === 'certificate';
  // Once an answer has begun, the other side does speak HTTP, and what breaks is the line.
  const isTransient = phase === 'body' ? !isCertificate : fault === 'name' || fault === 'line';
  return toFailure({ ...standing, phase }, code, `: ${words} (${code})`, { isTransient, isCertificate });
}

function causesOf(error: unknown): Error[] {
  const causes: Error[] = [];
  for (let at = error; at instanceof Error && causes.length < 4; at = at.cause) causes.push(at);
  return causes;
}

/** Codes are printed, so only what looks like one is taken. */
function readCode(error: unknown): string {
  const codes = causesOf(error).map((cause) => ('code' in cause ? String(cause.code) : ''));
  const isCode = (code: string) => /^[A-Z][A-Z0-9_]{2,60}$/.test(code) && code !== 'ERR_GOT_REQUEST_ERROR';
  return codes.find(isCode) ?? 'UNKNOWN';
}

interface Agents {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
}

function createAgents(keepAlive: boolean): Agents {
  return { http: new HttpAgent({ keepAlive }), https: new HttpsAgent({ keepAlive }) };
}

/** @param signal ends a connection to the proxy that is still being made; nothing else would */
function createProxyAgents(proxy: URL, signal: AbortSignal, lookup: HttpOptions['resolver']): Agents {
  // `headers` is what the package's types know; the others are handed to node:http as they are.
  const options = { proxy, proxyRequestOptions: { headers: {}, signal, lookup } };
  return { http: new HttpProxyAgent(options), https: new HttpsProxyAgent(options) };
}

/** Everything that got would do by itself is off: what repeats, follows or decodes is decided by the caller. */
function openGotStream(request: HttpRequest, options: HttpOptions, agent: Agents): Readable {
  // A name of this machine is trusted as loopback, so it leads to a loopback address or nowhere, whatever a resolver says.
  const loopback = isLoopbackName(new URL(request.url).hostname)
    ? pinnedLookup((kind) => kind === 'loopback', options.resolver)
    : undefined;
  // A stream of a method that may have a body waits for one.
  const body = request.body ?? (request.method === 'GET' ? undefined : '');
  return got.stream(request.url, {
    method: request.method,
    headers: { 'user-agent': options.userAgent, 'accept-encoding': 'identity', ...request.headers },
    ...(body === undefined ? {} : { body }),
    agent,
    dnsLookup: request.lookup ?? loopback ?? options.resolver,
    followRedirect: false,
    throwHttpErrors: false,
    decompress: request.shouldDecode === true,
    // Off in got 14 unless asked for: a body shorter than announced would pass as whole.
    strictContentLength: true,
    retry: { limit: 0 },
    https: { certificateAuthority: options.certificateAuthority },
  });
}

/**
 * Sends one request and resolves with the headers of its answer; the body is still to be read.
 * @param wholeBodyMs bounds the time that the body may take, whatever keeps coming
 * @throws HttpFailure, or the reason of the request's signal
 */
async function startExchange(
  request: HttpRequest,
  options: HttpOptions,
  { pooled, wholeBodyMs }: { readonly pooled: Agents; readonly wholeBodyMs?: number },
): Promise<HttpStream> {
  request.signal?.throwIfAborted();
  const { timeouts, clock } = options;
  const url = new URL(request.url);
  const isSecure = url.protocol === 'https:';
  const isStreamed = typeof request.body === 'object';
  const proxy = proxyFor(url, options.proxy);
  const target = `${url.hostname}:${url.port || (isSecure ? '443' : '80')}`;
  let phase: Standing['phase'] = proxy === undefined ? 'connect' : 'proxy';
  // Until the request is seen, nothing is proven.
  let hasSentBytes = true;
  let wireHeaders: IncomingHttpHeaders | undefined;
  /** Its first reason is the verdict; everything that the library says afterwards is an echo of it. */
  const ending = new AbortController();
  const fail = (error: unknown): unknown => {
    const ofFile = causesOf(error).find(({ name }) => name === 'NotReadableError');
    ending.abort(ofFile ?? describeFailure(error, { phase, hasSentBytes, target, proxy }));
    return ending.signal.reason;
  };

  /** One limit of a step at a time, and one of the whole body. */
  const cancels = { step: () => {}, whole: () => {} };
  const limit = (slot: keyof typeof cancels, name?: string, limitMs = 0) => {
    cancels[slot]();
    cancels[slot] = () => {};
    if (name === undefined || ending.signal.aborted) return;
    const end = ` within ${Math.round(limitMs / 100) / 10} s (${name} limit)`;
    const expire = () => ending.abort(toFailure({ phase, hasSentBytes, target, proxy }, 'TIMEOUT', end));
    cancels[slot] = clock.after(limitMs, expire);
  };

  limit('step', 'connect', timeouts.connectMs);
  // A pooled socket may have been closed by the other side a moment ago: nobody can say whether a request on it was read.
  const direct = request.freshConnection === true ? createAgents(false) : pooled;
  const agents = proxy ? createProxyAgents(proxy, ending.signal, options.resolver) : direct;
  const stream = openGotStream(request, options, agents);
  const onAbort = () => ending.abort(request.signal?.reason);
  request.signal?.addEventListener('abort', onAbort, { once: true });
  const finish = () => {
    limit('step');
    limit('whole');
    request.signal?.removeEventListener('abort', onAbort);
    stream.destroy();
  };
  ending.signal.addEventListener('abort', finish, { once: true });

  stream.once('request', (sent: ClientRequest) => {
    followRequest(sent, {
      isSecure,
      onPhase(next) {
        phase = next;
        hasSentBytes = next === 'send' || next === 'response';
        if (next === 'send' && isStreamed) limit('step', 'idle', timeouts.idleMs);
        else if (hasSentBytes) limit('step', 'response', timeouts.responseMs);
      },
      onHeaders(headers) {
        wireHeaders = headers;
        phase = 'body';
        limit('step');
      },
      onEndless(code, reason) {
        const standing = { phase, hasSentBytes: true, target, proxy };
        ending.abort(toFailure(standing, code, `: ${reason} (${code})`));
      },
    });
    if (phase === 'proxy' || phase === 'connect') hasSentBytes = false;
  });
  stream.on('uploadProgress', ({ transferred }: { readonly transferred: number }) => {
    if (isStreamed && phase === 'send') limit('step', 'idle', timeouts.idleMs);
    request.onSent?.(transferred);
  });
  const response = await new Promise<{ readonly statusCode?: number; readonly headers: IncomingHttpHeaders }>(
    (resolve, reject) => {
      // Stays for the whole life of the stream: an error that nobody listens to would end the process.
      stream.on('error', (error: unknown) => reject(fail(error)));
      // A stream that we destroy closes without an error.
      stream.once('close', () => stream.readableEnded || reject(fail(new Error('closed'))));
      stream.once('response', resolve);
    },
  );
  if (wholeBodyMs !== undefined) limit('whole', 'response', wholeBodyMs);
  const headers = Object.entries(wireHeaders ?? response.headers).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.join(', ') : value,
  ]);

  /**
   * Reading begins at once, and what has come before the stream broke is given before its error. Node.js from 22 on drops
   * what nobody has read when the other side goes; a download would fetch it again.
   */
  const kept = stream.pipe(new PassThrough({ highWaterMark: KEPT_BYTES }));
  stream.once('close', () => kept.end());
  ending.signal.addEventListener('abort', () => kept.end(), { once: true });
  async function* readBody(): AsyncGenerator<Uint8Array> {
    const chunks: AsyncIterator<Uint8Array> = kept[Symbol.asyncIterator]();
    try {
      for (;;) {
        // Only while we wait for the other side: a slow disk or pipe on our side is not its silence.
        limit('step', 'idle', timeouts.idleMs);
        const next = await chunks.next();
        limit('step');
        if (next.done === true) break;
        yield next.value;
      }
      ending.signal.throwIfAborted();
    } finally {
      finish();
    }
  }
  return {
    url: url.href,
    status: response.statusCode ?? 0,
    headers: Object.fromEntries(headers),
    body: readBody(),
    close: () => void fail(new Error('closed by the reader')),
  };
}

interface RequestEvents {
  readonly isSecure: boolean;
  onPhase(phase: 'connect' | 'tls' | 'send' | 'response'): void;
  onHeaders(headers: IncomingHttpHeaders): void;
  /** Only informational answers come. */
  onEndless(code: string, reason: string): void;
}

/**
 * Tells how far a request has come. `send` begins when the socket is connected (for https: when the handshake ended with a
 * trusted certificate): node:http holds every byte back until then, and writes them in the very event that is watched here.
 */
function followRequest(
  request: ClientRequest,
  { isSecure, onPhase, onHeaders, onEndless }: RequestEvents,
): void {
  let isConnected = false;
  let isAnswered = false;
  let isSent = false;
  const markConnected = () => {
    if (isConnected) return;
    isConnected = true;
    onPhase(isSent ? 'response' : 'send');
  };
  const adopt = (socket: Socket) => {
    // A destroyed socket does not connect either: its name lookup failed at once.
    const isUp = request.reusedSocket || (!socket.connecting && !socket.destroyed);
    if (request.reusedSocket || (isUp && !isSecure)) return markConnected();
    onPhase(isUp ? 'tls' : 'connect');
    socket.once('connect', () => (isSecure ? onPhase('tls') : markConnected()));
    if (isSecure) socket.once('secureConnect', markConnected);
  };
  if (request.socket) adopt(request.socket);
  else request.once('socket', adopt);
  request.once('finish', () => {
    isSent = true;
    if (isConnected && !isAnswered) onPhase('response');
  });
  request.once('response', ({ headers }) => {
    isAnswered = true;
    onHeaders(headers);
  });
  // Node has no limit for them; after a 101 that nobody asked for it drops the connection without any other event, and
  // the request would never settle.
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

/**
 * Owns HTTP: limits, connections, proxies, and the words of a failure. The only importer of got, whose errors carry
 * the request's headers, and with them the key: they never leave the exchange, not even as a cause.
 */
export function createHttp(options: HttpOptions): Http {
  const { responseMs, idleMs } = options.timeouts;
  const pooled = createAgents(true);
  return {
    async request(request) {
      // An answer that drips for ever would pass the idle limit.
      const wholeBodyMs = Math.max(responseMs, idleMs);
      return readAnswer(await startExchange(request, options, { pooled, wholeBodyMs }), request.maxBytes);
    },
    open: (request) => startExchange(request, options, { pooled }),
    close: () => {
      pooled.http.destroy();
      pooled.https.destroy();
    },
  };
}

async function readAnswer({ close: _, ...head }: HttpStream, maxBytes: number): Promise<HttpAnswer> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  let endedEarly: HttpFailure | undefined;
  try {
    for await (const chunk of head.body) {
      chunks.push(chunk.subarray(0, Math.max(0, maxBytes - sizeBytes)));
      sizeBytes += chunk.length;
      if (sizeBytes > maxBytes) break;
    }
  } catch (error) {
    if (!(error instanceof HttpFailure)) throw error;
    endedEarly = error;
  }
  return { ...head, body: Buffer.concat(chunks), isTruncated: sizeBytes > maxBytes, endedEarly };
}
