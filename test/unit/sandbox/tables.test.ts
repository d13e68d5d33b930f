import { expect, it } from 'vitest';
import { addressKind } from '../../../src/sandbox/http.ts';
import { chooseRange } from '../../../src/sandbox/links.ts';
import { findModel, reservedCredits } from '../../../src/sandbox/service-tables.ts';

const modelOf = (name: string) => {
  const model = findModel(`seedance-${name}-text-to-video`);
  if (model === undefined) throw new Error(`no model ${name}`);
  return model;
};

const WISH = { quality: '720p', duration: 5, content_filter: true };

it.each([
  ['5 s in 720p', '2.0', WISH, [], 67.5],
  ['10 s with a 5 s video', '2.0', { ...WISH, duration: 10 }, [5], 164.43],
  ['15 s in 4k', '2.0', { ...WISH, quality: '4k', duration: 15 }, [], 1032.75],
  ['more input than output', '2.0', WISH, [4, 8.05], 140.5877],
  ['unfiltered', '2.0', { ...WISH, content_filter: false }, [], 74.25],
  ['mini', '2.0-mini', { ...WISH, quality: '480p', duration: 4 }, [], 5.022],
  ['the least of 2.5', '2.5', { ...WISH, quality: '480p', duration: 3 }, [], 37.3674],
])('reserves credits: %s', (_, name, wish, inputSeconds, credits) => {
  expect(reservedCredits(modelOf(name), wish, inputSeconds)).toBe(credits);
});

it.each([
  ['public', 'https://example.com/ https://8.8.8.8/'],
  [
    'loopback',
    'http://127.9.9.9/ http://2130706433/ http://[::1]/ http://[::ffff:127.0.0.1]/ http://LOCALHOST./',
  ],
  [
    'private',
    'http://192.168.0.1/ http://169.254.169.254/ http://[fd00::1]/ http://0.0.0.0/ http://server/ http://db.internal/',
  ],
])('%s: %s', (kind, urls) => {
  for (const url of urls.split(' ')) expect([url, addressKind(new URL(url))]).toEqual([url, kind]);
});

it.each([
  [undefined, 'whole'],
  ['bytes=0-', { first: 0, last: 99 }],
  ['bytes=99-', { first: 99, last: 99 }],
  ['bytes=5-500', { first: 5, last: 99 }],
  ['bytes=-500', { first: 0, last: 99 }],
  ['bytes=100-', 'unsatisfiable'],
  ['bytes=-0', 'unsatisfiable'],
  ['bytes=9-5', 'whole'],
  ['bytes=-', 'whole'],
  ['bytes=1-2,3-4', 'whole'],
])('chooseRange: %s', (range, answer) => {
  expect(chooseRange(range === undefined ? {} : { range }, 100, ['"a"'])).toEqual(answer);
});
