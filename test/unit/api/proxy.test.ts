import { describe, expect, it } from 'vitest';
import { proxyFor, readProxySettings } from '../../../src/api/proxy.ts';

const use = (env: Record<string, string>, url: string) =>
  proxyFor(new URL(url), readProxySettings(env))?.href;

describe('which proxy', () => {
  it.each<[Record<string, string>, string, string | undefined]>([
    [{}, 'https://api.evolink.ai/', undefined],
    [{ HTTPS_PROXY: 'http://p:1' }, 'https://api.evolink.ai/', 'http://p:1/'],
    [{ HTTPS_PROXY: 'http://p:1', https_proxy: 'http://q:2' }, 'https://a.test/', 'http://q:2/'],
    [{ HTTPS_PROXY: 'http://p:1', https_proxy: '' }, 'https://a.test/', 'http://p:1/'],
    [{ HTTP_PROXY: 'http://p:1' }, 'https://a.test/', undefined],
    [{ HTTP_PROXY: 'http://p:1' }, 'http://a.test/', 'http://p:1/'],
    [{ HTTPS_PROXY: 'p:3128' }, 'https://a.test/', 'http://p:3128/'],
    [{ HTTPS_PROXY: 'user:pw@p:3128' }, 'https://a.test/', 'http://user:pw@p:3128/'],
    [{ HTTPS_PROXY: 'http://p', HTTP_PROXY: 'http://p' }, 'http://localhost:8080/', undefined],
    [{ HTTPS_PROXY: 'http://p', HTTP_PROXY: 'http://p' }, 'http://[::1]:80/', undefined],
  ])('%j for %s is %s', (env, url, expected) => {
    expect(use(env, url)).toBe(expected);
  });

  it.each<[string, string, boolean]>([
    ['a.test', 'https://a.test/', false],
    ['a.test', 'https://x.a.test/', false],
    ['a.test', 'https://ba.test/', true],
    ['.a.test', 'https://x.a.test/', false],
    ['*.a.test', 'https://x.a.test/', false],
    ['A.TEST', 'https://a.test/', false],
    ['a.test:8443', 'https://a.test/', true],
    ['a.test:443', 'https://a.test/', false],
    ['x, a.test', 'https://a.test/', false],
    ['x a.test', 'https://a.test./', false],
    ['*', 'https://anything.test/', false],
    ['10.0.0.0/8', 'https://10.1.2.3/', false],
    ['10.0.0.0/8', 'https://11.1.2.3/', true],
    ['10.0.0.0/99', 'https://10.1.2.3/', true],
    ['[2001:db8::1]:443', 'https://[2001:db8::1]/', false],
    [',,', 'https://a.test/', true],
  ])('NO_PROXY=%s for %s', (noProxy, url, isProxied) => {
    expect(use({ HTTPS_PROXY: 'http://p:1', no_proxy: noProxy }, url)).toBe(
      isProxied ? 'http://p:1/' : undefined,
    );
  });

  it.each([
    'socks5://u:s3cret@p:1',
    'http://u:s3cret@p:99999',
    'http://',
    '://u:s3cret@',
    'http://u:s3cret%zz@p:1',
    'u:s3cr@et@p:x',
  ])('refuses %s without its password', (value) => {
    const read = () => readProxySettings({ https_proxy: value });
    expect(read).toThrow(expect.objectContaining({ kind: 'usage', exit: 2 }));
    expect(read).toThrow('https_proxy is not a proxy');
    expect(read).not.toThrow(/s3cr|et@/);
  });
});
