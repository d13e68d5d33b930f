import { expect, test } from 'vitest';
import { publicUrlProblem } from '../../../src/request/public-url.ts';

const HTTPS = { schemes: ['https'] } as const;

test.each([
  ['127.0.0.1', 'loopback'],
  ['127.1', 'loopback'],
  ['2130706433', 'loopback'],
  ['0x7f.0.0.1', 'loopback'],
  ['127.0.0.1.', 'loopback'],
  ['１２７.0.0.1', 'loopback'],
  ['LOCALHOST', 'loopback'],
  ['api.localhost', 'loopback'],
  ['loc%61lhost', 'loopback'],
  ['[::1]', 'loopback'],
  ['[::ffff:127.0.0.1]', 'loopback'],
  ['[64:ff9b::127.0.0.1]', 'loopback'],
  ['0.0.0.0', 'reserved'],
  ['172.31.255.255', 'private'],
  ['0xc0a80001', 'private'],
  ['[fd00:ec2::254]', 'private'],
  ['0251.0376.0251.0376', 'link-local'],
  ['168.63.129.16', 'link-local'],
  ['100.64.0.1', 'carrier-nat'],
  ['[ff02::1]', 'multicast'],
  ['198.18.0.1', 'benchmark'],
  ['[2001:db8::1]', 'reserved'],
  ['[::127.0.0.1]', 'reserved'],
])('refuses %s as a %s address', (host, kind) => {
  expect(publicUrlProblem(`https://${host}/x`, HTTPS)).toContain(`points to a ${kind} address (`);
});

test.each([
  ['printer.local', '.local'],
  ['metadata.google.internal', '.internal'],
  ['router.home.arpa', '.home.arpa'],
  ['local', '.local'],
])('refuses the private name %s', (host, suffix) => {
  expect(publicUrlProblem(`https://${host}/x`, HTTPS)).toContain(`points to a private name (${suffix})`);
});

test('refuses names of the local network and broken names', () => {
  expect(publicUrlProblem('https://intern/x', HTTPS)).toContain(
    'points to a name of the local network (intern)',
  );
  expect(publicUrlProblem('https://a..com/x', HTTPS)).toContain('has a broken host name (a..com)');
});

test.each([
  'https://example.com/x',
  'https://8.8.8.8/',
  'https://[2606:4700::1111]/',
  'https://localhost.example.com/',
  'https://mylocal.com/',
  'https://10.0.0.1.example.com/',
  'https://한국.example.com/',
  'HTTPS://EXAMPLE.COM/',
])('takes %s', (url) => {
  expect(publicUrlProblem(url, HTTPS)).toBeUndefined();
});

test.each([
  'http://example.com',
  'https:example.com',
  'https:\\\\example.com',
  'https://example.com\\@127.0.0.1/',
  '//example.com',
  'example.com',
  'javascript:alert(1)',
  'https://[::1',
  'https://[fe80::1%25eth0]/',
  '',
])('needs a full URL, not %j', (url) => {
  expect(publicUrlProblem(url, HTTPS)).toBe('must be a full https:// URL');
});

test.each([
  'https://example.com/a b',
  'https://exa\nmple.com',
  'https://example.com/\u0000',
  'https://example.com/\u3000',
])('refuses white space in %j', (url) => {
  expect(publicUrlProblem(url, HTTPS)).toContain('without spaces');
});

test.each(['http://127.0.0.1:4010/', 'https://[::1]/', 'http://localhost:1/'])(
  'takes %s for an API on loopback',
  (url) => {
    expect(publicUrlProblem(url, { ...HTTPS, allowLoopback: true })).toBeUndefined();
  },
);

test('an API on loopback opens nothing but loopback', () => {
  const options = { ...HTTPS, allowLoopback: true };
  expect(publicUrlProblem('https://192.168.0.1/', options)).toContain('a private address');
  expect(publicUrlProblem('http://example.com/', options)).toBe('must be a full https:// URL');
  expect(publicUrlProblem('ftp://localhost/', options)).toBe('must be a full https:// URL');
});
