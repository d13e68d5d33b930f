import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createHeadScanner } from '../../../src/api/head-scanner.ts';

const HEAD = 'HTTP/1.1 200 OK\r\nx: \r\r\n\ty\r\n\r\n';

test('the end of a head is found wherever the reads are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(HEAD.length + 6), { maxLength: 6 }),
      fc.string({ maxLength: 6 }),
      (cuts, body) => {
        const bytes = Buffer.from(`${HEAD}${body}`);
        const scanner = createHeadScanner();
        const edges = [...new Set([0, ...cuts.filter((cut) => cut < bytes.length), bytes.length])].sort(
          (a, b) => a - b,
        );
        let headBytes = 0;
        for (const [index, start] of edges.slice(0, -1).entries()) {
          const scan = scanner.scan(bytes.subarray(start, edges[index + 1]));
          headBytes += scan.headBytes;
          if (scan.isEnd) break;
        }
        expect(headBytes).toBe(HEAD.length);
      },
    ),
  );
});

test('after one head the next is looked for: an empty line is not made of two messages', () => {
  const scanner = createHeadScanner();
  expect(scanner.scan(Buffer.from('a\r\n\r\n'))).toEqual({ headBytes: 5, isEnd: true });
  expect(scanner.scan(Buffer.from('\r\nb'))).toEqual({ headBytes: 3, isEnd: false });
});
