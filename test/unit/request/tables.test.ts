import { expect, test } from 'vitest';
import { estimateCredits } from '../../../src/request/estimate.ts';
import {
  ASPECT_RATIOS,
  findModel,
  MODELS,
  modelFor,
  OPERATIONS,
  operationOfModel,
  outputPixels,
  PRICES,
  TIERS,
} from '../../../src/request/models.ts';
import { describeValue, nearest } from '../../../src/request/problems.ts';
import * as service from '../../../src/sandbox/service-tables.ts';

test('nine models, one for each operation and tier, and six previews that no tier chooses', () => {
  expect(MODELS.filter(({ isPreview }) => isPreview)).toHaveLength(6);
  expect(MODELS).toHaveLength(15);
  for (const [operation, tier] of OPERATIONS.flatMap((each) => TIERS.map((tier) => [each, tier] as const))) {
    const row = modelFor(operation, tier);
    expect(row).toMatchObject({ operation, tier });
    expect(findModel(row?.id ?? '')).toBe(row);
  }
  expect(findModel('toString')).toBeUndefined();
});

// Both tables were read from the service's documents, independently of each other.
test.each(MODELS.map((row) => [row.id, row] as const))('%s is to the sandbox what it is here', (id, row) => {
  const there = service.findModel(id);
  if (there === undefined) throw new Error('the sandbox does not have it');
  expect(there.media).toEqual(Object.values(row.media).map(({ min, max }) => [min, max]));
  expect(Object.keys(there.tier.prices)).toEqual(row.limits.quality);
  for (const quality of row.limits.quality) {
    for (const ratio of ASPECT_RATIOS.filter((each) => each !== 'adaptive'))
      expect(outputPixels(quality, ratio, id)).toEqual(service.outputPixels(there, quality, ratio));
    for (const [duration, content_filter, input] of [
      [4, true, 0],
      [15, false, 0],
      [10, true, 5],
      [4, false, 8.05],
    ] as const) {
      const { operation, tier } = row;
      const wish = { quality, duration, content_filter };
      const body = { model: id, prompt: 'p', ...wish, ...(input > 0 && { video_urls: ['v'] }) };
      const { credits = 0 } = estimateCredits({ operation, tier, body }, { inputVideoSeconds: input });
      const reserved = service.reservedCredits(there, wish, input === 0 ? [] : [input]);
      expect(reserved).toBeGreaterThan(0);
      expect(credits).toBeCloseTo(reserved, 3);
    }
  }
});

test('every price is of a quality of some model', () => {
  const known = new Set(
    MODELS.flatMap(({ tier, limits }) => limits.quality.map((each) => `${tier} ${each}`)),
  );
  expect(PRICES.map(({ tier, quality }) => `${tier} ${quality}`).sort()).toEqual([...known].sort());
});

test.each([
  ['seedance-2.0-mini-text-to-video', 't2v'],
  ['seedance-9-reference-to-video', 'ref'],
  ['text-to-video', undefined],
  ['veo-3', undefined],
])('the operation of %s is %s', (id, operation) => {
  expect(operationOfModel(id)).toBe(operation);
});

test('pixels that cannot be known', () => {
  expect(outputPixels('720p', 'adaptive')).toBeUndefined();
  expect(outputPixels('8k', '16:9')).toBeUndefined();
  expect(outputPixels('toString', 'constructor')).toBeUndefined();
});

test.each([
  ['promt', ['prompt', 'model'], 'prompt'],
  ['seed', ['model', 'tier'], undefined],
  ['a', ['b'], undefined],
  ['imge', ['image', 'images'], 'image'],
  ['x'.repeat(1000), ['x'.repeat(999)], undefined],
])('nearest to %s', (word, candidates, expected) => {
  expect(nearest(word, candidates)).toBe(expected);
});

const loop: { self?: unknown } = {};
loop.self = loop;

test.each([
  ['plain', 'plain'],
  ['\u001b[31mred\u202e\n\ttext', '[31mred text'],
  ['https://user:secret@h.example.com/x?sig=secret#f', 'https://***@h.example.com/x?…'],
  [['https://u:secret@h.example.com/?k=secret'], '["https://***@h.example.com/?…"]'],
  ['x'.repeat(100), `${'x'.repeat(59)}…`],
  ['😀'.repeat(60), '😀'.repeat(60)],
  [null, 'null'],
  [loop, 'object'],
  [[5n], 'object'],
  [{ a: 1 }, '{"a":1}'],
])('%# described', (value, expected) => {
  expect(describeValue(value)).toBe(expected);
  expect(describeValue(value)).not.toContain('secret');
});
