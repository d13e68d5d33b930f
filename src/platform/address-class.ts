import { type LookupAddress, lookup as systemLookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';

/**
 * What an IP address is for. `benchmark` is 198.18.0.0/15: no host of the Internet lives there, but local tunnels
 * (VPN clients with "fake" name answers) map public names into it.
 */
export type AddressClass =
  | 'public'
  | 'loopback'
  | 'private'
  | 'link-local'
  | 'carrier-nat'
  | 'multicast'
  | 'benchmark'
  | 'reserved'
  | 'invalid';

const BENCHMARK = '198.18.0.0/15';
/** Serves a cloud's hosts with metadata and keys, on an address of a public range (Azure). */
const CLOUD_HOST_ADDRESSES = new Set(['168.63.129.16']);
/** All global unicast addresses that IANA has given out lie here; ipaddr.js calls the unassigned rest `unicast` too. */
const GLOBAL_V6 = '2000::/3';

const CLASSES: Readonly<Record<string, AddressClass>> = {
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
};

/**
 * Classifies an IP address as written (IPv4 dotted, IPv6 with or without brackets and zone). Addresses that carry an
 * IPv4 address inside (mapped, translated by NAT64, 6to4) count as that one.
 */
export function classifyAddress(address: string): AddressClass {
  const text = address.replace(/^\[|\]$/g, '');
  // Most are names: the library is loaded for addresses only.
  if (!/^[\d.]+$|:/.test(text)) return 'invalid';
  // Four plain decimal parts only: `0177.1` and the like mean different hosts to different readers.
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return classifyV4(ipaddr.IPv4.parse(text));
  if (!ipaddr.IPv6.isValid(text)) return 'invalid';
  return classifyV6(ipaddr.IPv6.parse(text));
}

/** True for `localhost` and names below it (RFC 6761 §6.3), which a connection must hold to with `pinnedLookup`. */
export function isLoopbackName(hostname: string): boolean {
  return /(?:^|\.)localhost\.?$/i.test(hostname);
}

/** True for names and addresses of this machine. */
export function isLoopbackHost(hostname: string): boolean {
  return isLoopbackName(hostname) || classifyAddress(hostname) === 'loopback';
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

function classifyV4(address: ipaddr.IPv4): AddressClass {
  if (address.match(ipaddr.IPv4.parseCIDR(BENCHMARK))) return 'benchmark';
  if (CLOUD_HOST_ADDRESSES.has(address.toString())) return 'link-local';
  return CLASSES[address.range()] ?? 'reserved';
}

function classifyV6(address: ipaddr.IPv6): AddressClass {
  const range = address.range();
  const inner = embeddedV4(address, range);
  if (inner !== undefined) return classifyV4(inner);
  if (range === 'unicast' && !address.match(ipaddr.IPv6.parseCIDR(GLOBAL_V6))) return 'reserved';
  return CLASSES[range] ?? 'reserved';
}

/** RFC 4291 §2.5.5.2 (mapped), RFC 6052 (NAT64), RFC 6145, RFC 3056 (6to4). */
function embeddedV4(address: ipaddr.IPv6, range: string): ipaddr.IPv4 | undefined {
  const bytes = address.toByteArray();
  if (range === 'ipv4Mapped' || range === 'rfc6145' || range === 'rfc6052')
    return new ipaddr.IPv4(bytes.slice(12));
  if (range === '6to4') return new ipaddr.IPv4(bytes.slice(2, 6));
  return undefined;
}
