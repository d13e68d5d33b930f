import { describe, expect, it } from 'vitest';
import {
  formatDurationMs,
  formatSizeBytes,
  parseDurationMs,
  parseSizeBytes,
} from '../../../src/config/keys.ts';

describe('parseDurationMs', () => {
  it.each([
    ['30m', 1_800_000],
    ['1h30m', 5_400_000],
    ['1h 30m', 5_400_000],
    ['45s', 45_000],
    ['500ms', 500],
    ['1.5h', 5_400_000],
    ['2M', 120_000],
    ['1m30s', 90_000],
    ['0', 0],
    [' 10s ', 10_000],
    ['7d', 604_800_000],
  ])('reads %j as %i ms', (text, expected) => {
    expect(parseDurationMs(text)).toBe(expected);
  });

  it.each(['', '30', '-5s', '30x', 'm', '30m1h', '5s5s', '1h30', '8d', '1e3s', 'none', '١s', '9'.repeat(50)])(
    'refuses %j',
    (text) => {
      expect(parseDurationMs(text)).toBeUndefined();
    },
  );

  it.each([0, 1, 999, 1000, 61_001, 5_400_000, 604_800_000])(
    'reads back what it writes: %i',
    (durationMs) => {
      expect(parseDurationMs(formatDurationMs(durationMs))).toBe(durationMs);
    },
  );
});

describe('parseSizeBytes', () => {
  it.each([
    ['4GiB', 4 * 1024 ** 3],
    ['500 MB', 500_000_000],
    ['10kB', 10_000],
    ['10KiB', 10_240],
    ['1.5gib', 1.5 * 1024 ** 3],
    ['12', 12],
    ['12B', 12],
    ['0', 0],
  ])('reads %j as %i bytes', (text, expected) => {
    expect(parseSizeBytes(text)).toBe(expected);
  });

  it.each(['', '-1', '4G', 'GiB', '4 XB', '9999999999999999TiB', '1e9', '0x10'])('refuses %j', (text) => {
    expect(parseSizeBytes(text)).toBeUndefined();
  });

  it.each([0, 1, 1023, 1024, 1500, 4 * 1024 ** 3])('reads back what it writes: %i', (sizeBytes) => {
    expect(parseSizeBytes(formatSizeBytes(sizeBytes))).toBe(sizeBytes);
  });
});
