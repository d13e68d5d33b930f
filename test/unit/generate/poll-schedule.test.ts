import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectedTotalMs, nextPollDelayMs } from '../../../src/task/poll.ts';

interface Seen {
  readonly estimatedMs?: number | undefined;
  readonly totalMs: number;
  readonly hasProgress?: boolean;
}

/** Reads until the end, as the wait loop would: how many, and how late the last one is. */
function watch({ estimatedMs, totalMs, hasProgress = false }: Seen) {
  let elapsedMs = 0;
  let reads = 0;
  let progressPercent: number | undefined;
  while (elapsedMs < totalMs) {
    elapsedMs += nextPollDelayMs({
      elapsedMs,
      estimatedMs,
      progressPercent,
      isFirst: reads === 0,
      random: 0.5,
    });
    reads += 1;
    if (hasProgress) progressPercent = Math.floor((elapsedMs * 100) / totalMs);
  }
  return { reads, lateMs: elapsedMs - totalMs };
}

describe('nextPollDelayMs', () => {
  it.each([
    ['an estimate that holds', { estimatedMs: 165_000, totalMs: 165_000 }, 16, 5_000],
    ['half of the truth', { estimatedMs: 80_000, totalMs: 160_000 }, 50, 8_000],
    ['twice the truth', { estimatedMs: 300_000, totalMs: 150_000 }, 6, 25_000],
    ['no estimate', { totalMs: 150_000 }, 24, 8_000],
    ['no estimate, progress', { totalMs: 400_000, hasProgress: true }, 20, 5_000],
    ['a task of seconds', { estimatedMs: 3_000, totalMs: 3_000 }, 10, 700],
    ['half an hour', { estimatedMs: 1_800_000, totalMs: 1_800_000 }, 50, 40_000],
  ])('%s: few reads, and the end is seen soon', (_name, seen, mostReads, mostLateMs) => {
    const { reads, lateMs } = watch(seen);
    expect(reads).toBeLessThanOrEqual(mostReads);
    expect(lateMs).toBeLessThanOrEqual(mostLateMs);
  });

  it('reads less often while progress stands still', () => {
    const facts = { elapsedMs: 130_000, progressPercent: 99, isFirst: false, random: 0.5 };
    expect(nextPollDelayMs({ ...facts, unchangedMs: 60_000 })).toBeGreaterThan(3 * nextPollDelayMs(facts));
  });

  it('never waits less than a quarter of a second, nor longer than the task is expected to take or has taken', () => {
    const facts = fc.record({
      elapsedMs: fc.integer({ min: 0, max: 86_400_000 }),
      estimatedMs: fc.option(fc.integer({ min: -5, max: 600_000 }), { nil: undefined }),
      progressPercent: fc.option(fc.integer({ min: 0, max: 100 }), { nil: undefined }),
      unchangedMs: fc.option(fc.integer({ min: 0, max: 86_400_000 }), { nil: undefined }),
      isFirst: fc.boolean(),
      random: fc.double({ min: 0, max: 0.999, noNaN: true }),
    });
    fc.assert(
      fc.property(facts, (known) => {
        const delayMs = nextPollDelayMs(known);
        expect(delayMs).toBeGreaterThanOrEqual(250);
        // Progress of a few percent after hours makes a very long whole.
        expect(delayMs).toBeLessThanOrEqual(1.1 * Math.max(660_000, 100 * known.elapsedMs));
      }),
    );
  });
});

it('expectedTotalMs believes progress the more is done, and has a guess without an estimate', () => {
  expect(expectedTotalMs({ elapsedMs: 0, estimatedMs: 0 })).toBe(130_000);
  expect(expectedTotalMs({ elapsedMs: 90_000, estimatedMs: 100_000, progressPercent: 50 })).toBe(140_000);
  expect(expectedTotalMs({ elapsedMs: 198_000, estimatedMs: 100_000, progressPercent: 99 })).toBeCloseTo(
    199_000,
    -1,
  );
});
