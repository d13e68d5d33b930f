import { isIP, type LookupFunction } from 'node:net';
import { classifyAddress, isLoopbackHost, pinnedLookup } from '../platform/address-class.ts';
import { type Http, HttpFailure, type HttpStream, type LinkClient, LinkFailure } from './http-types.ts';

export interface LinkClientOptions {
  readonly http: Pick<Http, 'open'>;
  /** Lets loopback hosts through, with http too: only where the API itself is on loopback. */
  readonly allowLoopback: boolean;
  /** Lets nothing else through, redirects included: for the sandbox, which stays on this machine. */
  readonly onlyLoopback?: boolean | undefined;
  /** Name lookup in the form of `dns.lookup`; absent = the system's. */
  readonly resolver?: LookupFunction | undefined;
}

const MAX_HOPS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

function refuse(reason: LinkFailure['reason'], message: string): LinkFailure {
  return new LinkFailure(reason, message, false);
}

function refuseAddress(hostname: string, kind: string): LinkFailure {
  return refuse('address', `${hostname} leads to an address that no link may have (${kind})`);
}

/**
 * Parses the URL of one hop and checks what can be seen of it: https (http on an allowed loopback host), no literal
 * address that is not public, no step down from https or from the Internet to this machine. User info is dropped, and a
 * fragment.
 * @param from the hop before, where there is one
 * @throws LinkFailure
 */
function checkLinkUrl(text: string, { allowLoopback, onlyLoopback }: LinkClientOptions, from?: URL): URL {
  const reason = from === undefined ? 'address' : 'redirect';
  if (!URL.canParse(text, from?.href)) throw refuse(reason, 'the link is not a URL');
  const url = new URL(text, from?.href);
  Object.assign(url, { username: '', password: '', hash: '' });
  const { protocol, host, hostname } = url;
  const isLoopback = isLoopbackHost(hostname);
  const isAllowedLoopback = isLoopback && allowLoopback && (!from || isLoopbackHost(from.hostname));
  if (protocol === 'http:' && from?.protocol === 'https:')
    throw refuse('redirect', `${from.host} redirects from https to http (${host})`);
  if (protocol !== 'https:' && !(protocol === 'http:' && isAllowedLoopback))
    throw refuse(reason, `the link is not https (${protocol}//${host})`);
  if (onlyLoopback === true && !isLoopback)
    throw refuse(reason, `${host} is not on this machine, where the sandbox stays`);
  if (isAllowedLoopback) return url;
  if (isLoopback) throw refuseAddress(hostname, 'loopback');
  const bare = hostname.replace(/^\[|\]$/g, '');
  if (isIP(bare) !== 0 && classifyAddress(bare) !== 'public')
    throw refuseAddress(hostname, classifyAddress(bare));
  return url;
}

/**
 * Fetches result links. It knows no key and no cookie, follows at most 5 redirects, and checks every hop: the address of
 * a direct connection as it is resolved for that very connection. Through a proxy it is the proxy that resolves names,
 * so there only addresses that stand in the URL can be checked.
 */
export function createLinkClient(rules: LinkClientOptions): LinkClient {
  async function fetchHop(url: URL, options: Parameters<LinkClient['open']>[1]): Promise<HttpStream> {
    let refusal: LinkFailure | undefined;
    const isLoopback = rules.allowLoopback && isLoopbackHost(url.hostname);
    const lookup = pinnedLookup(
      // 198.18.0.0/15 passes for names: local tunnels answer with it for every public name.
      (kind) => (isLoopback ? kind === 'loopback' : kind === 'public' || kind === 'benchmark'),
      rules.resolver,
      (hostname, kind) => {
        refusal = refuseAddress(hostname, kind);
      },
    );
    const { range, ifRange, signal } = options;
    try {
      return await rules.http.open({
        method: 'GET',
        url: url.href,
        headers: {
          accept: 'video/*, */*;q=0.5',
          ...(range === undefined ? {} : { range }),
          ...(ifRange === undefined ? {} : { 'if-range': ifRange }),
        },
        signal,
        // A pooled connection was made without this check.
        freshConnection: true,
        shouldDecode: true,
        lookup,
      });
    } catch (error) {
      throw refusal ?? toLinkFailure(error);
    }
  }

  return {
    async open(link, options) {
      let url = checkLinkUrl(link, rules);
      const seen = new Set<string>();
      for (;;) {
        seen.add(url.href);
        const stream = await fetchHop(url, options);
        const { status, headers, close, body } = stream;
        if (!REDIRECTS.has(status)) return { status, headers, close, body: translateErrors(body) };
        close();
        if (seen.size > MAX_HOPS)
          throw refuse('redirect', `more than ${MAX_HOPS} redirects, the last from ${url.host}`);
        if (headers.location === undefined)
          throw refuse('redirect', `${url.host} redirects to nowhere [${status}]`);
        url = checkLinkUrl(headers.location, rules, url);
        if (seen.has(url.href)) throw refuse('redirect', `${url.host} redirects in a circle`);
      }
    },
  };
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
  const { code, isCertificate, isTransient } = error.facts;
  // The parser's word for what comes behind the end of a body.
  if (code === 'HPE_CLOSED_CONNECTION')
    return new LinkFailure('surplus', 'the host sent more bytes than it had announced', true);
  const reason = isCertificate ? 'certificate' : isTransient ? 'network' : 'protocol';
  return new LinkFailure(reason, error.message, isTransient);
}
