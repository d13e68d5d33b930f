import fc from 'fast-check';
import { expect, test } from 'vitest';
import { byteFacts, createSpeedMeter, formatLiveLine, timeFacts } from '../../../src/ui/progress.ts';
import { displayWidth } from '../../../src/ui/table.ts';
import { createTheme } from '../../../src/ui/theme.ts';

const theme = createTheme({ isUnicode: false });
const TIMES = timeFacts({ elapsedMs: 65_000, remainingMs: 80_000 });
const WAIT = { head: 'processing', percent: 45, facts: TIMES };
const MIB = 1024 ** 2;
const BYTES = { receivedBytes: 3 * MIB, totalBytes: 8 * MIB, bytesPerSecond: MIB };

test.each([
  [80, 'processing 45% ##########------------- 1 min 5 s elapsed, about 1 min 20 s left'],
  [60, 'processing 45% ##########------------ about 1 min 20 s left'],
  [47, 'processing 45% ####----- about 1 min 20 s left'],
  [40, 'processing 45% about 1 min 20 s left'],
  [20, 'processing 45%'],
  [10, 'proces...'],
  [1, ''],
])('a task on %d columns', (columns, line) => expect(formatLiveLine(WAIT, { columns, theme })).toBe(line));

test.each([
  [BYTES, '3.0 MiB of 8.0 MiB, 1.0 MiB/s, 5 s left'],
  [{ ...BYTES, totalBytes: undefined }, '3.0 MiB, 1.0 MiB/s'],
  // A stalled download has no end to tell.
  [{ ...BYTES, bytesPerSecond: 0 }, '3.0 MiB of 8.0 MiB, 0 B/s'],
  [{ receivedBytes: 2048 }, '2.0 KiB'],
])('%o are %s', (view, text) => expect(byteFacts(view).join(', ')).toBe(text));

test('a task that takes longer than expected says so instead of a time below zero', () => {
  expect(timeFacts({ elapsedMs: 65_000, remainingMs: -5000 })).toContain('longer than expected');
});

test('no line reaches the last column', () => {
  const word = fc.string({ unit: fc.constantFrom('p', '한', '👍🏽') });
  const percentage = fc.option(fc.double({ min: -10, max: 300, noNaN: true }), { nil: undefined });
  fc.assert(
    fc.property(word, fc.integer({ min: 1, max: 200 }), percentage, (head, columns, percent) => {
      const line = formatLiveLine({ head, percent, facts: TIMES }, { columns, theme });
      expect(displayWidth(line)).toBeLessThan(columns);
    }),
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
