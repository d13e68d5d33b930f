import { expect, it } from 'vitest';
import { seedOf } from '../../../src/sandbox/video/draw.ts';
import { makeTone, SAMPLE_RATE_HZ } from '../../../src/sandbox/video/encode.ts';

const peakOf = (samples: Float32Array): number =>
  samples.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0);

it.each(['', 'a frog', '清晨的森林里'])(
  'is gentle, audible throughout, and silent at both ends: %j',
  (prompt) => {
    const samples = makeTone(seedOf(prompt), 4 * SAMPLE_RATE_HZ);
    expect(peakOf(samples)).toBeLessThan(0.5);
    for (let second = 0; second < 4; second++) {
      expect(
        peakOf(samples.subarray(second * SAMPLE_RATE_HZ, (second + 1) * SAMPLE_RATE_HZ)),
      ).toBeGreaterThan(0.05);
    }
    expect(peakOf(samples.subarray(0, 100))).toBeLessThan(0.01);
    expect(peakOf(samples.subarray(-100))).toBeLessThan(0.01);
  },
);

it('follows from the prompt', () => {
  expect(makeTone(seedOf('a'), 4800)).toEqual(makeTone(seedOf('a'), 4800));
  expect(makeTone(seedOf('a'), 4800)).not.toEqual(makeTone(seedOf('b'), 4800));
});
