import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createSpeedMeter, formatBytesLine, formatWaitLine } from '../../../src/ui/progress.ts';
import { displayWidth } from '../../../src/ui/table.ts';
import { createTheme } from '../../../src/ui/theme.ts';

const theme = createTheme({ isUnicode: false });
const WAIT = { status: 'processing', progressPercent: 45, elapsedMs: 65_000, remainingMs: 80_000 };
const BYTES = { receivedBytes: 3 * 1024 ** 2, totalBytes: 8 * 1024 ** 2, bytesPerSecond: 1024 ** 2 };

test.each([
  [80, 'processing 45% ##########------------- 1 min 5 s elapsed, about 1 min 20 s left'],
  [60, 'processing 45% #############--------------- 1 min 20 s left'],
  [40, 'processing 45% ####---- 1 min 20 s left'],
  [33, 'processing 45% 1 min 20 s left'],
  [20, 'processing 45%'],
  [10, 'proces...'],
  [1, ''],
])('a task on %d columns', (columns, line) => expect(formatWaitLine(WAIT, { columns, theme })).toBe(line));

test.each([
  [80, 'saving 37% ###########----------------- 3.0 MiB of 8.0 MiB, 1.0 MiB/s, 5 s left'],
  [40, 'saving 37% ###----- 1.0 MiB/s, 5 s left'],
  [26, 'saving 37% 5 s left'],
])('bytes on %d columns', (columns, line) => expect(formatBytesLine(BYTES, { columns, theme })).toBe(line));

test('without a total there is no share and no bar', () => {
  expect(formatBytesLine({ receivedBytes: 2048, bytesPerSecond: 1024 }, { columns: 80, theme })).toBe(
    'saving 2.0 KiB 1.0 KiB/s',
  );
});

test('a stalled download has no end to tell', () => {
  expect(formatBytesLine({ ...BYTES, bytesPerSecond: 0 }, { columns: 80, theme })).not.toContain('left');
});

test('a task that takes longer than expected says so instead of a time below zero', () => {
  expect(formatWaitLine({ ...WAIT, remainingMs: -5000 }, { columns: 90, theme })).toContain(
    'longer than expected',
  );
});

test('no line reaches the last column, whatever the service says', () => {
  const status = fc.string({ unit: fc.constantFrom('p', '한', '👍🏽', '\u001b[31m', '\n') });
  fc.assert(
    fc.property(
      status,
      fc.integer({ min: 1, max: 200 }),
      fc.double({ min: -10, max: 300, noNaN: true }),
      (word, columns, progressPercent) => {
        const line = formatWaitLine({ ...WAIT, status: word, progressPercent }, { columns, theme });
        expect(displayWidth(line)).toBeLessThan(columns);
        expect(line).not.toMatch(/\p{Cc}/u);
      },
    ),
  );
});

test.each([
  ['one sample is no speed', '1000000@0', 0, undefined],
  ['a resumed part is not speed', '1000000@0 1001000@1000', 1000, 1000],
  ['only the last seconds count', '0@0 0@9000 0@10000 6000@15000', 15_000, 1000],
  ['a stall brings the speed down', '0@0 5000@1000', 10_000, 500],
  ['a download that starts again is measured anew', '0@0 9000@1000 0@2000 500@3000', 3000, 500],
])('%s', (_name, samples, nowMs, speed) => {
  const meter = createSpeedMeter();
  for (const [bytes = 0, atMs = 0] of samples.split(' ').map((sample) => sample.split('@').map(Number)))
    meter.add(bytes, atMs);
  expect(meter.bytesPerSecond(nowMs)).toBe(speed);
});
