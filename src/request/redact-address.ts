/** An address as others may see it: without its query, where signatures and tokens are, its fragment and a user name. */
export function redactAddress(address: string): string {
  return address
    .replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#@]*@/i, '$1***@')
    .replace(/\?[^#]*/, '?***')
    .replace(/#.*/s, '');
}
