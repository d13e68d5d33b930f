import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatBytes, toIsoTime } from '../../../src/platform/text.ts';
import {
  formatCredits,
  formatDuration,
  formatLocalTime,
  formatPercent,
  formatRelative,
  toJsonText,
} from '../../../src/ui/format.ts';
import { displayWidth, formatTable, truncateToWidth, wrapToWidth } from '../../../src/ui/table.ts';

const MIB = 1024 * 1024;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const fromNow = (ms: number): string => formatRelative(1e12 + ms, 1e12);

test.each<[(value: number) => string, number, string]>([
  [formatBytes, 0, '0 B'],
  [formatBytes, 1023, '1023 B'],
  [formatBytes, 1024, '1.0 KiB'],
  [formatBytes, 1023.96 * 1024, '1.0 MiB'],
  [formatBytes, 8.24 * MIB, '8.2 MiB'],
  [formatBytes, -5, '0 B'],
  [formatDuration, -3000, '0 s'],
  [formatDuration, 59_999, '59 s'],
  [formatDuration, 65_000, '1 min 5 s'],
  [formatDuration, 2 * HOUR + 3 * MINUTE, '2 h 3 min'],
  [formatCredits, 1032.75, '1032.75'],
  [formatCredits, 164.43000000000001, '164.43'],
  [formatCredits, -0.00001, '0'],
  [formatPercent, 99.9, '99%'],
  [formatPercent, 140, '100%'],
  [formatPercent, -3, '0%'],
  [fromNow, 23 * HOUR + 10 * MINUTE, 'in 23 h 10 min'],
  [fromNow, 24 * HOUR, 'in 24 h'],
  [fromNow, 50 * HOUR, 'in 2 d 2 h'],
  [fromNow, 30_000, 'now'],
  [fromNow, -5 * MINUTE, '5 min ago'],
  [formatLocalTime, new Date(2026, 10, 2, 9, 3).getTime(), '2026-11-02 09:03'],
])('%o of %d is %s', (format, value, text) => expect(format(value)).toBe(text));

test('JSON: no control or invisible character stands bare, and the data stay the same', () => {
  const hostile =
    '\u001b]52;c;x\u0007 \u007f \u009b31m \u202e \u2066 \u2028 \u200b \ufeff \u{e0041} ##[add-mask]x';
  const text = toJsonText({ hostile });
  expect(text).toMatch(/^[\u0020-\u007e]*$/);
  expect(text).not.toContain('##[');
  expect(JSON.parse(text)).toEqual({ hostile });
  expect(toJsonText('초록색 é 🐸')).toBe('"초록색 é 🐸"');
});

test.each([undefined, Number.NaN, Number.POSITIVE_INFINITY, 9e15])('the moment %s is null', (atMs) => {
  expect(toIsoTime(atMs)).toBeNull();
});

test.each([
  ['초록색 개구리', 13, '초록색 개구리'],
  ['초록색 개구리', 12, '초록색 개구…'],
  // The wide character would need one column more: it is left out and not halved.
  ['초록색', 4, '초…'],
  ['초록색', 1, '…'],
  ['초록색', 0, ''],
  ['ab👨‍👩‍👧cd', 4, 'ab…'],
])('%s cut to %d columns is %s', (text, columns, cut) => expect(truncateToWidth(text, columns)).toBe(cut));

const anyText = fc.string({
  unit: fc.constantFrom('a', ' ', '한', '語', 'é', 'e\u0301', '👍🏽', '👨‍👩‍👧', '…'),
});

test('no cut text is ever wider than asked, and wrapping loses nothing', () => {
  expect(wrapToWidth('  two words more', 11)).toBe('  two words\n    more');
  expect(wrapToWidth('takes 3 s, about 20 credits', 20)).toBe('takes 3 s, about\n  20 credits');
  expect(wrapToWidth('takes 3 s', 7)).toBe('takes\n  3 s');
  expect(wrapToWidth('to go on: evolink resume -o PATH', 26)).toBe('to go on:\n  evolink resume -o PATH');
  expect(wrapToWidth('to go on: evolink resume -o PATH', 12)).toBe('to go on:\nevolink resume -o PATH');
  fc.assert(
    fc.property(anyText, fc.integer({ min: 4, max: 30 }), (text, columns) => {
      expect(displayWidth(truncateToWidth(text, columns))).toBeLessThanOrEqual(columns);
      const lines = wrapToWidth(text, columns).split('\n');
      expect(lines.join(' ').split(/ +/).join('')).toBe(text.split(/ +/).join(''));
      for (const line of lines)
        if (/\S /u.test(line.trimEnd())) expect(displayWidth(line.trimEnd())).toBeLessThanOrEqual(columns);
    }),
  );
});

const ROWS = [
  ['task-1', '67.5', '', '초록색 유리 개구리가 앉아 있다'],
  ['task-22', '1032.75', '', 'a frog'],
];

test.each([
  [undefined, '초록색 유리 개구리가 앉아 있다'],
  [36, '초록색 유리 개...'],
])('a table on %s columns: only the last one gives way, numbers stand at the right', (width, prompt) => {
  const headers = ['ID', 'CREDITS', 'EMPTY', 'PROMPT'];
  expect(formatTable(headers, ROWS, width)).toBe(
    `ID       CREDITS  PROMPT\ntask-1      67.5  ${prompt}\ntask-22  1032.75  a frog\n`,
  );
  // Ids and numbers stay whole: on a screen that is too narrow there is no table.
  expect(formatTable(headers, ROWS, 32)).toBe('');
});

test('a table may have more rows than a function takes arguments', () => {
  const rows = Array.from({ length: 200_000 }, () => ['task-1', 'saved']);
  expect(formatTable(['ID', 'STATE'], rows)).toHaveLength(14 * 200_001);
});
