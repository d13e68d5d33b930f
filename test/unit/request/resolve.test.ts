import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { coerceDuration, mergeDrafts } from '../../../src/request/draft.ts';
import { NAMED_FIELDS } from '../../../src/request/fields.ts';
import { toWireBody } from '../../../src/request/fingerprint.ts';
import { modelFor, OPERATIONS, type Operation, TIERS } from '../../../src/request/models.ts';
import { formatProblem } from '../../../src/request/problems.ts';
import { resolveRequest } from '../../../src/request/resolve.ts';
import { AUDIO, draftOf, IMAGE, VIDEO } from './draft.ts';

type Values = Readonly<Record<string, unknown>>;
const linesOf = (operation: Operation, values: Values): string[] =>
  resolveRequest(draftOf(operation, values)).problems.map(formatProblem);

const DURATION = 'must be a whole number of seconds from 4 to 15';
const RATIOS = 'must be one of 16:9, 9:16, 1:1, 4:3, 3:4, 21:9, adaptive';
const SEARCH = 'exists only for `evolink t2v` with tier standard or fast; leave it out';

// Most rules are held by test/e2e/bad-input.test.ts; here is what a command line can't say, and the words.
const RULES: Readonly<Record<Operation, readonly (readonly [Values, string])[]>> = {
  t2v: [
    [{ duration: Number.NaN }, `--duration "NaN": ${DURATION}`],
    [{ duration: 0 }, `--duration "0": ${DURATION}`],
    [{ duration: '8' }, `--duration "8": ${DURATION}, without quotes`],
    [
      { quality: 720 },
      `--quality "720": must be one of 480p, 720p, 1080p, 4k, in quotes; did you mean 720p?`,
    ],
    [{ quality: '1080p', tier: 'fast' }, 'one of 480p, 720p in tier fast; 1080p needs tier standard'],
    [{ aspectRatio: '16x9' }, `--aspectRatio "16x9": ${RATIOS}; did you mean 16:9?`],
    [{ generateAudio: 'true' }, '--generateAudio "true": must be true or false, without quotes'],
    [{ tier: 'fast', model: 'seedance-3.0-text-to-video' }, 'says nothing about the model seedance-3.0'],
    [{ tier: 'fast', model: 'seedance-2.0-text-to-video' }, 'which is of tier standard; leave one of'],
    [{ model: 'seedance-2.0-fast-image-to-video' }, '`evolink i2v`, or the model seedance-2.0-fast-text-'],
    [{ model: '' }, '--model "": must be a model id, such as seedance-2.0-text-to-video'],
    [{ prompt: '\u200b\u2060' }, '--prompt "": must not be empty'],
    [{ prompt: 5 }, '--prompt "5": must be text'],
    [{ prompt: 'a \ud83d b' }, 'holds a broken character (half a character, or NUL); save the text as UTF-8'],
    [{ prompt: 'word '.repeat(10_001) }, 'must be at most 10000 tokens; this is at least 10001'],
    [{ images: [IMAGE] }, 'takes no images; use `evolink i2v` (first and last frame) or `evolink ref`'],
    [{ audios: [AUDIO] }, '`evolink t2v` takes no audio; use `evolink ref`'],
    [{ tier: 'mini', webSearch: true }, `--webSearch "true": ${SEARCH}`],
    [{ webSearch: true, contentFilter: false }, 'go together with content_filter false (--contentFilter)'],
    [{ callbackUrl: 'https://0x7f.1/x' }, `"https://0x7f.1/x": points to a loopback address (127.0.0.1)`],
    [{ callbackUrl: 'https://10.0.0.1/x?token=s3cret' }, '"https://10.0.0.1/x?…": points to a private'],
    [{ callbackUrl: `https://e.com/${'a'.repeat(2048)}` }, 'must have at most 2048 characters, not 2062'],
  ],
  i2v: [
    [{}, 'images: missing; i2v needs a first frame (-i FILE)'],
    [{ images: [IMAGE, IMAGE, IMAGE] }, 'must be 1 to 2 images, not 3; for more, use `evolink ref`'],
  ],
  ref: [
    [{ images: Array(10).fill(IMAGE) }, 'must be 0 to 9 images, not 10'],
    [{ audios: [AUDIO] }, 'cannot stand alone: give at least one image or video with it'],
    [{ images: ['./a.png'] }, '--images "./a.png": must be a full http:// or https:// URL'],
    [{ images: ['https://cdn.example.com/a b.png'] }, 'URL without spaces; write a space as %20'],
    [{ images: [IMAGE], webSearch: true }, `--webSearch "true": ${SEARCH}`],
  ],
};

test.each(OPERATIONS.flatMap((each) => RULES[each].map(([values, line]) => [each, values, line] as const)))(
  '%s %j',
  (operation, values, expected) => {
    expect(linesOf(operation, values)).toEqual([expect.stringContaining(expected)]);
  },
);

