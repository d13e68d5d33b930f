import { describe, expect, test } from 'vitest';
import { estimateCredits } from '../../../src/request/estimate.ts';
import type { GenerationRequest } from '../../../src/request/fields.ts';
import { MODELS, PRICES } from '../../../src/request/models.ts';

const REQUEST: GenerationRequest = {
  operation: 't2v',
  model: 'seedance-2.0-text-to-video',
  tier: 'standard',
  prompt: 'p',
  images: [],
  videos: [],
  audios: [],
  durationSeconds: 5,
  quality: '720p',
  aspectRatio: '16:9',
  generateAudio: true,
  contentFilter: true,
};
const WITH_VIDEO: GenerationRequest = { ...REQUEST, operation: 'ref', videos: ['v'], durationSeconds: 10 };

test('every quality of every model has a price, and no other', () => {
  const wanted = new Set(
    MODELS.flatMap((row) => row.limits.quality.map((quality) => `${row.tier} ${quality}`)),
  );
  expect(PRICES.map((row) => `${row.tier} ${row.quality}`).sort()).toEqual([...wanted].sort());
});

describe('worked examples, exact to the last digit', () => {
  test('5 s, 720p, standard', () => {
    expect(estimateCredits(REQUEST)).toEqual({
      credits: 67.5,
      usd: 67.5 / 68,
      billedSeconds: 5,
      listDate: '2026-10-10',
      notes: [],
    });
  });
  test('10 s out and a reference video of 5 s in', () => {
    expect(estimateCredits(WITH_VIDEO, { inputVideoSeconds: 5 })).toMatchObject({
      credits: 164.43,
      billedSeconds: 20,
    });
  });
  test('15 s, 4k, standard', () => {
    expect(estimateCredits({ ...REQUEST, durationSeconds: 15, quality: '4k' }).credits).toBe(1032.75);
  });
  test('without the content filter', () => {
    expect(estimateCredits({ ...REQUEST, contentFilter: false })).toMatchObject({
      credits: 74.25,
      notes: ['1.1 times the price without the content filter'],
    });
  });
});

test.each([
  [4, 4.1, 8.1],
  [4, 1.1, 8],
  [4, 4, 8],
  [5, 5.1 + 4.2, 14.3],
  [4, 4.05, 8.1],
  [4, 4.001, 8.1],
  [4, 4.1 + 1e-9, 8.1],
  [10, 14.999, 25],
])('%d s out and %d s in are %d billed seconds', (durationSeconds, inputVideoSeconds, billedSeconds) => {
  expect(estimateCredits({ ...WITH_VIDEO, durationSeconds }, { inputVideoSeconds }).billedSeconds).toBe(
    billedSeconds,
  );
});

test('input seconds count only with a reference video', () => {
  expect(estimateCredits(REQUEST, { inputVideoSeconds: 9 }).credits).toBe(67.5);
});

test.each([[undefined], [0], [-1], [Number.NaN]])(
  'an input length of %s is unknown: bounds instead of a figure',
  (inputVideoSeconds) => {
    const estimate = estimateCredits(WITH_VIDEO, { inputVideoSeconds });
    expect(estimate.credits).toBeUndefined();
    expect(estimate).toMatchObject({
      atLeast: 164.43,
      atMost: 205.5375,
      reason: 'the length of the reference videos is not known',
    });
  },
);

test('an unknown model or quality has no figure', () => {
  const unknown = { ...REQUEST, model: 'seedance-2.5-text-to-video', tier: undefined };
  expect(estimateCredits(unknown)).toEqual({
    reason: 'the price list of 2026-10-10 has no price for seedance-2.5-text-to-video at 720p',
    listDate: '2026-10-10',
    notes: [],
  });
  expect(estimateCredits({ ...REQUEST, quality: '8k' }).credits).toBeUndefined();
});

test("the user's own prices come first, by tier or by model, the last one wins", () => {
  const overrides = [
    { tier: 'standard', quality: '720p', withoutVideo: 1 },
    { tier: 'standard', quality: '720p', withoutVideo: 10.1 },
    { tier: 'seedance-2.5-text-to-video', quality: '720p', withoutVideo: 2 },
  ];
  expect(estimateCredits(REQUEST, { overrides })).toMatchObject({
    credits: 50.5,
    notes: ['price per second from your own settings'],
  });
  expect(estimateCredits(WITH_VIDEO, { overrides, inputVideoSeconds: 5 }).credits).toBe(164.43);
  const unknown = { ...REQUEST, model: 'seedance-2.5-text-to-video', tier: undefined };
  expect(estimateCredits(unknown, { overrides }).credits).toBe(10);
});

test('web search is named, not counted', () => {
  expect(estimateCredits({ ...REQUEST, webSearch: true })).toMatchObject({
    credits: 67.5,
    notes: ['plus 0.04 a search, for searches that happen'],
  });
});
