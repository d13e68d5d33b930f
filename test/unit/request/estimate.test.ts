import { expect, test } from 'vitest';
import { estimateCredits } from '../../../src/request/estimate.ts';
import type { GenerationRequest } from '../../../src/request/fields.ts';

type Change = { readonly [key: string]: unknown };

const MODEL = 'seedance-2.0-text-to-video';
const body = { model: MODEL, prompt: 'p', duration: 5, quality: '720p', content_filter: true };
const REQUEST: GenerationRequest = { operation: 't2v', tier: 'standard', body };
const requestOf = (change: Change): GenerationRequest => ({
  operation: 't2v',
  tier: change.model === undefined ? 'standard' : undefined,
  body: { ...body, ...change },
});
const WITH_VIDEO = { video_urls: ['v'], duration: 10 };

const FILTER = '1.1 times the price without the content filter';
const SEARCH = 'plus 0.04 a search, for searches that happen';

test.each<[Change, number, object]>([
  [{}, 0, { credits: 67.5, usd: 67.5 / 68, billedSeconds: 5, notes: [] }],
  [{}, 9, { credits: 67.5 }],
  [WITH_VIDEO, 5, { credits: 164.43, billedSeconds: 20 }],
  [{ duration: 15, quality: '4k' }, 0, { credits: 1032.75 }],
  [{ content_filter: false }, 0, { credits: 74.25, notes: [FILTER] }],
  [{ model_params: { web_search: true } }, 0, { credits: 67.5, notes: [SEARCH] }],
])('worked example, exact to the last digit: %j and %d s of input', (change, inputVideoSeconds, expected) => {
  const estimate = estimateCredits(requestOf(change), { inputVideoSeconds });
  expect(estimate).toMatchObject({ listDate: '2026-10-10', ...expected });
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
])('%d s out and %d s in are %d billed seconds', (duration, inputVideoSeconds, billedSeconds) => {
  expect(estimateCredits(requestOf({ ...WITH_VIDEO, duration }), { inputVideoSeconds }).billedSeconds).toBe(
    billedSeconds,
  );
});

test.each([undefined, 0, -1, Number.NaN])('an input length of %s is unknown: bounds, no figure', (length) => {
  const reason = 'the length of the reference videos is not known';
  const { credits, ...rest } = estimateCredits(requestOf(WITH_VIDEO), { inputVideoSeconds: length });
  expect(credits).toBeUndefined();
  expect(rest).toMatchObject({ atLeast: 164.43, atMost: 205.5375, reason });
});

const OWN = { tier: 'standard', quality: '720p', without_video: 1 } as const;
const RAISING = { ...OWN, isOnlyRaising: true } as const;

test.each([
  ['the last of the own prices', [OWN, { ...OWN, without_video: 10.1 }], 50.5],
  ['an own price for another quality', [{ ...OWN, quality: '480p' }], 67.5],
  ['an own price for another tier', [{ ...OWN, tier: 'fast' }], 67.5],
  ['an own price for the model itself', [{ ...OWN, tier: MODEL, without_video: 2 }], 10],
  ['an own price for requests with video', [{ ...OWN, without_video: undefined, with_video: 2 }], 67.5],
  ['a project file that lowers', [RAISING], 67.5],
  ['a project file that raises', [{ ...RAISING, without_video: 14 }], 70],
  [
    'a project file that raises other requests',
    [{ ...RAISING, without_video: undefined, with_video: 99 }],
    67.5,
  ],
  ['a project file that raises another quality', [{ ...RAISING, quality: '4k', without_video: 99 }], 67.5],
  [
    'a project file over an own price',
    [OWN, { ...RAISING, without_video: 2 }, { ...RAISING, without_video: 3 }],
    15,
  ],
])('prices: %s', (_name, overrides, credits) => {
  const estimate = estimateCredits(REQUEST, { prices: overrides });
  expect(estimate.credits).toBe(credits);
  const own = 'price per second from your own settings';
  expect(estimate.notes).toEqual(credits === 67.5 ? [] : [own]);
  expect(estimate.origin).toBe(credits === 67.5 ? 'list prices of 2026-10-10' : own);
});

const LIST = 'the price list of 2026-10-10 has no price for';
const UNKNOWN = { model: 'later' };

test.each<[string, Change, string]>([
  ['an unknown model', UNKNOWN, `${LIST} later at 720p`],
  ['an unknown model that chooses the length', { ...UNKNOWN, duration: -1 }, `${LIST} later at 720p`],
  ['no quality', { quality: undefined }, `${LIST} ${MODEL}`],
  ['an unknown quality', { quality: '8k' }, `${LIST} ${MODEL} at 8k`],
  ['no length', { duration: undefined }, 'the duration is left to the model'],
  ['a field that no table knows', { seed: 1 }, 'the field seed may change the price'],
])('no figure rather than a wrong one: %s', (_name, change, reason) => {
  const request = requestOf(change);
  expect(estimateCredits(request)).toEqual({ reason, listDate: '2026-10-10', notes: [] });
  expect(estimateCredits(request, { priceCredits: 34 })).toEqual({
    credits: 34,
    usd: 0.5,
    origin: 'as --price-credits says',
    listDate: '2026-10-10',
    notes: ['as --price-credits says'],
  });
});

test('an own price serves a model that the list does not know', () => {
  const overrides = [{ ...OWN, tier: 'later', without_video: 2 }];
  expect(estimateCredits(requestOf(UNKNOWN), { prices: overrides }).credits).toBe(10);
});

test('a length that the model chooses is budgeted at the longest', () => {
  expect(estimateCredits(requestOf({ duration: -1 }))).toMatchObject({
    credits: 202.5,
    billedSeconds: 15,
    notes: ['at most: the model chooses the length, up to 15 s'],
  });
});