test.each([
  [true, [`web_search (config.yaml:2) "true": ${SEARCH.replace('leave it out', 'left out')}`]],
  [false, []],
])('web_search %s of a config is left out where the model has no such field', (value, lines) => {
  const webSearch = { value, source: 'web_search (config.yaml:2)', isSetting: true };
  for (const model of ['seedance-2.5-text-to-video', 'seedance-2.0-mini-text-to-video']) {
    const draft = { ...draftOf('t2v', { model, prompt: 'a boat' }), webSearch };
    const { request, warnings } = resolveRequest(draft);
    expect(request && toWireBody(request)).not.toHaveProperty('model_params');
    expect(warnings.map(formatProblem).filter((line) => line.includes('web_search'))).toEqual(lines);
    const typed = { ...draft, webSearch: { value, source: '--web-search' } };
    expect(resolveRequest(typed).problems.map(({ source }) => source)).toEqual(['--web-search']);
  }
});

test('everything wrong is told at once', () => {
  const values = { prompt: ' ', tier: 'fast', quality: '4k', duration: 99, callbackUrl: 'x', webSearch: 1 };
  const sources = resolveRequest(draftOf('i2v', values)).problems.map(({ source }) => source);
  expect(sources.sort()).toEqual(
    ['--callbackUrl', '--duration', '--prompt', '--quality', '--webSearch', '--webSearch', 'images'].sort(),
  );
});

test('a body above 64 MB is refused', () => {
  const url = `https://cdn.example.com/${'a'.repeat(8 * 1024 * 1024)}.png`;
  const lines = linesOf('ref', { images: Array(9).fill(url) });
  expect(lines).toEqual(['request: the request has 73 MB, the limit is 64 MB']);
});

test.each(['data:image/png;base64,AA', 'file:///a.png', 's3://bucket/a.png', 'a\0.png', ' ', 'http:/a.png'])(
  'local media never take %j',
  (value) => {
    const draft = draftOf('ref', { images: [value] });
    expect(resolveRequest(draft, { allowLocalMedia: true }).problems).toHaveLength(1);
  },
);

const REQUIRED = { t2v: {}, i2v: { images: [IMAGE] }, ref: { images: [IMAGE] } } as const;

test.each(OPERATIONS.flatMap((operation) => TIERS.map((tier) => [operation, tier] as const)))(
  '%s in tier %s: the model of the table, all settings sent, by tier and by id',
  (operation, tier) => {
    const id = modelFor(operation, tier)?.id;
    const byTier = resolveRequest(draftOf(operation, { ...REQUIRED[operation], tier }));
    const byModel = resolveRequest(draftOf(operation, { ...REQUIRED[operation], model: id }));
    expect(byTier.problems).toEqual([]);
    expect(byModel.request).toEqual(byTier.request);
    const settings = { durationSeconds: 5, quality: '720p', aspectRatio: '16:9', generateAudio: true };
    expect(byTier.request).toMatchObject({ model: id, tier, ...settings, contentFilter: true });
    expect(byTier.request).not.toHaveProperty('webSearch');
  },
);

test.each<[Operation, Values]>([
  ['t2v', { webSearch: true, tier: 'fast' }],
  ['t2v', { webSearch: false, contentFilter: false }],
  ['t2v', { quality: '4k', duration: 15, aspectRatio: 'adaptive' }],
  ['t2v', { duration: 4, callbackUrl: 'https://hooks.example.com:8443/x?a=b' }],
  ['i2v', { images: [IMAGE, IMAGE] }],
  ['ref', { images: Array(9).fill(IMAGE), videos: Array(3).fill(VIDEO), audios: Array(3).fill(AUDIO) }],
  ['ref', { images: ['http://cdn.example.com/a.png'] }],
])('takes %s %j', (operation, values) => {
  expect(linesOf(operation, values)).toEqual([]);
});

test('URLs beyond ASCII are percent-encoded, others and local paths sent as written', () => {
  const images = ['https://cdn.example.com/사진.png', 'https://CDN.example.com/a%20b/../c.png', './a b.png'];
  const { request } = resolveRequest(draftOf('ref', { images }), { allowLocalMedia: true });
  expect(request?.images).toEqual(['https://cdn.example.com/%EC%82%AC%EC%A7%84.png', ...images.slice(1)]);
});

test('loopback URLs are taken only for an API on loopback', () => {
  const values = { images: ['http://127.0.0.1:4010/a.png'], callbackUrl: 'http://localhost:9/x' };
  expect(linesOf('i2v', values)).toHaveLength(2);
  expect(resolveRequest(draftOf('i2v', values), { allowLoopback: true }).problems).toEqual([]);
  const draft = draftOf('i2v', { images: ['http://10.0.0.1/a.png'] });
  expect(resolveRequest(draft, { allowLoopback: true }).problems).toHaveLength(1);
});

