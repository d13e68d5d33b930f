import ipaddr from 'ipaddr.js';
import { EvolinkError } from '../errors.ts';
import { isLoopbackHost } from '../platform/address-class.ts';

/** One entry of `NO_PROXY`. */
interface NoProxyRule {
  /** Lower case, without a leading `*` or `.`; `*` alone stands for every host. */
  readonly host: string;
  readonly port?: string | undefined;
}

export interface ProxySettings {
  readonly forHttps?: URL | undefined;
  readonly forHttp?: URL | undefined;
  readonly noProxy: readonly NoProxyRule[];
  /** Loopback goes direct unless this is set: a proxy's loopback is another machine. */
  readonly shouldProxyLoopback?: boolean | undefined;
}

export const NO_PROXIES: ProxySettings = { noProxy: [] };

/**
 * Reads the conventional variables; the lower-case form wins, an empty value counts as absent. (`proxy-from-env` reads
 * the process itself, and matches plain names only exactly where curl, Go and Python include sub-domains.)
 * @throws EvolinkError `usage` for a value that is no http(s) proxy URL; its user and password are never shown.
 */
export function readProxySettings(env: Readonly<Record<string, string | undefined>>): ProxySettings {
  const read = (name: string) => {
    const source = env[name.toLowerCase()] ? name.toLowerCase() : name;
    const value = env[source]?.trim();
    return value ? { source, value } : undefined;
  };
  const https = read('HTTPS_PROXY');
  const http = read('HTTP_PROXY');
  return {
    forHttps: https && parseProxyUrl(https.value, https.source),
    forHttp: http && parseProxyUrl(http.value, http.source),
    noProxy: parseNoProxy(read('NO_PROXY')?.value ?? ''),
  };
}

/** The proxy to use for a URL, or `undefined` for a direct connection. */
export function proxyFor(url: URL, settings: ProxySettings): URL | undefined {
  const proxy = url.protocol === 'https:' ? settings.forHttps : settings.forHttp;
  if (proxy === undefined) return undefined;
  const host = bareHost(url);
  if (isLoopbackHost(host) && settings.shouldProxyLoopback !== true) return undefined;
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  const isExempt = settings.noProxy.some(
    (rule) => (rule.port === undefined || rule.port === port) && matchesHost(rule.host, host),
  );
  return isExempt ? undefined : proxy;
}

/** Host and port of a proxy, without its credentials. */
export function proxyName(proxy: URL): string {
  return `${proxy.hostname}:${proxy.port || (proxy.protocol === 'https:' ? '443' : '80')}`;
}

function parseProxyUrl(value: string, source: string): URL {
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`;
  let url: URL | undefined;
  try {
    url = new URL(text);
    // The agent decodes them when it connects, where a bad escape could no longer be explained.
    for (const part of [url.username, url.password]) decodeURIComponent(part);
  } catch {
    throw badProxy(source, value);
  }
  if ((url.protocol !== 'http:' && url.protocol !== 'https:') || url.hostname === '')
    throw badProxy(source, value);
  return url;
}

function badProxy(source: string, value: string): EvolinkError {
  // Everything up to the last @ may be a password.
  const shown = value.replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/is, '$1***@').slice(0, 200);
  return new EvolinkError('usage', `${source} is not a proxy that evolink can use: "${shown}"`, {
    hint: `write it as ${source}=http://host:port or https://host:port, or unset it`,
    charged: 'no',
  });
}

function parseNoProxy(value: string): NoProxyRule[] {
  return value
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .map((entry) => {
      const match = /^(\[[^\]]+\]|[^:]+):(\d+)$/.exec(entry);
      const host = (match?.[1] ?? entry).replace(/^\[|\]$/g, '').replace(/\.$/, '');
      return { host: host === '*' ? host : host.replace(/^\*?\./, ''), port: match?.[2] };
    });
}

function matchesHost(rule: string, host: string): boolean {
  if (rule === '*' || rule === host || host.endsWith(`.${rule}`)) return true;
  return rule.includes('/') && ipaddr.isValid(host) && isInRange(host, rule);
}

function isInRange(address: string, range: string): boolean {
  try {
    const parsed = ipaddr.process(address);
    const [network, bits] = ipaddr.parseCIDR(range);
    return parsed.kind() === network.kind() && parsed.match(network, bits);
  } catch {
    return false;
  }
}

function bareHost(url: URL): string {
  return url.hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
}
