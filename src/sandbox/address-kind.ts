import { classifyAddress, isLoopbackHost } from '../platform/address-class.ts';

export type AddressKind = 'loopback' | 'private' | 'public';

/** Where the host of a URL lies, judged by its text alone: no name is ever looked up. */
export function addressKind(url: URL): AddressKind {
  const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  if (isLoopbackHost(host)) return 'loopback';
  const addressClass = classifyAddress(host);
  if (addressClass !== 'invalid') return addressClass === 'public' ? 'public' : 'private';
  const isPrivateName = !host.includes('.') || /\.(local|internal|invalid|test|lan|home\.arpa)$/.test(host);
  return isPrivateName ? 'private' : 'public';
}
