import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextPollDelayMs, remainingMs } from '../../../src/task/poll.ts';

describe('nextPollDelayMs', () => {
  it.each<[string, number | undefined, number, number, number, boolean?]>([
    ['an estimate that holds', 165_000, 165_000, 16, 5_000],
    ['half of the truth', 80_000, 160_000, 50, 8_000],
    ['twice the truth', 300_000, 150_000, 6, 25_000],
    ['no estimate', undefined, 150_000, 24, 8_000],
    ['no estimate, progress', undefined, 400_000, 20, 5_000, true],
    ['a task of seconds', 3_000, 3_000, 10, 700],
    ['half an hour', 1_800_000, 1_800_000, 50, 40_000],
  ])(
    '%s: few reads, and the end is seen soon',
    (_name, estimatedMs, totalMs, mostReads, mostLateMs, hasProgress) => {
      let elapsedMs = 0;
      let reads = 0;
      for (; elapsedMs < totalMs; reads += 1) {
        const progressPercent = hasProgress ? Math.floor((elapsedMs * 100) / totalMs) : undefined;
        elapsedMs += nextPollDelayMs({ elapsedMs, estimatedMs, progressPercent, random: 0.5 });
      }
      expect(reads).toBeLessThanOrEqual(mostReads);
      expect(elapsedMs - totalMs).toBeLessThanOrEqual(mostLateMs);
    },
  );

  it('reads less often while progress stands still', () => {
    const facts = { elapsedMs: 130_000, progressPercent: 99, random: 0.5 };
    expect(nextPollDelayMs({ ...facts, unchangedMs: 60_000 })).toBeGreaterThan(3 * nextPollDelayMs(facts));
  });

  it('never waits less than a quarter of a second, nor longer than the task is expected to take or has taken', () => {
    const facts = fc.record({
      elapsedMs: fc.integer({ min: 0, max: 86_400_000 }),
      estimatedMs: fc.option(fc.integer({ min: -5, max: 600_000 }), { nil: undefined }),
      progressPercent: fc.option(fc.integer({ min: 0, max: 100 }), { nil: undefined }),
      unchangedMs: fc.option(fc.integer({ min: 0, max: 86_400_000 }), { nil: undefined }),
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

it('remainingMs goes by the progress where there is one, and by a guess without an estimate', () => {
  expect(remainingMs({ elapsedMs: 0, estimatedMs: 0 })).toBe(130_000);
  expect(remainingMs({ elapsedMs: 90_000, estimatedMs: 100_000, progressPercent: 50 })).toBe(50_000);
  expect(remainingMs({ elapsedMs: 190_000, estimatedMs: 100_000 })).toBe(0);
});
