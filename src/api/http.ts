import { type ClientRequest, Agent as HttpAgent, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { LookupFunction, Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { checkServerIdentity } from 'node:tls';
import got from 'got';
import { HttpProxyAgent, HttpsProxyAgent } from 'hpagent';
import { isLoopbackName, pinnedLookup } from '../platform/address-class.ts';
import type { Clock } from '../platform/clock.ts';
import { hostAndPort, type ProxySettings, proxyFor } from './proxy.ts';

/**
 * An exchange that got no whole answer. The message is our own words and names host and limit: never a header, a path,
 * a query, or a library's text; the library's error is not kept, as printing it would show the key.
 */
export class HttpFailure extends Error {
  override readonly name = 'HttpFailure';
  readonly facts: {
    /** False only where the connection was provably never established, so that no byte of the request left. */
    readonly hasSentBytes: boolean;
    /** True for what may pass by itself. */
    readonly isTransient: boolean;
    /** `address`, `redirect`: refused by our own rules of links; `surplus`: more bytes came than were announced. */
    readonly reason?: 'address' | 'redirect' | 'certificate' | 'surplus' | undefined;
  };

  constructor(message: string, facts: HttpFailure['facts']) {
    super(message);
    this.facts = facts;
  }
}

export interface HttpOptions {
  readonly userAgent: string;
  readonly timeouts: {
    /** Name lookup, TCP, proxy and TLS together. */
    readonly connectMs: number;
    /** From the end of the request to the answer's headers; the bound of a small answer's whole body as well. */
    readonly responseMs: number;
    /** Without a byte in either direction while a body moves. */
    readonly idleMs: number;
  };
  readonly proxy: ProxySettings;
  readonly clock: Clock;
  /** Name lookup in the form of `dns.lookup`; absent = the system's. */
  readonly resolver?: LookupFunction | undefined;
  /** A certificate authority (PEM) to trust instead of the system's; people use `NODE_EXTRA_CA_CERTS`. */
  readonly certificateAuthority?: string | undefined;
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** A form is streamed; an error in reading a file of it is thrown on, unchanged. */
  readonly body?: string | FormData | undefined;
  /** Bytes of the body that have been handed to the connection. */
  readonly onSent?: ((sentBytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** A connection of its own, never one from the pool. */
  readonly freshConnection?: boolean | undefined;
  /** Replaces the resolver for this request. Never asked when the request goes through a proxy. */
  readonly lookup?: LookupFunction | undefined;
}

/** One exchange at a time: no redirects, no retry, no error by status. */
export type Http = ReturnType<typeof createHttp>;
type HttpStream = Awaited<ReturnType<typeof startExchange>>;
export type HttpAnswer = Awaited<ReturnType<typeof readAnswer>>;

/** How far an exchange has come, and what could not be done when it fails there. */
const FAILED_TO = {
  proxy: 'could not reach',
  connect: 'could not connect to',
  send: 'could not send the whole request to',
  response: 'no answer from',
  body: 'no whole answer from',
} as const;

type Phase = keyof typeof FAILED_TO;
/** From here on bytes of the request may have left. */
const SENT: readonly Phase[] = ['send', 'response', 'body'];

/** What is at fault. A line may come back by itself, a certificate or the other side's protocol does not. */
type Fault = 'line' | 'certificate' | 'protocol';

/** Codes of Node, OpenSSL and the HTTP parser; the first row that fits counts. */
const FAULTS: readonly (readonly [codes: RegExp, fault: Fault, words: string])[] = [
  // ENOTFOUND is said for a mistyped name, but on macOS and Windows also while there is no network at all.
  [/^(ENOTFOUND$|EAI_|E?SERVFAIL$|E?NODATA$|EDNS$)/, 'line', 'its name was not found'],
  [/^ECONNREFUSED$/, 'line', 'the connection was refused'],
  [/^E(HOST|NET)UNREACH$/, 'line', 'the host is unreachable'],
  [/^ETIMEDOUT$/, 'line', 'the connection timed out'],
  [/^(ECONNRESET|EPIPE|ERR_STREAM_PREMATURE_CLOSE)$/, 'line', 'the connection was reset'],
  [
    /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERR_TLS_CERT_|HOSTNAME_MISMATCH|INVALID_|PATH_LENGTH_|CRL_|ERROR_IN_C)/,
    'certificate',
    'the certificate is not trusted',
  ],
  [/^ERR_ADDRESS_REFUSED$/, 'protocol', 'its name leads to an address that is not on this machine'],
  [/^ERR_HTTP_CONTENT_LENGTH/, 'protocol', 'the body has another length than announced'],
  [
    /^(ERR_SSL_|EPROTO$|HPE_|ERR_INVALID_|ERR_HTTP_INVALID|ERR_UNESCAPED_)/,
    'protocol',
    'it does not speak HTTP',
  ],
  [/^/, 'line', 'the connection failed'],
];

/** Statuses by which a proxy says that it can't connect for now. */
const PASSING_PROXY_STATUS = /^(408|429|50[0234])$/;
/** Read ahead of a slow disk. */
const KEPT_BYTES = 512 * 1024;

/** What completes "could not connect to HOST", in our own words. Total: never throws, never keeps the error. */
function explain(error: unknown, phase: Phase): [words: string, facts: Partial<HttpFailure['facts']>] {
  // Only the proxy agent knows the status of a refused CONNECT, and tells it in its message alone.
  const refusal = phase === 'proxy' && error instanceof Error ? error.message : '';
  const [, status] = /^Bad response: (\d{3})$/.exec(refusal) ?? [];
  if (status !== undefined) {
    const reason = status === '407' ? 'it wants other credentials' : 'it refused the connection';
    return [`: ${reason} (status ${status})`, { isTransient: PASSING_PROXY_STATUS.test(status) }];
  }
  // Printed, so only what looks like a code is taken.
  const text = error instanceof Error && 'code' in error ? String(error.code) : '';
  const code = /^[A-Z][A-Z0-9_]{2,60}$/.test(text) ? text : 'UNKNOWN';
  const [, fault, words] = FAULTS.find(([codes]) => codes.test(code)) ?? [];
  // Once an answer has begun, the other side does speak HTTP: it sent more than it said, or the line broke.
  const isSurplus = phase === 'body' && code.startsWith('HPE_');
  if (isSurplus) return [`: it sent more than it had announced (${code})`, { reason: 'surplus' }];
  const isTransient = phase === 'body' || fault === 'line';
  return [`: ${words} (${code})`, { isTransient, reason: fault === 'certificate' ? fault : undefined }];
}

/** @param signal ends a connection to the proxy that is still being made; nothing else would */
function createProxyAgents(proxy: URL, signal: AbortSignal) {
  // `headers` is what the package's types know; the others are handed to node:http as they are.
  const options = { proxy, proxyRequestOptions: { headers: {}, signal } };
  return { http: new HttpProxyAgent(options), https: new HttpsProxyAgent(options) };
}

/** TLS takes its time to load: there is an agent of it once it is asked for. */
function createAgents(keepAlive: boolean) {
  const http = new HttpAgent({ keepAlive });
  let secure: HttpsAgent | undefined;
  return {
    http,
    get https() {
      secure ??= new HttpsAgent({ keepAlive });
      return secure;
    },
    close: (): void => {
      http.destroy();
      secure?.destroy();
    },
  };
}

/**
 * Sends one request and resolves with the headers of its answer; the body is still to be read. Everything that got would
 * do by itself is off, but that it undoes a content coding: what repeats or follows is decided by the caller.
 * @param wholeBodyMs bounds the time that the body may take, whatever keeps coming
 * @throws HttpFailure, or the reason of the request's signal
 */
async function startExchange(
  request: HttpRequest,
  options: HttpOptions,
  pooled: ReturnType<typeof createAgents>,
  wholeBodyMs?: number,
) {
  request.signal?.throwIfAborted();
  const { clock, resolver, timeouts } = options;
  const url = new URL(request.url);
  const isSecure = url.protocol === 'https:';
  const isStreamed = typeof request.body === 'object';
  const proxy = proxyFor(url, options.proxy);
  /** Until the request is seen, nothing is proven. */
  let phase: Phase = 'send';
  let answer: IncomingMessage | undefined;
  /** Its first reason is the verdict; everything that the library says afterwards is an echo of it. */
  const ending = new AbortController();

  const fail = (words: string, facts: Partial<HttpFailure['facts']> = {}) => {
    const by = phase === 'proxy' && proxy !== undefined ? ` through the proxy ${hostAndPort(proxy)}` : '';
    const text = `${FAILED_TO[phase]} ${hostAndPort(url)}${by}${words}`;
    const hasSentBytes = SENT.includes(phase);
    ending.abort(new HttpFailure(text, { hasSentBytes, isTransient: true, ...facts }));
  };
  const failBy = (error: unknown): unknown => {
    const cause = error instanceof Error ? error.cause : undefined;
    if (cause instanceof Error && cause.name === 'NotReadableError') ending.abort(cause);
    else fail(...explain(error, phase));
    return ending.signal.reason;
  };
  const startLimit = (name: 'connect' | 'response' | 'idle', limitMs = timeouts[`${name}Ms`]) =>
    clock.after(limitMs, () => fail(` within ${Math.round(limitMs / 100) / 10} s (${name} limit)`));
  let stopLimit = startLimit('connect');
  /** Ends the limit of the step before. */
  const limitStep = (name?: 'response' | 'idle') => {
    stopLimit();
    stopLimit = name === undefined || ending.signal.aborted ? () => {} : startLimit(name);
  };

  // A pooled socket may have been closed by the other side a moment ago: nobody can say whether a request on it was read.
  const direct = request.freshConnection === true ? createAgents(false) : pooled;
  const agents = proxy === undefined ? direct : createProxyAgents(proxy, ending.signal);
  // A name of this machine is trusted as loopback, so it leads to a loopback address or nowhere, whatever a resolver says.
  const loopback = isLoopbackName(url.hostname)
    ? pinnedLookup((kind) => kind === 'loopback', resolver)
    : undefined;
  // A stream of a method that may have a body waits for one.
  const body = request.body ?? (request.method === 'GET' ? undefined : '');
  const stream = got.stream(request.url, {
    method: request.method,
    headers: { 'user-agent': options.userAgent, 'accept-encoding': 'identity', ...request.headers },
    ...(body === undefined ? {} : { body }),
    agent: isSecure ? { https: agents.https } : { http: agents.http },
    dnsLookup: request.lookup ?? loopback ?? resolver,
    followRedirect: false,
    throwHttpErrors: false,
    // Off in got 14 unless asked for: a body shorter than announced would pass as whole.
    strictContentLength: true,
    retry: { limit: 0 },
    https: {
      certificateAuthority: options.certificateAuthority,
      // What got itself takes, but read for TLS alone. Any other function has connections of its own from Node 24 on.
      checkServerIdentity: isSecure ? checkServerIdentity : () => undefined,
    },
  });
  const onAbort = () => ending.abort(request.signal?.reason);
  request.signal?.addEventListener('abort', onAbort, { once: true });
  /**
   * Reading begins with the headers, and what has come before the stream broke is given before its error. Node.js from 22 on
   * drops what nobody has read when the other side goes; a download would fetch it again.
   */
  const kept = new PassThrough({ highWaterMark: KEPT_BYTES });
  let stopWhole = () => {};
  const finish = () => {
    limitStep();
    stopWhole();
    request.signal?.removeEventListener('abort', onAbort);
    stream.destroy();
    kept.end();
  };
  ending.signal.addEventListener('abort', finish, { once: true });

  stream.once('request', (sent: ClientRequest) => {
    phase = proxy === undefined ? 'connect' : 'proxy';
    const enter = (next: Phase) => {
      phase = next;
      limitStep(next === 'send' && isStreamed ? 'idle' : 'response');
    };
    let isSent = false;
    /**
     * For https: when the handshake ended with a trusted certificate. node:http holds every byte back until then, and writes
     * them in the very event that is watched here.
     */
    const onConnected = () => enter(isSent ? 'response' : 'send');
    const follow = (socket: Socket) => {
      phase = 'connect';
      // A destroyed socket does not connect either: its name lookup failed at once.
      const isUp = !isSecure && !socket.connecting && !socket.destroyed;
      if (sent.reusedSocket || isUp) onConnected();
      else socket.once(isSecure ? 'secureConnect' : 'connect', onConnected);
    };
    if (sent.socket) follow(sent.socket);
    else sent.once('socket', follow);
    sent.once('finish', () => {
      isSent = true;
      if (phase === 'send') enter('response');
    });
    sent.once('response', (message) => {
      answer = message;
      phase = 'body';
      limitStep();
    });
    // After a 101 that nobody asked for Node drops the connection without any other event.
    sent.once('upgrade', (_response, socket) => {
      socket.on('error', () => undefined);
      socket.destroy();
      fail(': it switched protocols (UNEXPECTED_101)');
    });
  });
  stream.on('uploadProgress', ({ transferred }: { readonly transferred: number }) => {
    if (isStreamed && phase === 'send') limitStep('idle');
    request.onSent?.(transferred);
  });
  await new Promise<unknown>((resolve, reject) => {
    // Stays for the whole life of the stream: an error that nobody listens to would end the process.
    stream.on('error', (error: unknown) => reject(failBy(error)));
    // A stream that we destroy closes without an error.
    stream.once('close', () => stream.readableEnded || reject(failBy(new Error('closed'))));
    stream.once('response', resolve);
  });
  if (wholeBodyMs !== undefined && !ending.signal.aborted) stopWhole = startLimit('response', wholeBodyMs);

  stream.pipe(kept);
  async function* readBody(): AsyncGenerator<Uint8Array> {
    try {
      // Only while we wait for the other side: a slow disk or pipe on our side is not its silence.
      limitStep('idle');
      for await (const chunk of kept) {
        limitStep();
        yield chunk;
        limitStep('idle');
      }
      ending.signal.throwIfAborted();
    } finally {
      finish();
    }
  }
  const { statusCode = 0, headers = {} }: Partial<IncomingMessage> = answer ?? {};
  return {
    url: url.href,
    status: statusCode,
    /** Those of the wire, names in lower case. Of `set-cookie`, the only one that is a list, nobody makes use. */
    headers: headers as Readonly<Record<string, string | undefined>>,
    /** Throws `HttpFailure` when cut, stalled, or shorter than announced. Must be read to its end, or closed. */
    body: readBody() as AsyncIterable<Uint8Array>,
    close: () => ending.abort(),
  };
}

/**
 * Owns HTTP: limits, connections, proxies, and the words of a failure. The only importer of got, whose errors carry
 * the request's headers, and with them the key: they never leave the exchange, not even as a cause.
 */
export function createHttp(options: HttpOptions) {
  const { responseMs, idleMs } = options.timeouts;
  const pooled = createAgents(true);
  return {
    /** @throws HttpFailure, or `signal.reason` when aborted. A body that breaks off does not throw: see `endedEarly`. */
    async request(request: HttpRequest & { readonly maxBytes: number }) {
      // An answer that drips for ever would pass the idle limit.
      const wholeBodyMs = Math.max(responseMs, idleMs);
      return readAnswer(await startExchange(request, options, pooled, wholeBodyMs), request.maxBytes);
    },
    /** @throws HttpFailure, or `signal.reason` when aborted. */
    open: (request: HttpRequest) => startExchange(request, options, pooled),
    /** Loads what the first request needs: the build has got load when it is first used. */
    prepare: () => void got.stream,
    /** Drops idle connections. */
    close: () => pooled.close(),
  };
}

async function readAnswer({ close: _, ...head }: HttpStream, maxBytes: number) {
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
  return {
    ...head,
    /** What arrived, never more than `maxBytes`. */
    body: Buffer.concat(chunks) as Uint8Array,
    /** The body went beyond `maxBytes` and was cut there. */
    isTruncated: sizeBytes > maxBytes,
    /** The connection ended before the body did; `body` holds what came until then. */
    ...(endedEarly && { endedEarly }),
  };
}
