import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { describeKeyPath, readDraft } from '../../../src/request/draft.ts';
import type { Operation } from '../../../src/request/models.ts';
import { formatProblem, type JobObject } from '../../../src/request/problems.ts';
import { resolveRequest } from '../../../src/request/resolve.ts';

const FIXTURES = new URL('../../fixtures/bodies/', import.meta.url);
const T2V = 'seedance-2.0-text-to-video';

function readFixture(name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(new URL(name, FIXTURES), 'utf8'));
}

const read = (value: JobObject, command?: Operation) =>
  readDraft({ value, locate: (keyPath) => ({ source: describeKeyPath(keyPath) }) }, command);
const names = readdirSync(FIXTURES);

test.each(names)('%s is a valid request as it stands', (name) => {
  const body = readFixture(name);
  const { draft, problems } = read(body);
  expect(problems).toEqual([]);
  const resolved = draft && resolveRequest(draft, { folder: '/work' });
  expect(resolved?.problems).toEqual([]);
  expect(resolved?.request?.body).toEqual({
    quality: '720p',
    generate_audio: true,
    content_filter: true,
    ...body,
  });
});

// biome-ignore format: one row a mistake
test.each<readonly [JobObject, Operation | undefined, string]>([
  [{ type: 'T2V' }, undefined, 'type "T2V": must be one of t2v, i2v, ref; did you mean t2v?'],
  [{ type: 'ref' }, 't2v', 'type "ref": belongs to `evolink ref`, not to `evolink t2v`'],
  [{ images: 'a.png' }, 'ref', 'images "a.png": must be a list, also where there is only one'],
  [{ images: ['a'], image_urls: ['b'] }, 'ref', 'images "["a"]": and image_urls say the same; leave one of the two out'],
  [{ last: 'b.png' }, 'i2v', 'last "b.png": needs the first frame too; give first (--first)'],
  [{ first: 'a.png' }, 'ref', 'first "a.png": is only for i2v; use images'],
  [{ first: 'a.png', images: [] }, 'i2v', 'images "[]": and first say the same; leave one of the two out'],
  [{ model_params: true }, 't2v', 'model_params "true": must be an object, such as {"web_search": true}'],
  [{ model_params: { websearch: 1 } }, 't2v', 'model_params.websearch "1": is not a known key; known is web_search'],
  [{ web_search: true, model_params: { web_search: true } }, 't2v', 'web_search "true": and model_params say the same; leave one of the two out'],
])('%j as %s', (body, operation, expected) => {
  expect(read(body, operation).problems.map(formatProblem)).toEqual([expected]);
});

test.each<[JobObject, Operation]>([
  [{ type: 'ref' }, 'ref'],
  [{ model: 'seedance-2.0-mini-image-to-video' }, 'i2v'],
  [{ model: 'seedance-2.5-reference-to-video' }, 'ref'],
  [{ type: 't2v', model: T2V }, 't2v'],
  [{ prompt: 'a' }, 't2v'],
  [{ first: 'a.png' }, 'i2v'],
  [{ image_urls: ['a.png'] }, 'ref'],
  [{ audios: [] }, 'ref'],
])('%j says its operation', (body, operation) => {
  expect(read(body)).toMatchObject({ draft: { operation }, problems: [] });
});

test.each([
  [{ images: ['a.png', 'b.png'] }, ['image_urls', 1], 'images[1]'],
  [{ image_urls: ['a.png'] }, ['image_urls', 0], 'image_urls[0]'],
  [{ first: 'a.png', last: 'b.png' }, ['image_urls', 1], 'last'],
  [{ model_params: { web_search: false } }, ['web_search'], 'model_params.web_search'],
  [{ duration: 6 }, ['duration'], 'duration'],
  [{ extra: { seed: 7 } }, ['extra', 'seed'], 'extra.seed'],
  [{}, ['prompt'], 'prompt'],
])('%j: %j of the draft stands at %s', (body, keyPath, place) => {
  expect(read(body, 'i2v').draft?.locate(keyPath).source).toBe(place);
});
