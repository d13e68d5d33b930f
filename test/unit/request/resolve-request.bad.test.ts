import { expect, test } from 'vitest';
import type { Operation } from '../../../src/request/models.ts';
import { formatProblem } from '../../../src/request/problems.ts';
import { resolveRequest } from '../../../src/request/resolve.ts';
import { AUDIO, draftOf, IMAGE, VIDEO } from './draft.ts';

type Row = readonly [Operation, Readonly<Record<string, unknown>>, string];

const DURATION = 'must be a whole number of seconds from 4 to 15';
const RATIOS = 'must be one of 16:9, 9:16, 1:1, 4:3, 3:4, 21:9, adaptive';
const QUALITY = 'must be one of 480p, 720p, 1080p, 4k';
const UP_TO_720P = 'must be one of 480p, 720p';
const MEDIA_URL = 'must be a full http:// or https:// URL';
const REACH = 'the service must be able to reach it over the public internet';
const CALLBACK = '--callbackUrl';
const ref = (values: Readonly<Record<string, unknown>>) => ({ images: [IMAGE], ...values });

const ROWS: readonly Row[] = [
  ['t2v', { duration: 3 }, `--duration "3": ${DURATION}`],
  ['t2v', { duration: 16 }, `--duration "16": ${DURATION}`],
  ['t2v', { duration: 0 }, `--duration "0": ${DURATION}`],
  ['t2v', { duration: Number.NaN }, `--duration "NaN": ${DURATION}`],
  ['t2v', { duration: '8' }, `--duration "8": ${DURATION}, without quotes`],
  ['t2v', { duration: 'long' }, `--duration "long": ${DURATION}`],
  ['t2v', { quality: '730p' }, `--quality "730p": ${QUALITY}; did you mean 720p?`],
  ['t2v', { quality: 720 }, `--quality "720": ${QUALITY}, in quotes; did you mean 720p?`],
  ['t2v', { quality: '' }, `--quality "": ${QUALITY}`],
  [
    't2v',
    { quality: '1080p', tier: 'fast' },
    `--quality "1080p": ${UP_TO_720P} in tier fast; 1080p needs tier standard`,
  ],
  ['t2v', { aspectRatio: '16x9' }, `--aspectRatio "16x9": ${RATIOS}; did you mean 16:9?`],
  ['t2v', { aspectRatio: 969 }, `--aspectRatio "969": ${RATIOS}, in quotes`],
  ['t2v', { generateAudio: 'yes' }, '--generateAudio "yes": must be true or false'],
  ['t2v', { generateAudio: 'true' }, '--generateAudio "true": must be true or false, without quotes'],
  [
    't2v',
    { tier: 'standart' },
    '--tier "standart": must be one of standard, fast, mini; did you mean standard?',
  ],
  [
    't2v',
    { tier: 'fast', model: 'seedance-2.0-text-to-video' },
    '--tier "fast": does not fit the model seedance-2.0-text-to-video, which is of tier standard; leave one of the two out',
  ],
  [
    't2v',
    { tier: 'fast', model: 'seedance-3.0-text-to-video' },
    '--tier "fast": says nothing about the model seedance-3.0-text-to-video; leave one of the two out',
  ],
  [
    't2v',
    { model: 'seedance-2.0-fast-image-to-video' },
    '--model "seedance-2.0-fast-image-to-video": is a model for image-to-video, not for text-to-video; use `evolink i2v`, or the model seedance-2.0-fast-text-to-video',
  ],
  ['t2v', { model: '' }, '--model "": must be a model id, such as seedance-2.0-text-to-video'],
  ['t2v', { prompt: '' }, '--prompt "": must not be empty'],
  ['t2v', { prompt: '\u200b\u2060' }, '--prompt "": must not be empty'],
  ['t2v', { prompt: 5 }, '--prompt "5": must be text'],
  [
    't2v',
    { prompt: 'a \ud83d b' },
    '--prompt "a b": holds a broken character (half a character, or NUL); save the text as UTF-8',
  ],
  [
    't2v',
    { images: [IMAGE] },
    `--images "${IMAGE}": \`evolink t2v\` takes no images; use \`evolink i2v\` (first and last frame) or \`evolink ref\``,
  ],
  ['t2v', { videos: [VIDEO] }, `--videos "${VIDEO}": \`evolink t2v\` takes no videos; use \`evolink ref\``],
  ['t2v', { audios: [AUDIO] }, `--audios "${AUDIO}": \`evolink t2v\` takes no audio; use \`evolink ref\``],
  ['i2v', {}, 'images: missing; i2v needs a first frame (-i FILE)'],
  [
    'i2v',
    { images: [IMAGE, IMAGE, IMAGE] },
    `--images "${IMAGE}": must be 1 to 2 images, not 3; for more, use \`evolink ref\``,
  ],
  [
    'i2v',
    { images: [IMAGE], videos: [VIDEO] },
    `--videos "${VIDEO}": \`evolink i2v\` takes no videos; use \`evolink ref\``,
  ],
  ['ref', { images: Array(10).fill(IMAGE) }, `--images "${IMAGE}": must be 0 to 9 images, not 10`],
  [
    'ref',
    { audios: [AUDIO] },
    `--audios "${AUDIO}": cannot stand alone: give at least one image or video with it`,
  ],
  ['ref', { images: ['./a.png'] }, `--images "./a.png": ${MEDIA_URL}`],
  ['ref', { images: [''] }, '--images "": must be a URL'],
  [
    'ref',
    { images: ['data:image/png;base64,AAAA'] },
    `--images "data:image/png;base64,AAAA": ${MEDIA_URL}; Base64 data is not accepted`,
  ],
  [
    'ref',
    { images: ['https://cdn.example.com/a b.png'] },
    `--images "https://cdn.example.com/a b.png": ${MEDIA_URL} without spaces; write a space as %20`,
  ],
  [
    'ref',
    { images: ['https://u:pw@cdn.example.com/a.png'] },
    '--images "https://***@cdn.example.com/a.png": must not hold a user name or password',
  ],
  [
    'ref',
    { images: ['http://192.168.1.5/a.png'] },
    `--images "http://192.168.1.5/a.png": points to a private address (192.168.1.5); ${REACH}`,
  ],
  [
    'ref',
    ref({ webSearch: true }),
    '--webSearch "true": exists only for `evolink t2v` with tier standard or fast; leave it out',
  ],
  [
    'i2v',
    { images: [IMAGE], webSearch: false },
    '--webSearch "false": exists only for `evolink t2v` with tier standard or fast; leave it out',
  ],
  [
    't2v',
    { tier: 'mini', webSearch: true },
    '--webSearch "true": exists only for `evolink t2v` with tier standard or fast; leave it out',
  ],
  [
    't2v',
    { webSearch: true, contentFilter: false },
    '--webSearch "true": cannot go together with content_filter false (--contentFilter); leave one of the two out',
  ],
  [
    't2v',
    { callbackUrl: 'http://hooks.example.com/x' },
    `${CALLBACK} "http://hooks.example.com/x": must be a full https:// URL`,
  ],
  [
    't2v',
    { callbackUrl: 'https://0x7f.1/x' },
    `${CALLBACK} "https://0x7f.1/x": points to a loopback address (127.0.0.1); ${REACH}`,
  ],
  [
    't2v',
    { callbackUrl: 'https://10.0.0.1/x?token=s3cret' },
    `${CALLBACK} "https://10.0.0.1/x?…": points to a private address (10.0.0.1); ${REACH}`,
  ],
  [
    't2v',
    { callbackUrl: `https://e.example.com/${'a'.repeat(2048)}` },
    `${CALLBACK} "https://e.example.com/${'a'.repeat(37)}…": must have at most 2048 characters, not 2070`,
  ],
];

