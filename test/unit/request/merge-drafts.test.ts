import { expect, test } from 'vitest';
import { mergeDrafts } from '../../../src/request/resolve.ts';
import { draftOf } from './draft.ts';

test('what is over wins, the rest stays, sources are kept', () => {
  const merged = mergeDrafts(
    { operation: 't2v', durationSeconds: { value: 8, source: '--duration' }, quality: undefined },
    {
      operation: 't2v',
      durationSeconds: { value: 5, source: 'job.yaml' },
      quality: { value: '4k', source: 'job.yaml' },
    },
  );
  expect(merged).toEqual({
    operation: 't2v',
    durationSeconds: { value: 8, source: '--duration' },
    quality: { value: '4k', source: 'job.yaml' },
  });
});

test('false and empty lists are values, and a list replaces as a whole', () => {
  const merged = mergeDrafts(
    draftOf('ref', { generateAudio: false, images: [] }),
    draftOf('ref', { generateAudio: true, images: ['a'], videos: ['v'] }),
  );
  expect(merged.generateAudio?.value).toBe(false);
  expect(merged.images).toEqual([]);
  expect(merged.videos?.map((video) => video.value)).toEqual(['v']);
});

test.each([
  [{ tier: 'fast' }, { model: 'm' }, { tier: 'fast', model: undefined }],
  [{ model: 'm' }, { tier: 'fast' }, { tier: undefined, model: 'm' }],
  [{ model: 'm' }, { model: 'n', tier: 'fast' }, { tier: undefined, model: 'm' }],
  [{ duration: 5 }, { model: 'n', tier: 'fast' }, { tier: 'fast', model: 'n' }],
])('%j over %j', (over, under, expected) => {
  const merged = mergeDrafts(draftOf('t2v', over), draftOf('t2v', under));
  expect({ tier: merged.tier?.value, model: merged.model?.value }).toEqual(expected);
});
