import { EvolinkError } from '../errors.ts';
import { isLoopbackHost } from '../platform/address-class.ts';

/**
 * The address of an API without a slash at its end.
 * @throws EvolinkError `usage` for one that is not https (http on loopback), or has user name, query or fragment
 */
export function checkBaseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopbackHost(url.hostname));
  if (
    url === undefined ||
    !isSafe ||
    url.username !== '' ||
    url.password !== '' ||
    url.search !== '' ||
    url.hash !== ''
  ) {
    const shown = url === undefined ? '' : ` (${url.protocol}//${url.host})`;
    throw new EvolinkError(
      'usage',
      `the base URL of the API is not usable${shown}: it must be an https URL without user name, query or fragment`,
      {
        hint: 'see where it comes from: evolink config',
        charged: 'no',
      },
    );
  }
  return url.href.replace(/\/+$/, '');
}

/**
 * What a header can carry; a key from a file that holds more than the key would otherwise fail in the middle.
 * @throws EvolinkError `auth`
 */
export function checkKey(apiKey: string): void {
  if (/^[\x21-\x7e]{1,512}$/.test(apiKey)) return;
  throw new EvolinkError(
    'auth',
    'the API key is empty, too long, or holds white space or characters other than ASCII',
    {
      hint: 'copy it again from https://evolink.ai/dashboard/keys; see where it comes from: evolink config',
      charged: 'no',
    },
  );
}
