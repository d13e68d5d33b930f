import { expect, test } from 'vitest';
import type { Operation } from '../../../src/request/models.ts';
import { checkPrompt } from '../../../src/request/prompt-checks.ts';

type Counts = readonly [images: number, videos: number, audios: number];

function warningsOf(prompt: string, [image, video, audio]: Counts, operation: Operation = 'ref'): string[] {
  const counts = { image, video, audio };
  const found = [...checkPrompt(prompt, operation, (kind) => counts[kind])];
  expect(found.filter(({ isHard }) => isHard === true)).toEqual([]);
  return found.map(({ message }) => message);
}

const LONG = (cjk: number, words: number) => [
  `has ${cjk} Chinese, Japanese or Korean characters and ${words} words; at most 500 and 1000 are recommended, and 10000 tokens are the limit`,
];
const ONLY_1 = (names: string) => [`names ${names}, but only 1 image is given`];
const UNNAMED = (index: number) => [
  `never names image ${index}; say what it is for, as in "image ${index} as …"`,
];

test.each<[string, Counts, string[]]>([
  ['image 3 on image 1 and image 2', [2, 0, 0], ['names image 3, but only 2 images are given']],
  ['images 1-3', [1, 0, 0], ONLY_1('image 2, image 3')],
  ['images 1, 2, and 4', [1, 0, 0], ONLY_1('image 2, image 4')],
  ['[image-1] <image2> image #3 @Image_4', [1, 0, 0], ONLY_1('image 2, image 3, image 4')],
  ['image１ and image②', [1, 0, 0], ONLY_1('image 2')],
  ['이미지3', [1, 0, 0], [...ONLY_1('image 3'), ...UNNAMED(1)]],
  ['图片1和图2', [1, 0, 0], ONLY_1('image 2')],
  ['image 0 and image 1', [1, 0, 0], ONLY_1('image 0')],
  ['audio 1 over image 1', [1, 0, 0], ['names audio 1, but no audio files are given']],
  ['video 2 like video 1', [0, 1, 0], ['names video 2, but only 1 video is given']],
  ['the style of image 1', [2, 0, 0], UNNAMED(2)],
  ['image 1 and 2', [2, 0, 0], []],
  ['image 1, 2 dogs', [1, 0, 0], []],
  ['a boat', [2, 1, 0], []],
])('%j with %j', (prompt, counts, expected) => {
  expect(warningsOf(prompt, counts)).toEqual(expected);
});

// biome-ignore format: one row a script
test.each([
  'image 16:9', 'image 4k', 'image 1920x1080', 'image 2024', 'image 1,000 times', 'myimage 7', '9 images',
  '地图9', '图片3张', '이미지 3장',
  'a video 10 seconds long, video 30 fps, video 1.5x',
])('a number that counts something else: %j', (prompt) => {
  expect(warningsOf(prompt, [1, 1, 0], 'i2v')).toEqual([]);
});

test('nothing is said where no media are given, or of unnamed ones outside of ref', () => {
  expect(warningsOf('image 3', [0, 0, 0], 't2v')).toEqual([]);
  expect(warningsOf('image 1', [2, 0, 0], 'i2v')).toEqual([]);
});

test.each([
  ['글'.repeat(500), []],
  ['글'.repeat(501), LONG(501, 0)],
  ['字'.repeat(501), LONG(501, 0)],
  ['word '.repeat(1000), []],
  ['word '.repeat(1001), LONG(0, 1001)],
  ['- '.repeat(1001), []],
])('recommended lengths %#', (prompt, expected) => {
  expect(warningsOf(prompt, [0, 0, 0])).toEqual(expected);
});

test('a long prompt is read in linear time', () => {
  expect(warningsOf(`image${' '.repeat(500_000)}x`, [1, 0, 0])).toEqual([]);
  expect(warningsOf(`images ${'1,'.repeat(100_000)}1`, [1, 0, 0])).toEqual([]);
});
