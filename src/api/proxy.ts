import ipaddr from 'ipaddr.js';
import { inputError } from '../errors.ts';
import { isLoopbackHost } from '../platform/address-class.ts';

export interface ProxySettings {
  readonly forHttps?: URL | undefined;
  readonly forHttp?: URL | undefined;
  /** Entries of `NO_PROXY`, in lower case. */
  readonly noProxy: readonly string[];
  /** Loopback goes direct unless this is set: a proxy's loopback is another machine. */
  readonly shouldProxyLoopback?: boolean | undefined;
}

/**
 * Reads the conventional variables; the lower-case form wins, an empty value counts as absent. (`proxy-from-env` reads
 * the process itself, and matches plain names only exactly where curl, Go and Python include sub-domains.)
 * @throws EvolinkError `usage` for a value that is no http(s) proxy URL; its user and password are never shown.
 */
export function readProxySettings(env: Readonly<Record<string, string | undefined>>): ProxySettings {
  const read = (name: string): [source: string, value: string] => {
    const source = env[name.toLowerCase()] ? name.toLowerCase() : name;
    return [source, env[source]?.trim() ?? ''];
  };
  const [, exempt] = read('NO_PROXY');
  return {
    forHttps: parseProxyUrl(...read('HTTPS_PROXY')),
    forHttp: parseProxyUrl(...read('HTTP_PROXY')),
    noProxy: exempt
      .toLowerCase()
      .split(/[\s,]+/)
      .filter((entry) => entry !== ''),
  };
}

/** The proxy to use for a URL, or `undefined` for a direct connection. */
export function proxyFor(url: URL, settings: ProxySettings): URL | undefined {
  const proxy = url.protocol === 'https:' ? settings.forHttps : settings.forHttp;
  if (proxy === undefined) return undefined;
  const host = url.hostname.toLowerCase().replace(/^\[|\]$|\.$/g, '');
  if (isLoopbackHost(host) && settings.shouldProxyLoopback !== true) return undefined;
  const isExempt = settings.noProxy.some((rule) => isExemptBy(rule, host, portOf(url)));
  return isExempt ? undefined : proxy;
}

/** Where a connection goes, without credentials. */
export function hostAndPort(url: URL): string {
  return `${url.hostname}:${portOf(url)}`;
}

function portOf({ port, protocol }: URL): string {
  return port || (protocol === 'https:' ? '443' : '80');
}

function parseProxyUrl(source: string, value: string): URL | undefined {
  if (value === '') return undefined;
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`;
  try {
    const url = new URL(text);
    // The agent decodes them when it connects, where a bad escape could no longer be explained.
    for (const part of [url.username, url.password]) decodeURIComponent(part);
    if (/^https?:$/.test(url.protocol) && url.hostname !== '') return url;
  } catch {
    // Said below.
  }
  // Everything up to the last @ may be a password.
  const shown = value.replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/is, '$1***@').slice(0, 200);
  throw inputError(
    `${source} is not a proxy that evolink can use: "${shown}"`,
    `write it as ${source}=http://host:port or https://host:port, or unset it`,
  );
}

/** `*`, a name (with all below it), an address or a range of addresses; a port may follow. */
function isExemptBy(rule: string, host: string, port: string): boolean {
  const [, name = rule, only = port] = /^(\[[^\]]+\]|[^:]+):(\d+)$/.exec(rule) ?? [];
  const bare = name.replace(/^\[|\]$|\.$/g, '');
  const suffix = bare.replace(/^\*?\./, '');
  if (only !== port) return false;
  if (bare === '*' || suffix === host || host.endsWith(`.${suffix}`)) return true;
  if (!suffix.includes('/')) return false;
  try {
    const [network, bits] = ipaddr.parseCIDR(suffix);
    const address = ipaddr.process(host);
    return address.kind() === network.kind() && address.match(network, bits);
  } catch {
    return false;
  }
}
