import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AskedRange, planBody } from '../../../src/download/fetch.ts';

type Headers = Record<string, string | undefined>;
const NOW_MS = Date.UTC(2026, 10, 21, 10);

/** The plan, or the facts of what it throws. */
function planOf(asked: AskedRange, status: number, headers: Headers): unknown {
  try {
    return planBody(asked, { status, headers }, NOW_MS);
  } catch (error) {
    return error;
  }
}

describe('what is done with an answer', () => {
  const resume: AskedRange = { offsetBytes: 100, validator: '"a"', totalBytes: 300 };
  const fresh: AskedRange = { offsetBytes: 0 };
  const good = { etag: '"a"', 'content-range': 'bytes 100-299/300', 'content-length': '200' };
  const at = (offsetBytes: number, totalBytes?: number) => ({ offsetBytes, validator: '"a"', totalBytes });
  const all = { 'content-range': 'bytes */300' };
  const whole = { 'content-length': '300', etag: '"a"' };
  const modified = 'Fri, 20 Nov 2026 10:00:00 GMT';
  const dated = (date: string) => ({ 'last-modified': modified, date });
  const because = (words: string) => ({ startBytes: 0, reason: expect.stringContaining(words) });
  const part = { 'content-range': 'bytes 100-149/300', 'content-length': '50' };
  const of = (validator: string | undefined) => ({ startBytes: 0, validator });
  const again = { name: 'Interruption', facts: { isDistrusted: true } };
  const dead = { name: 'Interruption', facts: { isLinkDead: true } };
  const later = (retryAfterMs?: number) => ({ name: 'Interruption', facts: { retryAfterMs } });
  const failed = { name: 'Interruption', facts: { obstacle: 'protocol' } };

  it.each<[string, AskedRange, number, Headers, object | 'complete']>([
    ['200', fresh, 200, whole, { startBytes: 0, endBytes: 300, totalBytes: 300, validator: '"a"' }],
    ['200, weak tag', fresh, 200, { etag: 'W/"a"', 'last-modified': modified }, of(undefined)],
    ['200, no sound tag', fresh, 200, { etag: 'abc' }, of(undefined)],
    ['200, date far back', fresh, 200, dated('Sat, 21 Nov 2026 10:00:00 GMT'), of(modified)],
    ['200, date just now', fresh, 200, dated('Fri, 20 Nov 2026 10:00:59 GMT'), of(undefined)],
    ['200, date alone', fresh, 200, { 'last-modified': modified }, of(undefined)],
    ['200, no length', fresh, 200, {}, { startBytes: 0, totalBytes: undefined }],
    [
      '200, gzip',
      fresh,
      200,
      { ...whole, 'content-encoding': 'GZIP' },
      { startBytes: 0, endBytes: undefined },
    ],
    ['200, unknown coding', fresh, 200, { 'content-encoding': 'zstd' }, failed],
    ['200, identity', fresh, 200, { ...whole, 'content-encoding': 'identity' }, of('"a"')],
    ['200 for a range, same tag', resume, 200, { etag: '"a"' }, because('does not continue')],
    ['200 for a range, other tag', resume, 200, { etag: '"b"' }, because('has changed')],
    ['206', resume, 206, good, { startBytes: 100, endBytes: 300, totalBytes: 300 }],
    ['206, shorter', resume, 206, { ...good, ...part }, { startBytes: 100, endBytes: 150 }],
    ['206, length contradicts', resume, 206, { ...good, 'content-length': '199' }, again],
    ['206, other start', resume, 206, { ...good, 'content-range': 'bytes 0-299/300' }, again],
    ['206, other total', resume, 206, { ...good, 'content-range': 'bytes 100-299/301' }, again],
    ['206, unknown total', resume, 206, { ...good, 'content-range': 'bytes 100-299/*' }, again],
    ['206, no range', resume, 206, { ...good, 'content-range': undefined }, again],
    ['206, other tag', resume, 206, { ...good, etag: '"b"' }, again],
    ['206, no tag', resume, 206, { ...good, etag: undefined }, again],
    ['206, multipart', resume, 206, { ...good, 'content-type': 'multipart/byteranges; boundary=x' }, again],
    ['206, coded', resume, 206, { ...good, 'content-encoding': 'br' }, again],
    ['206 unasked', fresh, 206, good, again],
    ['416, all is here', at(300, 300), 416, { ...all, etag: '"a"' }, 'complete'],
    ['416, all is here, total unknown until now', at(300), 416, all, 'complete'],
    ['416, other tag', at(300, 300), 416, { ...all, etag: '"b"' }, again],
    ['416, more here than there', at(301), 416, all, again],
    ['416, says nothing', resume, 416, {}, again],
    ['416 unasked', fresh, 416, {}, again],
    ['401', resume, 401, {}, dead],
    ['403', resume, 403, {}, dead],
    ['404', resume, 404, {}, dead],
    ['410', resume, 410, {}, dead],
    ['408', fresh, 408, {}, later(undefined)],
    ['429', fresh, 429, { 'retry-after': '3' }, later(3_000)],
    ['503', fresh, 503, { 'retry-after': 'Sat, 21 Nov 2026 10:00:05 GMT' }, later(5_000)],
    ['204', fresh, 204, {}, failed],
    ['302', fresh, 302, {}, failed],
    ['400', fresh, 400, {}, failed],
  ])('%s', (_, asked, status, headers, action) => {
    const plan = planOf(asked, status, headers);
    if (action === 'complete') expect(plan).toBe(action);
    else expect(plan).toMatchObject(action);
  });

  it('appends only under the very version that was asked for', () => {
    const values = fc.constantFrom('"a"', '"b"', 'bytes 100-299/300', '200', 'gzip');
    const header = fc.option(fc.oneof(fc.string(), values), { nil: undefined });
    fc.assert(
      fc.property(
        fc.integer({ min: 200, max: 599 }),
        header,
        header,
        header,
        (status, etag, contentRange, length) => {
          const headers = { etag, 'content-range': contentRange, 'content-length': length };
          const plan = planOf(resume, status, headers);
          if (plan instanceof Object && 'startBytes' in plan && plan.startBytes !== 0)
            expect([status, etag, contentRange]).toEqual([206, '"a"', 'bytes 100-299/300']);
        },
      ),
    );
  });
});
