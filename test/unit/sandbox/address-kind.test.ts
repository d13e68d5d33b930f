import { expect, it } from 'vitest';
import { addressKind } from '../../../src/sandbox/http.ts';

it.each([
  ['https://example.com/', 'public'],
  ['https://8.8.8.8/', 'public'],
  ['http://127.0.0.1:1/', 'loopback'],
  ['http://127.9.9.9/', 'loopback'],
  ['http://2130706433/', 'loopback'],
  ['http://[::1]/', 'loopback'],
  ['http://[::ffff:127.0.0.1]/', 'loopback'],
  ['http://LOCALHOST./', 'loopback'],
  ['http://a.localhost/', 'loopback'],
  ['http://10.1.2.3/', 'private'],
  ['http://172.16.0.1/', 'private'],
  ['http://192.168.0.1/', 'private'],
  ['http://169.254.169.254/', 'private'],
  ['http://[fe80::1]/', 'private'],
  ['http://[fd00::1]/', 'private'],
  ['http://0.0.0.0/', 'private'],
  ['http://server/', 'private'],
  ['http://db.internal/', 'private'],
])('%s is %s', (url, kind) => {
  expect(addressKind(new URL(url))).toBe(kind);
});
