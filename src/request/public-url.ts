import { classifyAddress, isLoopbackHost, isLoopbackName } from '../platform/address-class.ts';
import { parseUrl } from '../platform/text.ts';
import type { WireBody } from './fields.ts';

interface PublicUrlOptions {
  /** Schemes that may be used. */
  readonly schemes: readonly ('http' | 'https')[];
  /** Takes loopback hosts too, with either scheme: for an API that itself runs on loopback. */
  readonly allowLoopback?: boolean | undefined;
}

/**
 * Names that never resolve outside one machine or network: RFC 6761, RFC 6762 (with its appendix G), RFC 7686, RFC 8375,
 * RFC 9476, and ICANN's reservation of `.internal`.
 */
const PRIVATE_NAME =
  /(?:^|\.)(alt|corp|example|home|home\.arpa|internal|intranet|invalid|lan|local|localdomain|onion|private|test)$/;

/** Why the service can't reach a host; undefined for a public one. */
function hostProblem(hostname: string): string | undefined {
  const host = hostname.replace(/\.+$/, '');
  const kind = isLoopbackName(host) ? 'loopback' : classifyAddress(host);
  if (kind === 'public') return undefined;
  if (kind !== 'invalid') return `points to a ${kind} address (${hostname})`;
  if (host.split('.').includes('')) return `has a broken host name (${hostname})`;
  const suffix = PRIVATE_NAME.exec(host)?.[1];
  if (suffix !== undefined) return `points to a private name (.${suffix})`;
  return host.includes('.') ? undefined : `points to a name of the local network (${host})`;
}

/** WHATWG parsing forgives missing slashes and backslashes; what is sent must read the same to any parser. */
function parseStrictly(text: string): URL | undefined {
  const isStrict = /^[a-z][a-z0-9+.-]*:\/\/[^/\\]/i.test(text) && !text.includes('\\');
  return isStrict ? parseUrl(text) : undefined;
}

/**
 * Says what keeps the service from reaching a URL, or undefined for a URL that it may reach: absolute, of an allowed
 * scheme, without white space and user name, its host neither private nor otherwise special in whatever notation
 * (decimal, octal, hexadecimal, short, IPv4 inside IPv6, trailing dot). Names are not resolved.
 */
export function publicUrlProblem(text: string, options: PublicUrlOptions): string | undefined {
  const expected = `must be a full ${options.schemes.map((scheme) => `${scheme}://`).join(' or ')} URL`;
  if (/[\s\p{Cc}]/u.test(text)) return `${expected} without spaces; write a space as %20`;
  const url = parseStrictly(text);
  if (url === undefined) return expected;
  const isAllowedLoopback =
    options.allowLoopback === true && isLoopbackHost(url.hostname.replace(/\.+$/, ''));
  const schemes: readonly string[] = isAllowedLoopback ? ['http', 'https'] : options.schemes;
  if (!schemes.includes(url.protocol.slice(0, -1))) return expected;
  if (url.username !== '' || url.password !== '') return 'must not hold a user name or password';
  const problem = isAllowedLoopback ? undefined : hostProblem(url.hostname);
  return problem && `${problem}; the service must be able to reach it over the public internet`;
}

/** The form to send: URLs with other than ASCII characters percent-encoded, all others as they were written. */
export function toAsciiUrl(text: string): string {
  return /^[\x21-\x7e]*$/.test(text) ? text : new URL(text).href;
}

/** An address without its user name and password, as any output may show it. */
export function hideUser(address: string): string {
  return address.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, '$1***@');
}

/** An address as others may see it: without its query, where signatures and tokens are, its fragment and a user name. */
export function redactAddress(address: string): string {
  return hideUser(address)
    .replace(/\?[^#]*/, '?***')
    .replace(/#.*/s, '');
}

/**
 * The body of a request as a report or a sidecar may show it. They become CI artefacts that others read: the queries of addresses,
 * where signatures and tokens are, and user names in them are hidden.
 */
export function redactRequest(body: WireBody): WireBody {
  const shown: Record<string, unknown> & WireBody = { ...body };
  for (const key of Object.keys(body)) if (key !== 'prompt') shown[key] = withoutSecrets(shown[key]);
  return shown;
}

/** An object as others may see it: its addresses without queries and user names, wherever they stand in it. */
export function redactAddresses(values: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).map(([key, inner]) => [key, withoutSecrets(inner)]));
}

/** Addresses anywhere in a value: fields that this version does not know may hold some too. */
function withoutSecrets(value: unknown): unknown {
  if (typeof value === 'string') return /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? redactAddress(value) : value;
  if (Array.isArray(value)) return value.map(withoutSecrets);
  return typeof value === 'object' && value !== null ? redactAddresses(value) : value;
}

/** Whether an address is what `redactAddress` has left of one. */
export function isRedacted(address: string): boolean {
  return address.endsWith('?***') || /^[a-z][a-z0-9+.-]*:\/\/\*\*\*@/i.test(address);
}
