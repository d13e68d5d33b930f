import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backoffDelayMs, parseRetryAfter } from '../../../src/platform/clock.ts';

const NOW_MS = Date.UTC(2026, 10, 21, 10, 0, 0);

describe('parseRetryAfter', () => {
  it.each([
    ['0', 0],
    [' 120 ', 120_000],
    ['Sat, 21 Nov 2026 10:00:30 GMT', 30_000],
    ['Saturday, 21-Nov-26 10:00:30 GMT', 30_000],
    ['Sat Nov 21 10:00:30 2026', 30_000],
    ['999999999999999', 315_360_000_000],
    ['9'.repeat(40), 315_360_000_000],
    ['-1', undefined],
    ['soon', undefined],
    ['2026-11-21T10:00:30Z', undefined],
    ['Sat, 99 Nov 2026 10:00:30 GMT', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%j → %j', (value, delayMs) => {
    expect(parseRetryAfter(value, NOW_MS)).toBe(delayMs);
  });

  it('gives a bounded number or nothing for any text, and seconds and dates come back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        const delayMs = parseRetryAfter(value, NOW_MS) ?? 0;
        expect(delayMs).toBeGreaterThanOrEqual(0);
        expect(Number.isSafeInteger(delayMs)).toBe(true);
      }),
    );
    fc.assert(
      fc.property(fc.nat(1_000_000), (seconds) => {
        expect(parseRetryAfter(String(seconds), NOW_MS)).toBe(seconds * 1000);
        expect(parseRetryAfter(new Date(NOW_MS + seconds * 1000).toUTCString(), NOW_MS)).toBe(seconds * 1000);
      }),
    );
  });
});

it.each([
  [1, 0.5, {}, 500],
  [2, 0.5, {}, 1_000],
  [6, 0.999_999, {}, 30_000],
  [1_000, 0.5, {}, 15_000],
  [1, 0, {}, 0],
  [1, 0.5, { retryAfterMs: 7_000 }, 7_500],
  [1, 0.5, { retryAfterMs: 60_000 }, 60_500],
  [1, 0.5, { retryAfterMs: 7_000, budgetMs: 7_499 }, undefined],
  [1, 0.5, { budgetMs: 499 }, undefined],
  [1, 0.5, { budgetMs: 500 }, 500],
])('backoffDelayMs: attempt %i, chance %d, %j → %j', (attempt, random, options, delayMs) => {
  expect(backoffDelayMs(attempt, random, options)).toBe(delayMs);
});
