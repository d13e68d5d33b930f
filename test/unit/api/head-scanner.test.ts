import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createHeadScanner } from '../../../src/api/body-tap.ts';

const HEADS = ['HTTP/1.1 103 Early\r\n\r\n', '\r\n\r\n', 'HTTP/1.1 200 OK\r\nx: \r\r\n\ty\r\n\r\n'];

test('the ends of heads are found wherever the reads are cut', () => {
  const bytes = Buffer.from(`${HEADS.join('')}\r\r\n\r body`);
  const ends = HEADS.map((_, index) => HEADS.slice(0, index + 1).join('').length);
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 12 }), (cuts) => {
      const scanner = createHeadScanner();
      const edges = [...new Set([0, ...cuts, bytes.length])].sort((a, b) => a - b);
      const found: number[] = [];
      for (const [index, start] of edges.slice(0, -1).entries()) {
        const read = bytes.subarray(start, edges[index + 1]);
        for (let offset: number | undefined = 0; offset !== undefined && offset < read.length; ) {
          offset = scanner.findEnd(read, offset);
          if (offset !== undefined) found.push(start + offset);
        }
      }
      expect(found).toEqual(ends);
    }),
    { numRuns: 2_000 },
  );
});

test('after one head the next is looked for: an empty line is not made of two messages', () => {
  const scanner = createHeadScanner();
  expect(scanner.findEnd(Buffer.from('a\r\n\r\n'), 0)).toBe(5);
  expect(scanner.findEnd(Buffer.from('\r\nb'), 0)).toBeUndefined();
});
