import { resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { coerceDuration, type RequestDraft, readDraft } from '../../../src/request/draft.ts';
import { FIELDS } from '../../../src/request/fields.ts';
import { modelFor, OPERATIONS, type Operation, type Problem, TIERS } from '../../../src/request/models.ts';
import { formatProblem } from '../../../src/request/problems.ts';
import { resolveRequest } from '../../../src/request/resolve.ts';

type Values = Readonly<Record<string, unknown>>;

const IMAGE = 'https://cdn.example.com/a.png';
const VIDEO = 'https://cdn.example.com/a.mp4';
const AUDIO = 'https://cdn.example.com/a.mp3';

/** A draft from plain values: `draftOf('t2v', { duration: 3 })` has the source `--duration`. */
function draftOf(operation: Operation, values: Values = {}): RequestDraft {
  const value = { prompt: 'a boat with image 1', ...values };
  return { operation, value, locate: ([key]) => ({ source: `--${key}` }) };
}
const resolveOf = (operation: Operation, values: Values = {}, allowLoopback = false) =>
  resolveRequest(draftOf(operation, values), { folder: '/work', allowLoopback });
const linesOf = (operation: Operation, values: Values): string[] =>
  resolveOf(operation, values).problems.map(formatProblem);

const DURATION = 'must be a whole number of seconds from 4 to 15';
const RATIOS = 'must be one of 16:9, 9:16, 1:1, 4:3, 3:4, 21:9, adaptive';
const SEARCH = 'exists only for `evolink t2v` with tier standard or fast; leave it out';

// Most rules are held by test/e2e/bad-input.test.ts; here is what a command line can't say, and the words.
const RULES: Readonly<Record<Operation, readonly (readonly [Values, string])[]>> = {
  t2v: [
    [{ duration: Number.NaN }, `--duration "NaN": ${DURATION}`],
    [{ duration: 0 }, `--duration "0": ${DURATION}`],
    [{ duration: '8' }, `--duration "8": ${DURATION}, without quotes`],
    [{ quality: 720 }, '--quality "720": must be one of 480p, 720p, 1080p, 4k; did you mean 720p?'],
    [{ quality: '1080p', tier: 'fast' }, 'with seedance-2.0-fast-text-to-video; 1080p needs tier standard'],
    [{ aspect_ratio: '16x9' }, `--aspect_ratio "16x9": ${RATIOS}; did you mean 16:9?`],
    [{ generate_audio: 'true' }, '--generate_audio "true": must be true or false, without quotes'],
    [{ tier: 'fast', model: 'seedance-3.0-text-to-video' }, 'does not fit the model seedance-3.0'],
    [{ model: 'seedance-2.0-fast-image-to-video' }, 'not for text-to-video; use `evolink i2v`'],
    [{ model: '' }, '--model "": must be a model id, such as seedance-2.0-text-to-video'],
    [{ prompt: '\u200b\u2060' }, '--prompt "": must not be empty'],
    [{ prompt: 5 }, '--prompt "5": must be text'],
    [{ prompt: 'a \ud83d b' }, 'holds a broken character (half a character, or NUL); save the text as UTF-8'],
    [{ prompt: 'word '.repeat(10_001) }, 'must be at most 10000 tokens; this is at least 10001'],
    [{ image_urls: [IMAGE] }, 'takes no images; use `evolink i2v` or `evolink ref`'],
    [{ audio_urls: [AUDIO] }, '`evolink t2v` takes no audio files; use `evolink ref`'],
    [{ tier: 'mini', web_search: true }, `--web_search "true": ${SEARCH}`],
    [{ web_search: true, content_filter: false }, 'go together with content_filter false (--content_filter)'],
    [{ callback_url: 'https://0x7f.1/x' }, `"https://0x7f.1/x": points to a loopback address (127.0.0.1)`],
    [{ callback_url: 'https://10.0.0.1/x?token=s3cret' }, '"https://10.0.0.1/x?…": points to a private'],
    [{ callback_url: `https://e.com/${'a'.repeat(2048)}` }, 'must have at most 2048 characters, not 2062'],
  ],
  i2v: [
    [{}, '--images: missing; i2v needs a first frame (-i FILE)'],
    [{ image_urls: [IMAGE, IMAGE, IMAGE] }, 'must be 1 to 2 images, not 3; for more, use `evolink ref`'],
  ],
  ref: [
    [{ audio_urls: [AUDIO] }, 'cannot stand alone: give at least one image or video with it'],
    [{ image_urls: ['https://cdn.example.com/a b.png'] }, 'URL without spaces; write a space as %20'],
    [{ image_urls: [IMAGE], web_search: true }, `--web_search "true": ${SEARCH}`],
  ],
};

test.each(OPERATIONS.flatMap((each) => RULES[each].map(([values, line]) => [each, values, line] as const)))(
  '%s %j',
  (operation, values, expected) => {
    expect(linesOf(operation, values)).toEqual([expect.stringContaining(expected)]);
  },
);

test.each([
  ['t2v', 'seedance-2.5-text-to-video'],
  ['t2v', 'seedance-2.0-mini-text-to-video'],
  ['i2v', 'seedance-2.0-image-to-video'],
  ['ref', 'seedance-9-reference-to-video'],
] as const)(
  '%s by %s has no web_search: of a config it is left out, of a flag refused',
  (operation, model) => {
    const image_urls = operation === 't2v' ? undefined : [IMAGE];
    for (const web_search of [true, false]) {
      const typed = draftOf(operation, { model, prompt: 'a boat', image_urls, web_search });
      const locate = () => ({ source: 'web_search (config.yaml:2)', isSetting: true });
      const { request, warnings } = resolveRequest({ ...typed, locate }, { folder: '/work' });
      expect(request?.body).not.toHaveProperty('model_params');
      const isSaid = warnings.some(({ message }) => message === SEARCH.replace('leave it out', 'left out'));
      expect(isSaid).toBe(web_search);
      const isKnown = !model.startsWith('seedance-9');
      const sources = resolveRequest(typed, { folder: '/work' }).problems.map(({ source }) => source);
      expect(sources).toEqual(isKnown ? ['--web_search'] : []);
    }
  },
);

test('a body above 64 MB is refused', () => {
  const url = `https://cdn.example.com/${'a'.repeat(8 * 1024 * 1024)}.png`;
  const lines = linesOf('ref', { image_urls: Array(9).fill(url) });
  expect(lines).toEqual(['--request: the request has 73 MB, the limit is 64 MB']);
});

test.each(['data:image/png;base64,AA', 'file:///a.png', 's3://bucket/a.png', 'a\0.png', ' ', 'http:/a.png'])(
  'local media never take %j',
  (value) => {
    expect(resolveOf('ref', { image_urls: [value] }).problems).toHaveLength(1);
  },
);

const REQUIRED = { t2v: {}, i2v: { image_urls: [IMAGE] }, ref: { image_urls: [IMAGE] } } as const;

test.each(OPERATIONS.flatMap((operation) => TIERS.map((tier) => [operation, tier] as const)))(
  '%s in tier %s: the model of the table, all settings sent, by tier and by id',
  (operation, tier) => {
    const id = modelFor(operation, tier)?.id;
    const byTier = resolveOf(operation, { ...REQUIRED[operation], tier });
    const byModel = resolveOf(operation, { ...REQUIRED[operation], model: id });
    expect(byTier.problems).toEqual([]);
    expect(byModel.request).toEqual(byTier.request);
    const settings = { duration: 5, quality: '720p', aspect_ratio: '16:9', generate_audio: true };
    expect(byTier.request).toMatchObject({ tier, body: { model: id, ...settings, content_filter: true } });
    expect(byTier.request?.body).not.toHaveProperty('model_params');
  },
);

const MOST = { image_urls: Array(9).fill(IMAGE), video_urls: Array(3).fill(VIDEO) };

test.each<[Operation, Values]>([
  ['t2v', { web_search: true, tier: 'fast' }],
  ['t2v', { web_search: false, content_filter: false }],
  ['t2v', { quality: '4k', duration: 15, aspect_ratio: 'adaptive' }],
  ['t2v', { duration: 4, callback_url: 'https://hooks.example.com:8443/x?a=b' }],
  ['i2v', { image_urls: [IMAGE, IMAGE] }],
  ['ref', { ...MOST, audio_urls: Array(3).fill(AUDIO) }],
  ['ref', { image_urls: ['http://cdn.example.com/a.png'] }],
])('takes %s %j', (operation, values) => {
  expect(linesOf(operation, values)).toEqual([]);
});

test('URLs beyond ASCII are percent-encoded, others sent as written, local paths counted from the folder', () => {
  const image_urls = [
    'https://cdn.example.com/사진.png',
    'https://CDN.example.com/a%20b/../c.png',
    './a b.png',
  ];
  const { request } = resolveOf('ref', { image_urls });
  expect(request?.body.image_urls).toEqual([
    'https://cdn.example.com/%EC%82%AC%EC%A7%84.png',
    image_urls[1],
    resolve('/work/a b.png'),
  ]);
});

test('loopback URLs are taken only for an API on loopback', () => {
  const values = { image_urls: ['http://127.0.0.1:4010/a.png'], callback_url: 'http://localhost:9/x' };
  expect(linesOf('i2v', values)).toHaveLength(2);
  expect(resolveOf('i2v', values, true).problems).toEqual([]);
  expect(resolveOf('i2v', { image_urls: ['http://10.0.0.1/a.png'] }, true).problems).toHaveLength(1);
});

describe('a model that the table does not hold', () => {
  const model = 'seedance-3.0-text-to-video';
  const sourcesOf = (found: readonly Problem[]) => found.map(({ source }) => source.slice(2));

  test('passes with a warning, and is sent only what was named', () => {
    const { request, problems, warnings } = resolveOf('t2v', { model, prompt: 'a boat' });
    expect([problems, warnings.map(formatProblem)]).toEqual([
      [],
      [
        `--model "${model}": is not a model this version knows: its own limits and price are not checked, the API decides; did you mean seedance-2.0-text-to-video?`,
      ],
    ]);
    expect(request).toEqual({ operation: 't2v', tier: undefined, body: { model, prompt: 'a boat' } });
  });

  test('keeps its own limits, whose values are warnings and are sent, and the rules of every model', () => {
    const limits = { model, duration: 30, quality: '8k', aspect_ratio: '2:1' };
    const { request, problems, warnings } = resolveOf('t2v', limits);
    expect([problems, sourcesOf(warnings)]).toEqual([[], Object.keys(limits)]);
    expect(request?.body).toMatchObject(limits);
    const rules = { image_urls: [IMAGE], prompt: '', duration: 0, quality: '', generate_audio: 'x' };
    expect(sourcesOf(resolveOf('t2v', { model, ...rules }).problems)).toEqual(Object.keys(rules));
  });

  test('may take more media of a kind that its operation has, or be of another operation', () => {
    const many = resolveOf('ref', { model: 'x-9', image_urls: Array(12).fill(IMAGE) });
    const other = resolveOf('i2v', { model, image_urls: [IMAGE] });
    expect([...many.problems, ...other.problems]).toEqual([]);
    const messages = [...many.warnings, ...other.warnings].map(({ message }) => message);
    expect(messages).toContain('must be 0 to 9 images, not 12');
    expect(messages).toContain('is a model for text-to-video, not for image-to-video; use `evolink t2v`');
    expect(linesOf('ref', { model: 'x-9', audio_urls: [AUDIO] })).toHaveLength(1);
  });
});

test.each([
  [' 12s ', 12],
  ['8 S', 8],
  ['8.5', '8.5'],
])('the duration %j reads as %j', (text, expected) => {
  expect(coerceDuration(text)).toBe(expected);
});

const anyValue = fc.anything({ withBigInt: true, withNullPrototype: true, withSparseArray: true });
const value = fc.oneof(anyValue, fc.string({ unit: 'binary' }), fc.webUrl(), fc.array(fc.webUrl()));
const keys = [...FIELDS.map((row) => row.key), 'x', '__proto__', 'constructor'];
const anyJob = fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: 20 });
const command = fc.constantFrom(...OPERATIONS, undefined);

test('never throws, and gives a request exactly when there is no problem', () => {
  fc.assert(
    fc.property(command, anyJob, (operation, job) => {
      const { draft, problems } = readDraft({ value: job, locate: () => ({ source: 'job' }) }, operation);
      if (draft === undefined) expect(problems).not.toEqual([]);
      if (draft === undefined) return;
      const resolved = resolveRequest(draft, { folder: '/work' });
      expect(resolved.request === undefined).toBe(resolved.problems.length > 0);
      for (const problem of [...problems, ...resolved.problems, ...resolved.warnings]) {
        expect(problem.message).not.toBe('');
        expect([...(problem.value ?? '')].length).toBeLessThanOrEqual(60);
        expect(problem.value ?? '').not.toMatch(/\p{Cc}/u);
      }
    }),
    { numRuns: 400 },
  );
});
