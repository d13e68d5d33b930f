import { expect, test } from 'vitest';
import type { Operation } from '../../../src/request/models.ts';
import type { Findings } from '../../../src/request/problems.ts';
import { checkPrompt, findReferences, measurePrompt } from '../../../src/request/prompt-checks.ts';

type Counts = readonly [images: number, videos: number, audios: number];

function warningsOf(prompt: string, [image, video, audio]: Counts, operation: Operation = 'ref'): string[] {
  const findings: Findings = { problems: [], warnings: [] };
  checkPrompt({ value: prompt, source: 'prompt' }, { operation, counts: { image, video, audio } }, findings);
  expect(findings.problems).toEqual([]);
  return findings.warnings.map((warning) => warning.message);
}

test.each([
  ['image 1', [1]],
  ["references image 2's color palette", [2]],
  ['Image2', [2]],
  ['@image3 and @Image_1', [3, 1]],
  ['[image-4] <image5> image #6', [4, 5, 6]],
  ['images 1 and 2', [1, 2]],
  ['images 1, 2, and 4', [1, 2, 4]],
  ['images 1,2', [1, 2]],
  ['images 1-3', [1, 2, 3]],
  ['images 2 to 4', [2, 3, 4]],
  ['image 1 and image 2', [1, 2]],
  ['image 1, 2 dogs', [1]],
  ['이미지1은 첫 프레임', [1]],
  ['이미지 1의 캐릭터와 이미지2의 배경', [1, 2]],
  ['图片1和图2', [1, 2]],
  ['参考图3', [3]],
  ['地图1', []],
  ['图片3张', []],
  ['이미지 3장', []],
  ['image１', [1]],
  ['画像2', [2]],
  ['image 16:9', []],
  ['image 4k', []],
  ['image 1920x1080', []],
  ['image 2024', []],
  ['image\n1. a list', []],
  ['image 1,000 times', []],
  ['myimage 1', []],
  ['3 images', []],
])('images named by %j', (prompt, expected) => {
  expect([...findReferences(prompt).image.named]).toEqual(expected);
});

test.each([
  ['a video 10 seconds long', []],
  ['a video 10-second cut', []],
  ['video 30 fps', []],
  ['video 1.5x', []],
  ['image-to-video 2', [2]],
  ['비디오1의 1인칭 시점', [1]],
  ['video 1의 1인칭 시점을 사용', [1]],
  ['视频1分钟', []],
  ['视频2的运镜', [2]],
])('videos named by %j', (prompt, expected) => {
  expect([...findReferences(prompt).video.named]).toEqual(expected);
});

test.each([
  ['오디오1을 배경 음악으로', [1]],
  ['音频2', [2]],
  ['Audio 5.1 surround', []],
])('audio named by %j', (prompt, expected) => {
  expect([...findReferences(prompt).audio.named]).toEqual(expected);
});

test.each<[string, Counts, string[]]>([
  [
    'image 3 on image 1 and image 2',
    [2, 0, 0],
    ['names image 3, but only 2 images are given (counted from image 1)'],
  ],
  ['video 2 like video 1', [0, 1, 0], ['names video 2, but only 1 video is given (counted from video 1)']],
  [
    'videos 1 to 40',
    [0, 0, 0],
    [
      'names video 1, video 2, video 3, video 4, video 5, video 6, video 7, video 8, … and video 40, but no video is given',
    ],
  ],
  ['audio 1', [0, 0, 0], ['names audio 1, but no audio file is given']],
  ['image 0 and image 1', [1, 0, 0], ['names image 0, but only 1 image is given (counted from image 1)']],
  [
    '이미지3',
    [1, 0, 0],
    [
      'names image 3, but only 1 image is given (counted from image 1)',
      'never names image 1; say what it is for, as in "image 1 as …"',
    ],
  ],
  [
    'a boat',
    [2, 1, 0],
    [
      'never names image 1 and image 2; say what it is for, as in "image 1 as …"',
      'never names video 1; say what it is for, as in "video 1 as …"',
    ],
  ],
  [
    'image 1 as the first frame of the video',
    [2, 1, 0],
    ['never names image 2; say what it is for, as in "image 2 as …"'],
  ],
  [
    'the style references image 1',
    [2, 0, 0],
    ['never names image 2; say what it is for, as in "image 2 as …"'],
  ],
])('%j with %j', (prompt, counts, expected) => {
  expect(warningsOf(prompt, counts)).toEqual(expected);
});

test.each<[string, Counts]>([
  ['images 1 and 2', [2, 0, 0]],
  ['image 1 and 2', [2, 0, 0]],
  ['the palette of the 3 provided images', [3, 0, 0]],
  ['the first image, then the second image', [2, 0, 0]],
  ['image one as sky', [1, 0, 0]],
  ['in the style of the picture', [1, 0, 0]],
  ['a 4k video 10 seconds long in the style of image 1', [1, 0, 0]],
  ['all references together', [3, 2, 1]],
  ['사진처럼', [3, 0, 0]],
  ['cut to the music', [0, 0, 1]],
])('nothing to say about %j with %j', (prompt, counts) => {
  expect(warningsOf(prompt, counts)).toEqual([]);
});

test('media that a prompt never names matter in ref only', () => {
  expect(warningsOf('a boat', [2, 0, 0], 'i2v')).toEqual([]);
  expect(warningsOf('image 1', [0, 0, 0], 't2v')).toEqual(['names image 1, but no image is given']);
});

test.each([
  ['글'.repeat(500), []],
  ['글'.repeat(501), ['has 501 Chinese, Japanese or Korean characters; at most 500 are recommended']],
  ['字'.repeat(501), ['has 501 Chinese, Japanese or Korean characters; at most 500 are recommended']],
  ['word '.repeat(1000), []],
  ['word '.repeat(1001), ['has 1001 words; at most 1000 are recommended']],
  ['- '.repeat(1001), []],
])('recommended lengths %#', (prompt, expected) => {
  expect(warningsOf(prompt, [0, 0, 0])).toEqual(expected);
});

test('tokens are bounded from below', () => {
  expect(measurePrompt('one two')).toMatchObject({ words: 2, minTokens: 2 });
  expect(measurePrompt('가나다라마')).toMatchObject({ words: 0, cjkCharacters: 5, minTokens: 2 });
  expect(measurePrompt('a'.repeat(1280))).toMatchObject({ words: 1, minTokens: 10 });
});

test('a long prompt is read in linear time', () => {
  const blanks = `image${' '.repeat(500_000)}x`;
  const numbers = `image ${'1, '.repeat(100_000)}`;
  expect(warningsOf(blanks, [1, 0, 0])).toEqual([]);
  expect(findReferences(numbers).image.named).toEqual(new Set([1]));
});
