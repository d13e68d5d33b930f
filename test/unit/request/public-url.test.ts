import { expect, test } from 'vitest';
import { publicUrlProblem } from '../../../src/request/public-url.ts';

const HTTPS = { schemes: ['https'] } as const;

// biome-ignore format: one row a kind
const POINTS: Readonly<Record<string, string>> = {
  'a loopback address': '127.0.0.1 127.1 2130706433 0x7f.0.0.1 127.0.0.1. １２７.0.0.1 LOCALHOST api.localhost loc%61lhost [::1] [::ffff:127.0.0.1] [64:ff9b::127.0.0.1]',
  'a reserved address': '0.0.0.0 [2001:db8::1] [::127.0.0.1]',
  'a private address': '172.31.255.255 0xc0a80001 [fd00:ec2::254]',
  'a link-local address': '0251.0376.0251.0376 168.63.129.16',
  'a carrier-nat address': '100.64.0.1',
  'a multicast address': '[ff02::1]',
  'a benchmark address': '198.18.0.1',
  'a private name (.local)': 'printer.local local',
  'a private name (.internal)': 'metadata.google.internal',
  'a private name (.home.arpa)': 'router.home.arpa',
  'a name of the local network (intern)': 'intern',
};

test.each(Object.entries(POINTS).flatMap(([kind, hosts]) => hosts.split(' ').map((host) => [host, kind])))(
  'refuses %s, which points to %s',
  (host, kind) => {
    expect(publicUrlProblem(`https://${host}/x`, HTTPS)).toContain(`points to ${kind}`);
  },
);

const NO_URL = 'must be a full https:// URL';
// biome-ignore format: one row a problem
const OTHERS: Readonly<Record<string, readonly string[]>> = {
  'has a broken host name (a..com)': ['https://a..com/x'],
  [NO_URL]: ['http://example.com', 'https:example.com', 'https:\\\\example.com', '//example.com', 'example.com', '', 'https://example.com\\@127.0.0.1/', 'javascript:alert(1)', 'https://[::1', 'https://[fe80::1%25eth0]/'],
  [`${NO_URL} without spaces; write a space as %20`]: ['https://example.com/a b', 'https://exa\nmple.com', 'https://example.com/\u0000', 'https://example.com/\u3000'],
};

test.each(Object.entries(OTHERS).flatMap(([problem, urls]) => urls.map((url) => [url, problem])))(
  'refuses %j: %s',
  (url, problem) => {
    expect(publicUrlProblem(url, HTTPS)?.split('; the service')[0]).toBe(problem);
  },
);

test.each([
  ...['https://example.com/x', 'https://8.8.8.8/', 'https://[2606:4700::1111]/', 'HTTPS://EXAMPLE.COM/'],
  ...['https://localhost.example.com/', 'https://mylocal.com/', 'https://10.0.0.1.example.com/'],
  'https://한국.example.com/',
])('takes %s', (url) => {
  expect(publicUrlProblem(url, HTTPS)).toBeUndefined();
});

test.each([
  ['http://127.0.0.1:4010/', undefined],
  ['https://[::1]/', undefined],
  ['http://localhost:1/', undefined],
  ['https://192.168.0.1/', 'a private address'],
  ['http://example.com/', NO_URL],
  ['ftp://localhost/', NO_URL],
])('an API on loopback opens nothing but loopback: %s', (url, problem) => {
  const found = publicUrlProblem(url, { ...HTTPS, allowLoopback: true });
  if (problem === undefined) expect(found).toBeUndefined();
  else expect(found).toContain(problem);
});

test('letters beyond ASCII are taken in the last of thousands of URLs too', () => {
  const urls = Array.from({ length: 20_000 }, (_, index) => `https://example.com/${index}`);
  for (const url of [...urls, 'https://müller.de/x']) expect(publicUrlProblem(url, HTTPS)).toBeUndefined();
});
