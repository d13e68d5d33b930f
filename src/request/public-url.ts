import ipaddr from 'ipaddr.js';
import type { WireBody } from './models.ts';

export interface PublicUrlOptions {
  /** Schemes that are taken. */
  readonly schemes: readonly ('http' | 'https')[];
  /** Takes loopback hosts too, with either scheme: for an API that itself runs on loopback. */
  readonly allowLoopback?: boolean | undefined;
}

type HostKind = 'public' | 'loopback' | { readonly refused: string };

/**
 * Names that never resolve outside one machine or network: RFC 6761, RFC 6762 (with its appendix G), RFC 7686, RFC 8375,
 * RFC 9476, and ICANN's reservation of `.internal`.
 */
const PRIVATE_SUFFIXES = [
  'alt',
  'corp',
  'example',
  'home',
  'home.arpa',
  'internal',
  'intranet',
  'invalid',
  'lan',
  'local',
  'localdomain',
  'onion',
  'private',
  'test',
];

/** Metadata and host services that clouds serve on addresses of public ranges. */
const CLOUD_HOST_ADDRESSES = new Set(['168.63.129.16']);

const RANGE_NAMES: Readonly<Record<string, string>> = {
  private: 'a private',
  uniqueLocal: 'a private',
  deprecatedSiteLocal: 'a private',
  linkLocal: 'a link-local',
  carrierGradeNat: 'a carrier-grade NAT',
  unspecified: 'an unspecified',
  multicast: 'a multicast',
  broadcast: 'a broadcast',
};

function addressKind(text: string): HostKind {
  const address = ipaddr.parse(text);
  const range: string = address.range();
  if (range === 'loopback') return 'loopback';
  // `range()` calls all that no table names "unicast", such as the deprecated ::127.0.0.1; only 2000::/3 is given out.
  const isGlobal = address.kind() === 'ipv4' || address.match(ipaddr.parse('2000::'), 3);
  if (range === 'unicast' && isGlobal && !CLOUD_HOST_ADDRESSES.has(text)) return 'public';
  return { refused: `points to ${RANGE_NAMES[range] ?? 'a reserved'} address (${text})` };
}

function hostKind(hostname: string): HostKind {
  const host = hostname.replace(/^\[|\]$/g, '').replace(/\.+$/, '');
  if (ipaddr.isValid(host)) return addressKind(host);
  if (host === 'localhost' || host.endsWith('.localhost')) return 'loopback';
  if (host.split('.').some((label) => label === ''))
    return { refused: `has a broken host name (${hostname})` };
  const suffix = PRIVATE_SUFFIXES.find((name) => host === name || host.endsWith(`.${name}`));
  if (suffix !== undefined) return { refused: `points to a private name (.${suffix})` };
  if (!host.includes('.')) return { refused: `points to a name of the local network (${host})` };
  return 'public';
}

function parseStrictly(text: string): URL | undefined {
  // WHATWG parsing forgives missing slashes and backslashes; what is sent must read the same to any parser.
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^/\\]/i.test(text) || text.includes('\\')) return undefined;
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}

function schemeList(schemes: readonly string[]): string {
  return schemes.map((scheme) => `${scheme}://`).join(' or ');
}

/**
 * Says what keeps the service from reaching a URL, or undefined for a URL that it may reach: absolute, of an allowed
 * scheme, without white space and user name, its host neither private nor otherwise special in whatever notation
 * (decimal, octal, hexadecimal, short, IPv4 inside IPv6, trailing dot). Names are not resolved.
 */
export function publicUrlProblem(text: string, options: PublicUrlOptions): string | undefined {
  const expected = `must be a full ${schemeList(options.schemes)} URL`;
  if (/[\s\p{Cc}]/u.test(text)) return `${expected} without spaces; write a space as %20`;
  if (/^data:/i.test(text)) return `${expected}; Base64 data is not accepted`;
  const url = parseStrictly(text);
  if (url === undefined) return expected;
  const kind = hostKind(url.hostname);
  const isAllowedLoopback = kind === 'loopback' && options.allowLoopback === true;
  const schemes: readonly string[] = isAllowedLoopback ? ['http', 'https'] : options.schemes;
  if (!schemes.includes(url.protocol.slice(0, -1))) return expected;
  if (url.username !== '' || url.password !== '') return 'must not hold a user name or password';
  if (kind === 'public' || isAllowedLoopback) return undefined;
  const reason = kind === 'loopback' ? `points to a loopback address (${url.hostname})` : kind.refused;
  return `${reason}; the service must be able to reach it over the public internet`;
}

/** The form to send: URLs with other than ASCII characters percent-encoded, all others as they were written. */
export function toAsciiUrl(text: string): string {
  return /^[\x21-\x7e]*$/.test(text) ? text : new URL(text).href;
}

/** An address as others may see it: without its query, where signatures and tokens are, its fragment and a user name. */
export function redactAddress(address: string): string {
  return address
    .replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#@]*@/i, '$1***@')
    .replace(/\?[^#]*/, '?***')
    .replace(/#.*/s, '');
}

/**
 * The body of a request as a report or a sidecar may show it. They become CI artefacts that others read: the queries of addresses,
 * where signatures and tokens are, and user names in them are hidden.
 */
export function redactRequest(body: WireBody): WireBody {
  return {
    ...body,
    ...(body.image_urls === undefined ? {} : { image_urls: body.image_urls.map(redactAddress) }),
    ...(body.video_urls === undefined ? {} : { video_urls: body.video_urls.map(redactAddress) }),
    ...(body.audio_urls === undefined ? {} : { audio_urls: body.audio_urls.map(redactAddress) }),
    ...(body.callback_url === undefined ? {} : { callback_url: redactAddress(body.callback_url) }),
  };
}

/** Whether an address is what `redactAddress` has left of one. */
export function isRedacted(address: string): boolean {
  return address.endsWith('?***') || /^[a-z][a-z0-9+.-]*:\/\/\*\*\*@/i.test(address);
}
