import { isIP, type LookupFunction } from 'node:net';
import { classifyAddress, isLoopbackHost, pinnedLookup } from '../platform/address-class.ts';
import { parseUrl } from '../platform/text.ts';
import { type Http, HttpFailure } from './http.ts';

interface LinkRules {
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

function refuse(reason: 'address' | 'redirect', message: string): HttpFailure {
  return new HttpFailure(message, { hasSentBytes: false, isTransient: false, reason });
}

function refuseAddress(hostname: string, kind: string): HttpFailure {
  return refuse('address', `${hostname} leads to an address that no link may have (${kind})`);
}

/**
 * Parses the URL of one hop and checks what can be seen of it: https (http on an allowed loopback host), no literal
 * address that is not public, no step down from https or from the Internet to this machine. User info is dropped, and a
 * fragment.
 * @param from the hop before, where there is one
 * @throws HttpFailure
 */
function checkLinkUrl(text: string, { allowLoopback, onlyLoopback }: LinkRules, from?: URL): URL {
  const reason = from === undefined ? 'address' : 'redirect';
  const url = parseUrl(text, from);
  if (url === undefined) throw refuse(reason, 'the link is not a URL');
  Object.assign(url, { username: '', password: '', hash: '' });
  const { protocol, host, hostname } = url;
  const isLoopback = isLoopbackHost(hostname);
  const isAllowedLoopback = isLoopback && allowLoopback && (!from || isLoopbackHost(from.hostname));
  const isPlain = protocol === 'http:' && isAllowedLoopback && from?.protocol !== 'https:';
  if (protocol !== 'https:' && !isPlain) throw refuse(reason, `the link is not https (${protocol}//${host})`);
  if (onlyLoopback === true && !isLoopback)
    throw refuse(reason, `${host} is not on this machine, where the sandbox stays`);
  const bare = hostname.replace(/^\[|\]$/g, '');
  const named = isIP(bare) === 0 ? 'public' : classifyAddress(bare);
  const kind = isLoopback ? 'loopback' : named;
  if (kind !== 'public' && !isAllowedLoopback) throw refuseAddress(hostname, kind);
  return url;
}

export type LinkClient = ReturnType<typeof createLinkClient>;

/**
 * Fetches result links. It knows no key and no cookie, follows at most 5 redirects, and checks every hop: the address of
 * a direct connection as it is resolved for that very connection. Through a proxy it is the proxy that resolves names,
 * so there only addresses that stand in the URL can be checked.
 */
export function createLinkClient(rules: LinkRules) {
  async function openHop(url: URL, headers: Readonly<Record<string, string>>, signal?: AbortSignal) {
    let refusal: HttpFailure | undefined;
    const isLoopback = rules.allowLoopback && isLoopbackHost(url.hostname);
    const lookup = pinnedLookup(
      // 198.18.0.0/15 passes for names: local tunnels answer with it for every public name.
      (kind) => (isLoopback ? kind === 'loopback' : kind === 'public' || kind === 'benchmark'),
      rules.resolver,
      (hostname, kind) => {
        refusal = refuseAddress(hostname, kind);
      },
    );
    // A pooled connection was made without this check.
    const hop = { method: 'GET', url: url.href, headers, lookup, signal, freshConnection: true } as const;
    return rules.http.open(hop).catch((error: unknown) => {
      throw refusal ?? error;
    });
  }

  return {
    /**
     * One GET, redirects followed. The body is what the headers say, content coding undone; a chunk is valid until the next
     * is asked for.
     * @throws HttpFailure
     */
    async open(
      link: string,
      ask: {
        readonly range?: string | undefined;
        readonly ifRange?: string | undefined;
        readonly signal?: AbortSignal | undefined;
      },
    ) {
      const headers = {
        accept: 'video/*, */*;q=0.5',
        ...(ask.range === undefined ? {} : { range: ask.range }),
        ...(ask.ifRange === undefined ? {} : { 'if-range': ask.ifRange }),
      };
      let url = checkLinkUrl(link, rules);
      const seen = new Set<string>();
      for (;;) {
        seen.add(url.href);
        const { url: _, ...answer } = await openHop(url, headers, ask.signal);
        if (!REDIRECTS.has(answer.status)) return answer;
        answer.close();
        const { location } = answer.headers;
        if (seen.size > MAX_HOPS)
          throw refuse('redirect', `more than ${MAX_HOPS} redirects, the last from ${url.host}`);
        if (location === undefined)
          throw refuse('redirect', `${url.host} redirects to nowhere [${answer.status}]`);
        url = checkLinkUrl(location, rules, url);
        if (seen.has(url.href)) throw refuse('redirect', `${url.host} redirects in a circle`);
      }
    },
  };
}
