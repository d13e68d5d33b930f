import type { Readable } from 'node:stream';
import got from 'got';
import { type ConnectionAgents, createAgentPool } from './connection-agents.ts';
import { type Exchange, startExchange } from './exchange.ts';
import { HttpFailure } from './http-failure.ts';
import type { Http, HttpAnswer, HttpOptions, HttpRequest } from './http-types.ts';
import { proxyFor } from './proxy.ts';

/**
 * Owns HTTP: limits, connections, proxies, and the words of a failure. The only importer of got, whose errors carry
 * the request's headers, and with them the key: they never leave the exchange, not even as a cause.
 */
export function createHttp(options: HttpOptions): Http {
  const { clock, timeouts, resolver } = options;
  const pool = createAgentPool();

  function start(request: HttpRequest): Promise<Exchange> {
    const proxy = proxyFor(new URL(request.url), options.proxy);
    return startExchange(request, {
      clock,
      timeouts,
      proxy,
      openStream(prepared, connecting) {
        const isFresh = prepared.freshConnection === true;
        const agents = pool.pick({ proxy, isFresh, resolver, ...connecting });
        return openGotStream(prepared, { options, agents });
      },
    });
  }

  return {
    async request(request) {
      const exchange = await start(request);
      // An answer that drips for ever would pass the idle limit.
      exchange.limitWholeBody(Math.max(timeouts.responseMs, timeouts.idleMs));
      return readAnswer(exchange, request.maxBytes);
    },
    open: start,
    isProxied: (url) => proxyFor(new URL(url), options.proxy) !== undefined,
    close: () => pool.close(),
  };
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
    dnsLookup: request.lookup ?? options.resolver,
    followRedirect: false,
    throwHttpErrors: false,
    decompress: false,
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
