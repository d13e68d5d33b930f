import { type LookupAddress, lookup as systemLookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { LinkFailure } from '../download/types.ts';
import { classifyAddress, isLoopbackHost } from '../platform/address-class.ts';

export interface LinkRules {
  /** Lets loopback hosts through, with http too: for an API that itself runs on loopback. */
  readonly allowLoopback: boolean;
  /** Lets nothing else through: for a rehearsal, which stays on this machine. */
  readonly onlyLoopback?: boolean | undefined;
}

/**
 * Parses the URL of one hop and checks what can be seen of it: https (http on an allowed loopback host), no literal
 * address that is not public, no step down from https or from the Internet to this machine. User info is dropped, and a
 * fragment.
 * @param from the hop before, where there is one
 * @throws LinkFailure
 */
export function checkLinkUrl(text: string, rules: LinkRules, from?: URL): URL {
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
      `${url.host} is not on this machine, where a rehearsal stays`,
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
export function createGuardedLookup(
  url: URL,
  options: LinkRules & {
    readonly resolver?: LookupFunction | undefined;
    onRefused(failure: LinkFailure): void;
  },
): LookupFunction {
  const isLoopbackAllowed = options.allowLoopback && isLoopbackHost(url.hostname);
  const isFitting = (address: string) => {
    const kind = classifyAddress(address);
    return isLoopbackAllowed ? kind === 'loopback' : kind === 'public' || kind === 'benchmark';
  };
  const resolve: LookupFunction = options.resolver ?? systemLookup;
  return (hostname, lookupOptions, callback) => {
    resolve(hostname, { ...lookupOptions, all: true }, (error, answer, family) => {
      if (error) return callback(error, '', 0);
      const addresses = toAddresses(answer, family);
      const fitting = addresses.filter(({ address }) => isFitting(address));
      const [first] = fitting;
      if (first === undefined) {
        const failure = refusedAddress(hostname, classifyAddress(addresses[0]?.address ?? ''));
        options.onRefused(failure);
        return callback(Object.assign(new Error(failure.message), { code: 'ERR_ADDRESS_REFUSED' }), '', 0);
      }
      if (lookupOptions.all === true) return callback(null, fitting);
      callback(null, first.address, first.family);
    });
  };
}

function toAddresses(answer: string | LookupAddress[], family: number | undefined): LookupAddress[] {
  return typeof answer === 'string' ? [{ address: answer, family: family ?? isIP(answer) }] : answer;
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
