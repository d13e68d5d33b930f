import type { LookupFunction } from 'node:net';
import { type LinkClient, LinkFailure, type LinkResponse } from '../download/types.ts';
import { HttpFailure } from './http-failure.ts';
import type { Http, HttpStream } from './http-types.ts';
import { checkLinkUrl, createGuardedLookup } from './link-rules.ts';

export interface LinkClientOptions {
  readonly http: Http;
  /** Lets links on loopback hosts through: only where the API itself is on loopback. */
  readonly allowLoopback: boolean;
  /** Lets nothing else through, redirects included. */
  readonly onlyLoopback?: boolean | undefined;
  /** Name lookup in the form of `dns.lookup`; absent = the system's. */
  readonly resolver?: LookupFunction | undefined;
}

const MAX_HOPS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/**
 * Fetches result links. It knows no key and no cookie, follows at most 5 redirects, and checks every hop: the address of
 * a direct connection as it is resolved for that very connection. Through a proxy it is the proxy that resolves names,
 * so there only addresses that stand in the URL can be checked.
 */
export function createLinkClient({
  http,
  allowLoopback,
  onlyLoopback,
  resolver,
}: LinkClientOptions): LinkClient {
  const rules = { allowLoopback, onlyLoopback };

  async function fetchHop(url: URL, options: Parameters<LinkClient['open']>[1]): Promise<HttpStream> {
    let refusal: LinkFailure | undefined;
    const lookup = createGuardedLookup(url, {
      allowLoopback,
      resolver,
      onRefused(failure) {
        refusal = failure;
      },
    });
    try {
      return await http.open({
        method: 'GET',
        url: url.href,
        headers: {
          accept: 'video/*, */*;q=0.5',
          ...(options.range === undefined ? {} : { range: options.range }),
          ...(options.ifRange === undefined ? {} : { 'if-range': options.ifRange }),
        },
        signal: options.signal,
        // A pooled connection was made without this check.
        freshConnection: true,
        isLarge: true,
        lookup,
      });
    } catch (error) {
      throw refusal ?? toLinkFailure(error);
    }
  }

  return {
    async open(link, options) {
      let url = checkLinkUrl(link, rules);
      const seen = new Set([url.href]);
      for (let hop = 0; ; hop += 1) {
        const stream = await fetchHop(url, options);
        if (!REDIRECTS.has(stream.status)) return toLinkResponse(stream);
        stream.close();
        if (hop === MAX_HOPS)
          throw redirectFailure(`more than ${MAX_HOPS} redirects, the last from ${url.host}`);
        const { location } = stream.headers;
        if (location === undefined)
          throw redirectFailure(`${url.host} redirects to nowhere [${stream.status}]`);
        url = checkLinkUrl(location, rules, url);
        if (seen.has(url.href)) throw redirectFailure(`${url.host} redirects in a circle`);
        seen.add(url.href);
      }
    },
  };
}

function redirectFailure(message: string): LinkFailure {
  return new LinkFailure('redirect', message, false);
}

function toLinkResponse({ status, headers, body, close }: HttpStream): LinkResponse {
  return { status, headers, body: translateErrors(body), close };
}

async function* translateErrors(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw toLinkFailure(error);
  }
}

/** Anything else, such as the reason of an abort, passes through as it is. */
function toLinkFailure(error: unknown): unknown {
  if (!(error instanceof HttpFailure)) return error;
  const reason = error.isCertificate ? 'certificate' : error.isTransient ? 'network' : 'protocol';
  return new LinkFailure(reason, error.message, error.isTransient);
}
