import { describe, expect, it } from 'vitest';
import { addressKind } from '../../../src/sandbox/http.ts';
import { chooseRange } from '../../../src/sandbox/links.ts';
import { findModel, realisticSeconds, reservedCredits } from '../../../src/sandbox/service-tables.ts';

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

it('takes as long as was seen for a 4 s clip in 480p, and at most 180 s', () => {
  const wish = { ...WISH, quality: '480p', duration: 4 };
  const seconds = ['2.0-mini', '2.0-fast', '2.0'].map((name) => realisticSeconds(modelOf(name), wish, 0.5));
  expect(seconds.map(Math.round)).toEqual([109, 113, 156]);
  expect(realisticSeconds(modelOf('2.0'), { ...wish, quality: '4k', duration: 15 }, 0.5)).toBe(180);
});

it.each([
  ['https://example.com/', 'public'],
  ['https://8.8.8.8/', 'public'],
  ['http://127.9.9.9/', 'loopback'],
  ['http://2130706433/', 'loopback'],
  ['http://[::1]/', 'loopback'],
  ['http://[::ffff:127.0.0.1]/', 'loopback'],
  ['http://LOCALHOST./', 'loopback'],
  ['http://192.168.0.1/', 'private'],
  ['http://169.254.169.254/', 'private'],
  ['http://[fd00::1]/', 'private'],
  ['http://0.0.0.0/', 'private'],
  ['http://server/', 'private'],
  ['http://db.internal/', 'private'],
])('%s is %s', (url, kind) => {
  expect(addressKind(new URL(url))).toBe(kind);
});

describe('chooseRange', () => {
  const DATE = 'Sat, 21 Nov 2026 09:00:00 GMT';

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
  ])('%s', (range, answer) => {
    expect(chooseRange(range === undefined ? {} : { range }, 100, ['"a"', DATE])).toEqual(answer);
  });

  it.each([
    ['"a"', '"a"', 'part'],
    ['"b"', '"a"', 'whole'],
    ['W/"a"', 'W/"a"', 'whole'],
    [DATE, '"a"', 'part'],
    ['Sat, 21 Nov 2026 09:00:01 GMT', '"a"', 'whole'],
  ])('If-Range %s against %s: %s', (ifRange, etag, kind) => {
    const answer = chooseRange({ range: 'bytes=1-', 'if-range': ifRange }, 100, [etag, DATE]);
    expect(answer).toEqual(kind === 'whole' ? kind : { first: 1, last: 99 });
  });
});
