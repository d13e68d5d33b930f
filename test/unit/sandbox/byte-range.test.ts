import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseRange } from '../../../src/sandbox/link-server.ts';

const BASE = {
  ifRange: undefined,
  sizeBytes: 100,
  etag: '"a"',
  lastModified: 'Sat, 21 Nov 2026 09:00:00 GMT',
};

describe('chooseRange', () => {
  it.each([
    [undefined, { kind: 'whole' }],
    ['bytes=0-', { kind: 'part', first: 0, last: 99 }],
    ['bytes=99-', { kind: 'part', first: 99, last: 99 }],
    ['bytes=5-500', { kind: 'part', first: 5, last: 99 }],
    ['bytes=-500', { kind: 'part', first: 0, last: 99 }],
    ['bytes=100-', { kind: 'unsatisfiable' }],
    ['bytes=-0', { kind: 'unsatisfiable' }],
    ['bytes=9-5', { kind: 'whole' }],
    ['bytes=-', { kind: 'whole' }],
    ['bytes=1-2,3-4', { kind: 'whole' }],
  ])('%s', (range, answer) => {
    expect(chooseRange({ ...BASE, range })).toEqual(answer);
  });

  it.each([
    ['"a"', 'part'],
    ['"b"', 'whole'],
    ['W/"a"', 'whole'],
    [BASE.lastModified, 'part'],
    ['Sat, 21 Nov 2026 09:00:01 GMT', 'whole'],
  ])('If-Range %s: %s', (ifRange, kind) => {
    expect(chooseRange({ ...BASE, range: 'bytes=1-', ifRange }).kind).toBe(kind);
  });

  it('never matches a weak ETag', () => {
    expect(chooseRange({ ...BASE, etag: 'W/"a"', range: 'bytes=1-', ifRange: 'W/"a"' }).kind).toBe('whole');
  });

  it('stays inside the clip', () => {
    fc.assert(
      fc.property(fc.nat(300), fc.nat(300), fc.integer({ min: 1, max: 200 }), (first, last, sizeBytes) => {
        const answer = chooseRange({ ...BASE, sizeBytes, range: `bytes=${first}-${last}` });
        if (answer.kind === 'part') expect(answer.first <= answer.last && answer.last < sizeBytes).toBe(true);
      }),
    );
  });
});
