import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectedTotalMs, nextPollDelayMs } from '../../../src/task/poll-schedule.ts';

const middle = { random: 0.5 };

/** Reads until the end, as the wait loop would; returns the moments of the reads. */
function readMoments(estimatedMs: number | undefined, actualMs: number): number[] {
  const moments: number[] = [];
  let elapsedMs = 0;
  while (elapsedMs < actualMs) {
    elapsedMs += nextPollDelayMs({
      ...middle,
      elapsedMs,
      estimatedMs,
      isFirst: estimatedMs !== undefined && moments.length === 0,
    });
    moments.push(elapsedMs);
  }
  return moments;
}

describe('nextPollDelayMs', () => {
  it('reads first near the expected end', () => {
    expect(nextPollDelayMs({ ...middle, elapsedMs: 0, estimatedMs: 165_000, isFirst: true })).toBe(115_500);
  });

  it('asks a service that keeps its estimate fewer than a dozen times, and learns of the end within 8 s', () => {
    const moments = readMoments(165_000, 165_000);
    expect(moments.length).toBeLessThan(12);
    expect((moments.at(-1) ?? 0) - 165_000).toBeLessThan(8_000);
  });

  it('spreads reads again when the estimate has passed', () => {
    const late = nextPollDelayMs({ ...middle, elapsedMs: 400_000, estimatedMs: 165_000, isFirst: false });
    const justLate = nextPollDelayMs({ ...middle, elapsedMs: 166_000, estimatedMs: 165_000, isFirst: false });
    expect(late).toBeGreaterThan(justLate);
    expect(late).toBe(20_000);
  });

  it('follows a service that is faster than a minute', () => {
    const moments = readMoments(3_000, 3_000);
    expect((moments.at(-1) ?? 0) - 3_000).toBeLessThan(500);
  });

  it.each([4_000, 12_000, 40_000, 130_000, 400_000])(
    'learns of the end of %d ms without an estimate within seconds, or a quarter of the time it took, with few reads',
    (actualMs) => {
      const moments = readMoments(undefined, actualMs);
      expect((moments.at(-1) ?? 0) - actualMs).toBeLessThan(Math.max(6_000, actualMs / 4));
      expect(moments.length).toBeLessThan(25);
    },
  );

  it.each([undefined, 0, -5])('has a guess for an estimate of %s', (estimatedMs) => {
    expect(expectedTotalMs({ elapsedMs: 0, estimatedMs })).toBe(130_000);
  });

  it('believes progress the more is done', () => {
    expect(expectedTotalMs({ elapsedMs: 60_000, estimatedMs: 100_000, progressPercent: 5 })).toBe(100_000);
    expect(expectedTotalMs({ elapsedMs: 90_000, estimatedMs: 100_000, progressPercent: 50 })).toBe(140_000);
    expect(expectedTotalMs({ elapsedMs: 198_000, estimatedMs: 100_000, progressPercent: 99 })).toBeCloseTo(
      199_000,
      -1,
    );
  });

  it('never waits less than a quarter of a second nor more than ten minutes on a sane estimate', () => {
    const facts = fc.record({
      elapsedMs: fc.integer({ min: 0, max: 86_400_000 }),
      estimatedMs: fc.option(fc.integer({ min: 0, max: 600_000 }), { nil: undefined }),
      progressPercent: fc.option(fc.integer({ min: 0, max: 100 }), { nil: undefined }),
      isFirst: fc.boolean(),
      random: fc.double({ min: 0, max: 0.999, noNaN: true }),
    });
    fc.assert(
      fc.property(facts, (known) => {
        const delayMs = nextPollDelayMs({ ...known, elapsedMs: known.isFirst ? 0 : known.elapsedMs });
        expect(delayMs).toBeGreaterThanOrEqual(225);
        expect(delayMs).toBeLessThanOrEqual(600_000);
      }),
    );
  });
});