describe('a model that the table does not hold', () => {
  const model = 'seedance-3.0-text-to-video';

  test('passes with a warning, and is sent only what was named', () => {
    const { request, problems, warnings } = resolveRequest(draftOf('t2v', { model, prompt: 'a boat' }));
    expect(problems).toEqual([]);
    expect(warnings.map(formatProblem)).toEqual([
      `--model "${model}": is not a model this version knows: its own limits and price are not checked, the API decides; did you mean seedance-2.0-text-to-video?`,
    ]);
    expect(request && toWireBody(request)).toEqual({ model, prompt: 'a boat' });
    expect(request?.tier).toBeUndefined();
  });

  test('keeps its own limits: values outside the tables are warnings and are sent', () => {
    const values = { model, duration: 30, quality: '8k', aspectRatio: '2:1', webSearch: true };
    const { request, problems, warnings } = resolveRequest(draftOf('t2v', values));
    expect(problems).toEqual([]);
    const sources = warnings.map((warning) => warning.source);
    expect(sources).toEqual(['--model', '--duration', '--quality', '--aspectRatio']);
    expect(request && toWireBody(request)).toMatchObject({
      duration: 30,
      quality: '8k',
      aspect_ratio: '2:1',
    });
  });

  test('keeps the rules of every model', () => {
    const values = { model, images: [IMAGE], duration: 0, quality: '', generateAudio: 'x', prompt: '' };
    const sources = resolveRequest(draftOf('t2v', values)).problems.map((problem) => problem.source);
    expect(sources).toEqual(['--images', '--prompt', '--duration', '--quality', '--generateAudio']);
  });

  test('may take more media of a kind that its operation has, or be of another operation', () => {
    const many = resolveRequest(draftOf('ref', { model: 'x-9', images: Array(12).fill(IMAGE) }));
    expect(many.problems).toEqual([]);
    expect(many.warnings.map(({ message }) => message)).toContain('must be 0 to 9 images, not 12');
    expect(linesOf('ref', { model: 'x-9', audios: [AUDIO] })).toHaveLength(1);
    const other = resolveRequest(draftOf('i2v', { model, images: [IMAGE] }));
    const message = 'is a model for text-to-video, not for image-to-video; use `evolink t2v`';
    expect([other.problems, other.warnings.map((each) => each.message)]).toEqual([
      [],
      expect.arrayContaining([message]),
    ]);
  });
});

describe('mergeDrafts', () => {
  test('what is over wins, lists as a whole, also false and empty ones; sources are kept', () => {
    const merged = mergeDrafts(
      { ...draftOf('ref', { generateAudio: false, images: [] }), quality: undefined },
      draftOf('ref', { generateAudio: true, images: ['a'], videos: ['v'], quality: '4k' }),
    );
    expect(merged).toMatchObject({
      generateAudio: { value: false },
      images: [],
      videos: [{ value: 'v' }],
      quality: { value: '4k', source: '--quality' },
    });
  });

  test.each([
    [{ tier: 'fast' }, { model: 'm' }, { tier: 'fast', model: undefined }],
    [{ model: 'm' }, { model: 'n', tier: 'fast' }, { tier: undefined, model: 'm' }],
    [{ duration: 5 }, { model: 'n', tier: 'fast' }, { tier: 'fast', model: 'n' }],
  ])('model and tier are one choice: %j over %j', (over, under, expected) => {
    const merged = mergeDrafts(draftOf('t2v', over), draftOf('t2v', under));
    expect({ tier: merged.tier?.value, model: merged.model?.value }).toEqual(expected);
  });
});

test.each([
  [' 12s ', 12],
  ['8 S', 8],
  ['8.5', '8.5'],
  ['', ''],
])('the duration %j reads as %j', (text, expected) => {
  expect(coerceDuration(text)).toBe(expected);
});

const anyValue = fc.anything({ withBigInt: true, withNullPrototype: true, withSparseArray: true });
const sourced = fc.record({
  value: fc.oneof(anyValue, fc.string({ unit: 'binary' }), fc.webUrl()),
  source: fc.string(),
});
const single = fc.option(sourced, { nil: undefined });
const list = fc.option(fc.array(sourced, { maxLength: 12 }), { nil: undefined });
const anyDraft = fc.record({
  operation: fc.constantFrom(...OPERATIONS),
  ...Object.fromEntries(NAMED_FIELDS.map(({ name }) => [name, single])),
  images: list,
  videos: list,
  audios: list,
});

test('never throws, and gives a request exactly when there is no problem', () => {
  fc.assert(
    fc.property(anyDraft, fc.boolean(), (draft, allowLocalMedia) => {
      const { request, problems, warnings } = resolveRequest(draft, { allowLocalMedia });
      expect(request === undefined).toBe(problems.length > 0);
      for (const problem of [...problems, ...warnings]) {
        expect(problem.message).not.toBe('');
        expect([...(problem.value ?? '')].length).toBeLessThanOrEqual(60);
        expect(problem.value ?? '').not.toMatch(/\p{Cc}/u);
      }
    }),
    { numRuns: 400 },
  );
});