test.each(ROWS)('row %#: %s', (operation, values, expected) => {
  const { request, problems } = resolveRequest(draftOf(operation, values));
  expect(problems.map(formatProblem)).toEqual([expected]);
  expect(request).toBeUndefined();
});

test('a missing prompt names the command', () => {
  const { problems } = resolveRequest({ operation: 'i2v', images: [{ value: IMAGE, source: '--image' }] });
  expect(problems.map(formatProblem)).toEqual([
    'prompt: missing; describe the video, for example: evolink i2v "the camera slowly zooms in" --image first.jpg',
  ]);
});

test.each(['data:image/png;base64,AA', 'file:///a.png', 's3://bucket/a.png', 'a\0.png', ' ', 'http:/a.png'])(
  'local media never take %j',
  (value) => {
    const { problems } = resolveRequest(draftOf('ref', { images: [value] }), { allowLocalMedia: true });
    expect(problems).toHaveLength(1);
  },
);

test('reports everything at once', () => {
  const { problems } = resolveRequest(
    draftOf('i2v', {
      prompt: ' ',
      tier: 'fast',
      quality: '4k',
      duration: 99,
      aspectRatio: '5:4',
      callbackUrl: 'x',
      generateAudio: 0,
      webSearch: 1,
    }),
  );
  expect(problems.map((problem) => problem.source).sort()).toEqual([
    '--aspectRatio',
    '--callbackUrl',
    '--duration',
    '--generateAudio',
    '--prompt',
    '--quality',
    '--webSearch',
    '--webSearch',
    'images',
  ]);
});

test('a prompt is refused as too long only where that is certain', () => {
  const over = resolveRequest(draftOf('t2v', { prompt: 'word '.repeat(10_001) }));
  expect(over.problems.map((problem) => problem.message)).toEqual([
    'must be at most 10000 tokens; this is at least 10001',
  ]);
  const likely = resolveRequest(draftOf('t2v', { prompt: '고'.repeat(10_001) }));
  expect(likely.problems).toEqual([]);
  expect(likely.warnings.map((warning) => warning.message)).toEqual([
    'is probably above the hard limit of 10000 tokens (about 10001)',
  ]);
});

test('a body above 64 MB is refused', () => {
  const url = `https://cdn.example.com/${'a'.repeat(8 * 1024 * 1024)}.png`;
  const { problems } = resolveRequest(draftOf('ref', { images: Array(9).fill(url) }));
  expect(problems).toEqual([{ source: 'request', message: 'the request has 73 MB, the limit is 64 MB' }]);
});
