import { isIP, type LookupFunction } from 'node:net';
import { type LinkClient, LinkFailure, type LinkResponse } from '../config/output-pattern.ts';
import {
  type AddressClass,
  classifyAddress,
  isLoopbackHost,
  pinnedLookup,
} from '../platform/address-class.ts';
import { type Http, HttpFailure, type HttpStream } from './http-types.ts';

interface LinkRules {
  /** Lets loopback hosts through, with http too: for an API that itself runs on loopback. */
  readonly allowLoopback: boolean;
  /** Lets nothing else through: for the sandbox, which stays on this machine. */
  readonly onlyLoopback?: boolean | undefined;
}

/**
 * Parses the URL of one hop and checks what can be seen of it: https (http on an allowed loopback host), no literal
 * address that is not public, no step down from https or from the Internet to this machine. User info is dropped, and a
 * fragment.
 * @param from the hop before, where there is one
 * @throws LinkFailure
 */
function checkLinkUrl(text: string, rules: LinkRules, from?: URL): URL {
  if (!URL.canParse(text, from?.href)) throw refuse(from ? 'redirect' : 'address', 'the link is not a URL');
  const url = new URL(text, from?.href);
  url.username = '';
  url.password = '';
  url.hash = '';
  const isLoopback = isLoopbackHost(url.hostname);
  const isAllowedLoopback =
    isLoopback && rules.allowLoopback && (from === undefined || isLoopbackHost(from.hostname));
  if (url.protocol === 'http:' && from?.protocol === 'https:') {
    throw refuse('redirect', `${from.host} redirects from https to http (${url.host})`);
  }
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isAllowedLoopback)) {
    throw refuse(from ? 'redirect' : 'address', `the link is not https (${url.protocol}//${url.host})`);
  }
  if (rules.onlyLoopback === true && !isLoopback)
    throw refuse(
      from ? 'redirect' : 'address',
      `${url.host} is not on this machine, where the sandbox stays`,
    );
  if (isLoopback && !isAllowedLoopback) throw refusedAddress(url.hostname, 'loopback');
  const host = bareHost(url);
  if (isIP(host) !== 0 && !isAllowedLoopback && classifyAddress(host) !== 'public') {
    throw refusedAddress(url.hostname, classifyAddress(host));
  }
  return url;
}

/**
 * A name lookup that lets only fitting addresses through to the connection, so that the address that is checked is the
 * one that is used. 198.18.0.0/15 passes for names: local tunnels answer with it for every public name.
 */
function createGuardedLookup(
  url: URL,
  options: LinkRules & {
    readonly resolver?: LookupFunction | undefined;
    onRefused(failure: LinkFailure): void;
  },
): LookupFunction {
  const isLoopbackAllowed = options.allowLoopback && isLoopbackHost(url.hostname);
  const isFitting = (kind: AddressClass) =>
    isLoopbackAllowed ? kind === 'loopback' : kind === 'public' || kind === 'benchmark';
  return pinnedLookup(isFitting, options.resolver, (hostname, kind) =>
    options.onRefused(refusedAddress(hostname, kind)),
  );
}

function bareHost(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

function refusedAddress(hostname: string, kind: string): LinkFailure {
  return refuse('address', `${hostname} leads to an address that no link may have (${kind})`);
}

function refuse(reason: LinkFailure['reason'], message: string): LinkFailure {
  return new LinkFailure(reason, message, false);
}

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
  // The parser's word for what comes behind the end of a body.
  if (error.code === 'HPE_CLOSED_CONNECTION')
    return new LinkFailure('surplus', 'the host sent more bytes than it had announced', true);
  const reason = error.isCertificate ? 'certificate' : error.isTransient ? 'network' : 'protocol';
  return new LinkFailure(reason, error.message, error.isTransient);
}
