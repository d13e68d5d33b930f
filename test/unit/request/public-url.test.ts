import { expect, test } from 'vitest';
import { publicUrlProblem } from '../../../src/request/public-url.ts';

const HTTPS = { schemes: ['https'] } as const;

test.each([
  ['127.0.0.1', 'a loopback'],
  ['127.255.255.254', 'a loopback'],
  ['127.1', 'a loopback'],
  ['2130706433', 'a loopback'],
  ['017700000001', 'a loopback'],
  ['0x7f000001', 'a loopback'],
  ['0x7f.0.0.1', 'a loopback'],
  ['127.0.0.1.', 'a loopback'],
  ['１２７.0.0.1', 'a loopback'],
  ['127.0.0.1..', 'a loopback'],
  ['localhost', 'a loopback'],
  ['LOCALHOST', 'a loopback'],
  ['localhost.', 'a loopback'],
  ['api.localhost', 'a loopback'],
  ['loc%61lhost', 'a loopback'],
  ['[::1]', 'a loopback'],
  ['[0:0:0:0:0:0:0:1]', 'a loopback'],
  ['0', 'an unspecified'],
  ['0.0.0.0', 'an unspecified'],
  ['0.1.2.3', 'an unspecified'],
  ['[::]', 'an unspecified'],
  ['10.0.0.1', 'a private'],
  ['172.16.0.1', 'a private'],
  ['172.31.255.255', 'a private'],
  ['192.168.0.1', 'a private'],
  ['0xc0a80001', 'a private'],
  ['192.168.257', 'a private'],
  ['[fd00:ec2::254]', 'a private'],
  ['[fec0::1]', 'a private'],
  ['169.254.169.254', 'a link-local'],
  ['0251.0376.0251.0376', 'a link-local'],
  ['[fe80::1]', 'a link-local'],
  ['100.64.0.1', 'a carrier-grade NAT'],
  ['100.100.100.200', 'a carrier-grade NAT'],
  ['224.0.0.1', 'a multicast'],
  ['[ff02::1]', 'a multicast'],
  ['255.255.255.255', 'a broadcast'],
  ['192.0.2.1', 'a reserved'],
  ['198.51.100.7', 'a reserved'],
  ['203.0.113.7', 'a reserved'],
  ['198.18.0.1', 'a reserved'],
  ['192.0.0.192', 'a reserved'],
  ['240.0.0.1', 'a reserved'],
  ['168.63.129.16', 'a reserved'],
  ['[2001:db8::1]', 'a reserved'],
  ['[::ffff:127.0.0.1]', 'a reserved'],
  ['[::ffff:a00:1]', 'a reserved'],
  ['[::127.0.0.1]', 'a reserved'],
  ['[::a00:1]', 'a reserved'],
  ['[64:ff9b::127.0.0.1]', 'a reserved'],
  ['[64:ff9b:1::a00:1]', 'a reserved'],
  ['[2002:7f00:1::]', 'a reserved'],
  ['[2001:0:1::1]', 'a reserved'],
  ['[100::1]', 'a reserved'],
])('refuses %s as %s address', (host, kind) => {
  expect(publicUrlProblem(`https://${host}/x`, HTTPS)).toContain(`points to ${kind} address (`);
});

test.each([
  ['printer.local', '.local'],
  ['metadata.google.internal', '.internal'],
  ['metadata.google.internal.', '.internal'],
  ['router.home.arpa', '.home.arpa'],
  ['nas.lan', '.lan'],
  ['a.test', '.test'],
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
  'https://example.com:8443/x?y=z#f',
  'https://8.8.8.8/',
  'https://[2606:4700::1111]/',
  'https://172.32.0.1/',
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
  'https:/example.com',
  'https:///example.com',
  'https:\\\\example.com',
  'https://example.com\\@127.0.0.1/',
  '//example.com',
  'example.com',
  'javascript:alert(1)',
  'https://256.1.1.1/',
  'https://[::1',
  'https://[fe80::1%25eth0]/',
  '',
])('needs a full URL, not %j', (url) => {
  expect(publicUrlProblem(url, HTTPS)).toBe('must be a full https:// URL');
});

test.each([
  'https://example.com/a b',
  ' https://example.com',
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
