import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toWireBody } from '../../../src/request/fingerprint.ts';
import { modelFor, OPERATIONS, TIERS } from '../../../src/request/models.ts';
import { formatProblem } from '../../../src/request/problems.ts';
import { resolveRequest } from '../../../src/request/resolve.ts';
import { AUDIO, draftOf, IMAGE, VIDEO } from './draft.ts';

const REQUIRED = { t2v: {}, i2v: { images: [IMAGE] }, ref: { images: [IMAGE] } } as const;

test.each(OPERATIONS.flatMap((operation) => TIERS.map((tier) => [operation, tier] as const)))(
  '%s in tier %s: the model of the table, all settings sent, by tier and by id',
  (operation, tier) => {
    const id = modelFor(operation, tier)?.id;
    const byTier = resolveRequest(draftOf(operation, { ...REQUIRED[operation], tier }));
    const byModel = resolveRequest(draftOf(operation, { ...REQUIRED[operation], model: id }));
    expect(byTier.problems).toEqual([]);
    expect(byModel.request).toEqual(byTier.request);
    expect(byTier.request).toMatchObject({
      model: id,
      tier,
      durationSeconds: 5,
      quality: '720p',
      aspectRatio: '16:9',
      generateAudio: true,
      contentFilter: true,
    });
  },
);

test.each([
  ['t2v', { webSearch: true, tier: 'fast' }],
  ['t2v', { webSearch: false, contentFilter: false }],
  ['t2v', { quality: '4k', duration: 15, aspectRatio: 'adaptive' }],
  ['t2v', { duration: 4, callbackUrl: 'https://hooks.example.com:8443/x?a=b' }],
  ['t2v', { callbackUrl: 'https://8.8.8.8/x' }],
  ['i2v', { images: [IMAGE, IMAGE] }],
  ['ref', { images: Array(9).fill(IMAGE), videos: Array(3).fill(VIDEO), audios: Array(3).fill(AUDIO) }],
  ['ref', { videos: [VIDEO], audios: [AUDIO] }],
  ['ref', {}],
  ['ref', { images: ['http://cdn.example.com/a.png'] }],
] as const)('takes %s %j', (operation, values) => {
  const { request, problems } = resolveRequest(draftOf(operation, values));
  expect(problems).toEqual([]);
  expect(request?.operation).toBe(operation);
});

test('URLs beyond ASCII are percent-encoded, others sent as written', () => {
  const images = ['https://cdn.example.com/사진.png', 'https://CDN.example.com/a%20b/../c.png'];
  expect(resolveRequest(draftOf('ref', { images })).request?.images).toEqual([
    'https://cdn.example.com/%EC%82%AC%EC%A7%84.png',
    'https://CDN.example.com/a%20b/../c.png',
  ]);
});

test('local paths are taken where they are allowed', () => {
  const images = ['./a b.png', 'C:\\clips\\a.png', '/tmp/a.png', IMAGE];
  const { request, problems } = resolveRequest(draftOf('ref', { images }), { allowLocalMedia: true });
  expect(problems).toEqual([]);
  expect(request?.images).toEqual(images);
});

test('loopback URLs are taken only for an API on loopback', () => {
  const values = { images: ['http://127.0.0.1:4010/a.png'], callbackUrl: 'http://localhost:9/x' };
  expect(resolveRequest(draftOf('i2v', values)).problems).toHaveLength(2);
  expect(resolveRequest(draftOf('i2v', values), { allowLoopback: true }).problems).toEqual([]);
  const priv = { images: ['http://10.0.0.1/a.png'] };
  expect(resolveRequest(draftOf('i2v', priv), { allowLoopback: true }).problems).toHaveLength(1);
});

describe('a model that the table does not hold', () => {
  const model = 'seedance-2.5-text-to-video';
  const unknown = `--model "${model}": is not a model this version knows: its own limits and price are not checked, the API decides; did you mean seedance-2.0-text-to-video?`;

  test('passes with a warning', () => {
    const { request, problems, warnings } = resolveRequest(draftOf('t2v', { model, prompt: 'a boat' }));
    expect(problems).toEqual([]);
    expect(warnings.map(formatProblem)).toEqual([unknown]);
    // A newer model may refuse what this version would fill in.
    expect(request && toWireBody(request)).toEqual({ model, prompt: 'a boat' });
    expect(request?.tier).toBeUndefined();
  });

  test('keeps its own limits: values outside the tables are warnings and are sent', () => {
    const values = {
      model,
      prompt: 'a boat',
      duration: 30,
      quality: '8k',
      aspectRatio: '2:1',
      webSearch: true,
      contentFilter: false,
    };
    const { request, problems, warnings } = resolveRequest(draftOf('t2v', values));
    expect(problems).toEqual([]);
    expect(warnings.map((warning) => warning.source)).toEqual([
      '--model',
      '--duration',
      '--quality',
      '--aspectRatio',
      '--webSearch',
    ]);
    expect(request && toWireBody(request)).toMatchObject({
      duration: 30,
      quality: '8k',
      aspect_ratio: '2:1',
    });
  });

  test('keeps the rules of every model', () => {
    const values = { model, images: [IMAGE], duration: 0, quality: '', generateAudio: 'x', prompt: '' };
    const { problems } = resolveRequest(draftOf('t2v', values));
    expect(problems.map((problem) => problem.source)).toEqual([
      '--images',
      '--prompt',
      '--duration',
      '--quality',
      '--generateAudio',
    ]);
  });

  test('may take more media of a kind that its operation has', () => {
    const many = resolveRequest(
      draftOf('ref', { model: 'seedance-2.5-reference-to-video', images: Array(12).fill(IMAGE) }),
    );
    expect(many.problems).toEqual([]);
    expect(many.warnings.map((warning) => warning.message)).toContain('must be 0 to 9 images, not 12');
    const alone = resolveRequest(draftOf('ref', { model: 'x-9', audios: [AUDIO] }));
    expect(alone.problems.map((problem) => problem.source)).toEqual(['--audios']);
  });

  test('is a warning where its name says another operation', () => {
    const { problems, warnings } = resolveRequest(draftOf('i2v', { model, images: [IMAGE] }));
    expect(problems).toEqual([]);
    expect(warnings.map((warning) => warning.message)).toContain(
      'is a model for text-to-video, not for image-to-video; use `evolink t2v`',
    );
  });

  test('a misspelled id gets the nearest known one', () => {
    const { warnings } = resolveRequest(draftOf('t2v', { model: 'seedance-2.0-fast-txt-to-video' }));
    expect(warnings[0]?.suggestion).toBe('seedance-2.0-fast-text-to-video');
  });
});

test('ref without any reference is a warning', () => {
  const { warnings } = resolveRequest(draftOf('ref', { prompt: 'a boat' }));
  expect(warnings.map(formatProblem)).toEqual([
    'references: are missing: without any, `evolink t2v` does the same, and the guide of the service calls it cheaper',
  ]);
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
  model: single,
  tier: single,
  prompt: single,
  images: list,
  videos: list,
  audios: list,
  durationSeconds: single,
  quality: single,
  aspectRatio: single,
  generateAudio: single,
  contentFilter: single,
  webSearch: single,
  callbackUrl: single,
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
