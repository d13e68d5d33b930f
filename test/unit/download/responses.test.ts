import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AskedRange,
  decideResponse,
  parseContentRange,
  readValidator,
} from '../../../src/download/response.ts';

describe('parseContentRange', () => {
  it.each([
    ['bytes 0-9/20', { span: { first: 0, last: 9 }, totalBytes: 20 }],
    ['BYTES 5-5/6', { span: { first: 5, last: 5 }, totalBytes: 6 }],
    ['bytes 0-9/*', { span: { first: 0, last: 9 }, totalBytes: undefined }],
    ['bytes */20', { totalBytes: 20 }],
    ['bytes 9-0/20', undefined],
    ['bytes 0-20/20', undefined],
    ['bytes */*', undefined],
    ['items 0-9/20', undefined],
    ['bytes 0-9', undefined],
    ['bytes -1-9/20', undefined],
    ['bytes 0-9/20, bytes 0-9/20', undefined],
    ['bytes 0-9999999999999999/*', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%j', (value, range) => {
    expect(parseContentRange(value)).toEqual(range);
  });

  it('round trip', () => {
    const number = fc.nat(2 ** 31);
    fc.assert(
      fc.property(number, number, number, (first, more, rest) => {
        const last = first + more;
        const totalBytes = last + 1 + rest;
        expect(parseContentRange(`bytes ${first}-${last}/${totalBytes}`)).toEqual({
          span: { first, last },
          totalBytes,
        });
      }),
    );
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => void parseContentRange(`bytes ${value}`)),
    );
  });
});

describe('validators', () => {
  const modified = 'Fri, 20 Nov 2026 10:00:00 GMT';
  it.each([
    [{ etag: '"a"', 'last-modified': modified }, '"a"'],
    [{ etag: 'W/"a"', 'last-modified': modified, date: 'Sat, 21 Nov 2026 10:00:00 GMT' }, undefined],
    [{ 'last-modified': modified, date: 'Sat, 21 Nov 2026 10:00:00 GMT' }, modified],
    [{ 'last-modified': modified, date: 'Fri, 20 Nov 2026 10:00:59 GMT' }, undefined],
    [{ 'last-modified': modified }, undefined],
    [{ 'last-modified': 'yesterday', date: modified }, undefined],
    [{ etag: '""' }, '""'],
    [{ etag: 'abc' }, undefined],
    [{ etag: '"a"b"' }, undefined],
    [{}, undefined],
  ])('%j → %j', (headers, validator) => {
    expect(readValidator(headers)).toBe(validator);
  });
});

