import { describe, expect, it } from 'vitest';
import { judgeTotal, trimToTotal } from '../../../src/media/judge.ts';

describe('clips together', () => {
  it.each([
    [[5, 5, 5], undefined],
    [[7.5, 7.6], undefined],
    [[8, 8], 'are 16 s together (8 + 8)'],
    [[8, undefined, 8], 'are 16 s together (8 + ? + 8)'],
    [[8, undefined], undefined],
    [[14.9], undefined],
  ])('%j', (lengths, is) => {
    expect(judgeTotal(lengths, 'video')?.is).toBe(is);
    expect(judgeTotal(lengths, 'audio')?.is).toBe(is);
    expect(judgeTotal(lengths, 'image')).toBeUndefined();
  });

  it.each([
    [
      [8, 8],
      [7.5, 7.5],
    ],
    [
      [3, 14],
      [3, 12],
    ],
    [
      [15, 15, 15],
      [5, 5, 5],
    ],
    [
      [2, 2, 15],
      [2, 2, 11],
    ],
  ])('%j are cut to %j, the longest first', (lengths, targets) => {
    expect(trimToTotal(lengths, 'video')).toEqual(targets);
  });
});
