import { type LookupAddress, lookup as systemLookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { parseUrl } from './text.ts';

/** What the ranges of ipaddr.js mean to us; every other one is reserved. */
const CLASSES = {
  unicast: 'public',
  as112: 'public',
  as112v6: 'public',
  amt: 'public',
  loopback: 'loopback',
  private: 'private',
  uniqueLocal: 'private',
  deprecatedSiteLocal: 'private',
  linkLocal: 'link-local',
  carrierGradeNat: 'carrier-nat',
  multicast: 'multicast',
} as const;

/**
 * What an IP address is for. `benchmark` is 198.18.0.0/15: no host of the Internet lives there, but local tunnels
 * (VPN clients with "fake" name answers) map public names into it.
 */
export type AddressClass = (typeof CLASSES)[keyof typeof CLASSES] | 'benchmark' | 'reserved' | 'invalid';

/** Where an IPv6 address carries an IPv4 one: mapped (RFC 4291 §2.5.5.2), translated (RFC 6145, RFC 6052), 6to4 (RFC 3056). */
const EMBEDDED: Readonly<Record<string, number>> = { ipv4Mapped: 12, rfc6145: 12, rfc6052: 12, '6to4': 2 };

/**
 * Classifies an IP address as written (IPv4 dotted, IPv6 with or without brackets and zone). Addresses that carry an
 * IPv4 address inside count as that one.
 */
export function classifyAddress(address: string): AddressClass {
  const text = address.replace(/^\[|\]$/g, '');
  // Most are names, or the sandbox: the library is loaded for other addresses only.
  if (!/^[\d.]+$|:/.test(text)) return 'invalid';
  if (text === '127.0.0.1') return 'loopback';
  // Four plain decimal parts only: `0177.1` and the like mean different hosts to different readers.
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return classOf(ipaddr.IPv4.parse(text));
  if (!ipaddr.IPv6.isValid(text)) return 'invalid';
  const v6 = ipaddr.IPv6.parse(text);
  const at = EMBEDDED[v6.range()];
  if (at !== undefined) return classOf(new ipaddr.IPv4(v6.toByteArray().slice(at, at + 4)));
  // All global unicast addresses that IANA has given out lie here; ipaddr.js calls the unassigned rest `unicast` too.
  const isAssigned = v6.range() !== 'unicast' || v6.match(ipaddr.IPv6.parseCIDR('2000::/3'));
  return isAssigned ? classOf(v6) : 'reserved';
}

function classOf(address: ipaddr.IPv4 | ipaddr.IPv6): AddressClass {
  if (address instanceof ipaddr.IPv4) {
    if (address.match(ipaddr.IPv4.parseCIDR('198.18.0.0/15'))) return 'benchmark';
    // Serves a cloud's hosts with metadata and keys, on an address of a public range (Azure).
    if (address.toString() === '168.63.129.16') return 'link-local';
  }
  const classes: Readonly<Record<string, AddressClass>> = CLASSES;
  return classes[address.range()] ?? 'reserved';
}

/** True for `localhost` and names below it (RFC 6761 §6.3), which a connection must hold to with `pinnedLookup`. */
export function isLoopbackName(hostname: string): boolean {
  return /(?:^|\.)localhost\.?$/i.test(hostname);
}

/** True for names and addresses of this machine. */
export function isLoopbackHost(hostname: string): boolean {
  return isLoopbackName(hostname) || classifyAddress(hostname) === 'loopback';
}

/** True for URLs of this machine; never for a text that is none. */
export function isLoopbackUrl(text: string): boolean {
  return isLoopbackHost(parseUrl(text)?.hostname ?? '');
}

/**
 * A name lookup that lets only fitting addresses through to the connection, so that the address that is checked is the
 * one that is used.
 */
export function pinnedLookup(
  isFitting: (kind: AddressClass) => boolean,
  resolver: LookupFunction = systemLookup,
  onRefused: (hostname: string, kind: AddressClass) => void = () => undefined,
): LookupFunction {
  return (hostname, options, callback) => {
    resolver(hostname, { ...options, all: true }, (error, answer, family) => {
      if (error) return callback(error, '', 0);
      const all: LookupAddress[] =
        typeof answer === 'string' ? [{ address: answer, family: family ?? isIP(answer) }] : answer;
      const fitting = all.filter(({ address }) => isFitting(classifyAddress(address)));
      const [first] = fitting;
      if (first === undefined) {
        onRefused(hostname, classifyAddress(all[0]?.address ?? ''));
        return callback(Object.assign(new Error('no address fits'), { code: 'ERR_ADDRESS_REFUSED' }), '', 0);
      }
      if (options.all === true) return callback(null, fitting);
      callback(null, first.address, first.family);
    });
  };
}