describe('decideResponse', () => {
  const resume: AskedRange = { offsetBytes: 100, validator: '"a"', totalBytes: 300 };
  const fresh: AskedRange = { offsetBytes: 0 };
  const good = { etag: '"a"', 'content-range': 'bytes 100-299/300', 'content-length': '200' };
  type Headers = Record<string, string | undefined>;

  const at = (offsetBytes: number, totalBytes?: number) => ({ offsetBytes, validator: '"a"', totalBytes });
  const all = { 'content-range': 'bytes */300' };
  const append = { kind: 'append', lengthBytes: 200, totalBytes: 300 };
  const whole = { 'content-length': '300', etag: '"a"' };
  const changed = { kind: 'whole', reason: 'the file has changed on the host' };
  const alone = { kind: 'whole', reason: 'the host does not continue downloads' };
  const part = { 'content-range': 'bytes 100-149/300', 'content-length': '50' };
  const again = { kind: 'ask-again' };
  const retry = { kind: 'retry' };

  it.each<[string, AskedRange, number, Headers, object]>([
    ['200', fresh, 200, whole, { kind: 'whole', totalBytes: 300, validator: '"a"' }],
    ['200, weak tag', fresh, 200, { ...whole, etag: 'W/"a"' }, { kind: 'whole', validator: undefined }],
    ['200, no length', fresh, 200, {}, { kind: 'whole', totalBytes: undefined }],
    ['200, absurd length', fresh, 200, { 'content-length': '-5' }, retry],
    ['200, gzip', fresh, 200, { ...whole, 'content-encoding': 'GZIP' }, { kind: 'whole' }],
    ['200, unknown coding', fresh, 200, { 'content-encoding': 'zstd' }, { kind: 'fail' }],
    ['200, identity', fresh, 200, { ...whole, 'content-encoding': 'identity' }, { validator: '"a"' }],
    ['200 for a range, same tag', resume, 200, { etag: '"a"' }, alone],
    ['200 for a range, other tag', resume, 200, { etag: '"b"' }, changed],
    ['206', resume, 206, good, append],
    ['206, shorter', resume, 206, { ...good, ...part }, { kind: 'append', lengthBytes: 50 }],
    ['206, length contradicts', resume, 206, { ...good, 'content-length': '199' }, again],
    ['206, other start', resume, 206, { ...good, 'content-range': 'bytes 0-299/300' }, again],
    ['206, other total', resume, 206, { ...good, 'content-range': 'bytes 100-299/301' }, again],
    ['206, unknown total', resume, 206, { ...good, 'content-range': 'bytes 100-299/*' }, again],
    ['206, no range', resume, 206, { ...good, 'content-range': undefined }, again],
    ['206, other tag', resume, 206, { ...good, etag: '"b"' }, again],
    ['206, no tag', resume, 206, { ...good, etag: undefined }, again],
    ['206, weak tag', resume, 206, { ...good, etag: 'W/"a"' }, again],
    ['206, multipart', resume, 206, { ...good, 'content-type': 'multipart/byteranges; boundary=x' }, again],
    ['206, coded', resume, 206, { ...good, 'content-encoding': 'br' }, again],
    ['206 unasked', fresh, 206, good, retry],
    ['416, all is here', at(300, 300), 416, { ...all, etag: '"a"' }, { kind: 'complete' }],
    ['416, all is here, total unknown until now', at(300), 416, all, { kind: 'complete' }],
    ['416, other tag', at(300, 300), 416, { ...all, etag: '"b"' }, again],
    ['416, more here than there', at(301), 416, all, again],
    ['416, other total', resume, 416, { 'content-range': 'bytes */100' }, again],
    ['416, says nothing', resume, 416, {}, again],
    ['416 unasked', fresh, 416, {}, retry],
    ...[401, 403, 404, 410].map((status): [string, AskedRange, number, Headers, object] => [
      `${status}`,
      resume,
      status,
      {},
      { kind: 'expired', reason: `the host answered ${status}` },
    ]),
    ['408', fresh, 408, {}, { kind: 'retry', retryAfterMs: undefined }],
    ['429', fresh, 429, { 'retry-after': '3' }, { kind: 'retry', retryAfterMs: 3_000 }],
    ['503', fresh, 503, { 'retry-after': 'Sat, 21 Nov 2026 10:00:05 GMT' }, { retryAfterMs: 5_000 }],
    ['599', fresh, 599, {}, retry],
    ['204', fresh, 204, {}, { kind: 'fail', reason: 'the host answered 204' }],
    ['302', fresh, 302, {}, { kind: 'fail' }],
    ['400', fresh, 400, {}, { kind: 'fail' }],
  ])('%s', (_, asked, status, headers, action) => {
    expect(decideResponse(asked, { status, headers }, Date.UTC(2026, 10, 21, 10))).toMatchObject(action);
  });

  it('appends only under the very version that was asked for', () => {
    const header = fc.option(
      fc.oneof(fc.string(), fc.constantFrom('"a"', '"b"', 'bytes 100-299/300', '200', 'gzip')),
      { nil: undefined },
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 200, max: 599 }),
        header,
        header,
        header,
        (status, etag, contentRange, length) => {
          const headers = { etag, 'content-range': contentRange, 'content-length': length };
          const action = decideResponse(resume, { status, headers }, 0);
          if (action.kind === 'append')
            expect([status, etag, contentRange]).toEqual([206, '"a"', 'bytes 100-299/300']);
        },
      ),
    );
  });
});
