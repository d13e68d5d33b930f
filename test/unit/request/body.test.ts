import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { draftFromBody } from '../../../src/request/draft.ts';
import { FIELDS } from '../../../src/request/fields.ts';
import { toWireBody } from '../../../src/request/fingerprint.ts';
import type { Operation } from '../../../src/request/models.ts';
import { formatProblem } from '../../../src/request/problems.ts';
import { resolveRequest } from '../../../src/request/resolve.ts';

const FIXTURES = new URL('../../fixtures/bodies/', import.meta.url);
const T2V = 'seedance-2.0-text-to-video';

function readFixture(name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(new URL(name, FIXTURES), 'utf8'));
}

const names = readdirSync(FIXTURES);

test.each(names)('%s is a valid request as it stands', (name) => {
  const body = readFixture(name);
  const { draft, problems } = draftFromBody(body);
  expect(problems).toEqual([]);
  const resolved = resolveRequest(draft ?? { operation: 't2v' });
  expect(resolved.problems).toEqual([]);
  const wire = resolved.request && toWireBody(resolved.request);
  expect(wire).toEqual({ quality: '720p', generate_audio: true, content_filter: true, ...body });
});

const LISTS = 'and image_urls are the same list; leave one of the two out';
const FRAMES = 'and images are the same images; leave one of the two out';
const BY_KEY = { web_search: true, model_params: { web_search: true } };

test.each<readonly [unknown, Operation | undefined, string]>([
  [null, 't2v', 'body "null": must be an object with keys such as prompt and duration'],
  [{ promt: 'a' }, 't2v', 'promt "a": is not a known key; did you mean prompt?'],
  [{ aspectRatio: '1:1' }, 't2v', 'aspectRatio "1:1": is not a known key; did you mean aspect_ratio?'],
  [{ type: 'T2V' }, undefined, 'type "T2V": must be one of t2v, i2v, ref; did you mean t2v?'],
  [
    { type: 'image-to-video' },
    'i2v',
    'type "image-to-video": must be one of t2v, i2v, ref; did you mean i2v?',
  ],
  [{ type: 'ref' }, 't2v', 'type "ref": belongs to `evolink ref`, not to `evolink t2v`'],
  [{ images: 'a.png' }, 'ref', 'images "a.png": must be a list, also where there is only one'],
  [{ images: ['a'], image_urls: ['b'] }, 'ref', `images "["a"]": ${LISTS}`],
  [{ last: 'b.png' }, 'i2v', 'last "b.png": needs the first frame too; give first'],
  [{ first: 'a.png' }, 'ref', 'first "a.png": is only for i2v; use images'],
  [{ first: 'a.png', images: [] }, 'i2v', `first "a.png": ${FRAMES}`],
  [{ model_params: true }, 't2v', 'model_params "true": must be an object, such as {"web_search": true}'],
  [
    { model_params: { websearch: 1 } },
    't2v',
    'model_params.websearch "1": is not a known key; did you mean web_search?',
  ],
  [BY_KEY, 't2v', 'web_search "true": is given twice (also as model_params.web_search)'],
])('%j as %s', (body, operation, expected) => {
  expect(draftFromBody(body, { operation }).problems.map(formatProblem)).toEqual([expected]);
});

test.each<[unknown, Operation]>([
  [{ type: 'ref' }, 'ref'],
  [{ model: 'seedance-2.0-mini-image-to-video' }, 'i2v'],
  [{ model: 'seedance-2.5-reference-to-video' }, 'ref'],
  [{ type: 't2v', model: T2V }, 't2v'],
  [{ prompt: 'a' }, 't2v'],
  [{ first: 'a.png' }, 'i2v'],
  [{ image_urls: ['a.png'] }, 'ref'],
  [{ audios: [] }, 'ref'],
])('%j says its operation', (body, operation) => {
  expect(draftFromBody(body)).toMatchObject({ draft: { operation }, problems: [] });
});

test('every key reaches the draft, with its place', () => {
  const body = {
    ...{ tier: 'fast', prompt: 'a', images: ['a.png', 'b.png'], videos: ['c.mp4'], audios: ['d.mp3'] },
    ...{ duration: 6, quality: '480p', aspect_ratio: '1:1', generate_audio: false, content_filter: false },
    ...{ web_search: false, callback_url: 'https://e.example.com' },
  };
  const locate = (path: readonly (string | number)[]) => ({ source: `job.yaml ${path.join('/')}` });
  const { draft, problems } = draftFromBody(body, { operation: 'ref', locate });
  expect(problems).toEqual([]);
  const entries = Object.entries(draft ?? {}).filter(([, value]) => value !== undefined && value !== 'ref');
  const read = entries.flatMap(([, value]) => (Array.isArray(value) ? value : [value]));
  expect(read.map(({ value, source }) => `${source.replace('job.yaml ', '')} ${value}`).sort()).toEqual(
    Object.entries(body)
      .flatMap(([key, value]) =>
        Array.isArray(value) ? value.map((each, at) => `${key}/${at} ${each}`) : `${key} ${value}`,
      )
      .sort(),
  );
});

test('never throws, whatever is read', () => {
  const key = fc.constantFrom(...FIELDS.map((row): string => row.key), 'x', '__proto__', 'constructor');
  const body = fc.oneof(fc.anything(), fc.dictionary(key, fc.anything()));
  fc.assert(
    fc.property(
      body,
      fc.constantFrom<Operation | undefined>('t2v', 'i2v', 'ref', undefined),
      (value, operation) => {
        const { draft, problems } = draftFromBody(value, { operation });
        if (draft === undefined) expect(problems).not.toEqual([]);
        else resolveRequest(draft);
      },
    ),
  );
});
