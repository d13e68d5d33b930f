import { expect, test } from 'vitest';
import {
  ASPECT_RATIOS,
  findModel,
  MODELS,
  modelFor,
  OPERATIONS,
  operationOfModel,
  outputPixels,
  PRICE_LIST_DATE,
  PRICES,
  QUALITIES,
  TIERS,
} from '../../../src/request/models.ts';
import { describeValue, nearest } from '../../../src/request/problems.ts';

test('nine models, one for each operation and tier, and six previews that no tier chooses', () => {
  expect(MODELS.filter(({ isPreview }) => isPreview)).toHaveLength(6);
  expect(MODELS).toHaveLength(15);
  for (const operation of OPERATIONS) {
    for (const tier of TIERS) {
      const row = modelFor(operation, tier);
      expect(row).toMatchObject({ operation, tier });
      expect(findModel(row?.id ?? '')).toBe(row);
    }
  }
  expect(findModel('toString')).toBeUndefined();
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

test('output pixels are those of the API documents', () => {
  const documented = `
    16:9 864×496 1280×720 1920×1080 3840×2160
    4:3 752×560 1112×834 1664×1248 3326×2494
    1:1 640×640 960×960 1440×1440 2880×2880
    3:4 560×752 834×1112 1248×1664 2494×3326
    9:16 496×864 720×1280 1080×1920 2160×3840
    21:9 992×432 1470×630 2206×946 4398×1886`;
  const rows = ASPECT_RATIOS.filter((ratio) => ratio !== 'adaptive').map((ratio) => {
    const cells = QUALITIES.map((quality) => outputPixels(quality, ratio));
    return [ratio, ...cells.map((cell) => `${cell?.widthPx}×${cell?.heightPx}`)].join(' ');
  });
  expect(rows.sort()).toEqual(
    documented
      .trim()
      .split('\n')
      .map((line) => line.trim())
      .sort(),
  );
});

test('prices are those of the list of 2026-10-10', () => {
  expect(PRICE_LIST_DATE).toBe('2026-10-10');
  expect(PRICES.map((row) => [row.tier, row.quality, row.withoutVideo, row.withVideo].join(' '))).toEqual([
    'standard 480p 6.2775 3.834',
    'standard 720p 13.5 8.2215',
    'standard 1080p 33.75 20.52',
    'standard 4k 68.85 42.525',
    'fast 480p 3.8136 2.2718',
    'fast 720p 8.2013 4.8798',
    'mini 480p 1.2555 0.7668',
    'mini 720p 2.7 1.6443',
    'seedance-2.5 480p 9.34185 5.70556',
    'seedance-2.5 720p 20.09 12.23481',
    'seedance-2.5 1080p 50.225 30.5368',
  ]);
});
