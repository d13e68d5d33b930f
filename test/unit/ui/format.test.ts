import { expect, test } from 'vitest';
import { formatBytes } from '../../../src/platform/text.ts';
import {
  formatCredits,
  formatDuration,
  formatLocalTime,
  formatPercent,
  formatRelative,
  formatSeconds,
} from '../../../src/ui/format.ts';

const MIB = 1024 * 1024;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [1023.96 * 1024, '1.0 MiB'],
  [8.24 * MIB, '8.2 MiB'],
  [3 * 1024 * MIB, '3.0 GiB'],
  [-5, '0 B'],
])('%d bytes are %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

test.each([
  [0, '0s'],
  [-3000, '0s'],
  [59_999, '59s'],
  [65_000, '1m 05s'],
  [2 * HOUR + 3 * MINUTE, '2h 03m'],
])('a span of %d ms is %s', (ms, text) => expect(formatDuration(ms)).toBe(text));

test.each([
  [67.5, '67.5'],
  [1032.75, '1032.75'],
  [164.43000000000001, '164.43'],
  [0, '0'],
  [-0.00001, '0'],
  [-12, '-12'],
])('%d credits are %s', (credits, text) => expect(formatCredits(credits)).toBe(text));

test.each([
  [0, '0%'],
  [99.9, '99%'],
  [100, '100%'],
  [140, '100%'],
  [-3, '0%'],
])('%d percent is %s', (percent, text) => expect(formatPercent(percent)).toBe(text));

test.each([
  [23 * HOUR + 10 * MINUTE, 'in 23 h 10 min'],
  [24 * HOUR, 'in 24 h'],
  [40 * MINUTE, 'in 40 min'],
  [2 * HOUR, 'in 2 h'],
  [50 * HOUR, 'in 2 d 2 h'],
  [30_000, 'now'],
  [-5 * MINUTE, '5 min ago'],
])('a moment %d ms away is %s', (ms, text) => expect(formatRelative(1e12 + ms, 1e12)).toBe(text));

test('local time has minutes and no zone', () => {
  expect(formatLocalTime(new Date(2026, 10, 2, 9, 3).getTime())).toBe('2026-11-02 09:03');
});

test('seconds of a clip lose needless digits', () => {
  expect([formatSeconds(5), formatSeconds(5.0416)]).toEqual(['5 s', '5.04 s']);
});
