import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readDraft } from '../../../src/request/draft.ts';
import type { WireBody } from '../../../src/request/fields.ts';
import { canonicalJson, fingerprint } from '../../../src/request/fingerprint.ts';
import type { JobObject } from '../../../src/request/problems.ts';
import { resolveRequest } from '../../../src/request/resolve.ts';

interface Row {
  readonly body: JobObject & { readonly prompt: string };
  readonly hashes: Readonly<Record<string, string>>;
  readonly wire: object;
  readonly fingerprint: string;
}

/** Written by version 0.1.0: its records and sidecars know requests by these fingerprints. */
const ROWS: readonly Row[] = JSON.parse(
  readFileSync(new URL('../../fixtures/requests/fingerprints-0.1.0.json', import.meta.url), 'utf8'),
);

const BODY: WireBody = {
  model: 'm',
  prompt: 'p',
  image_urls: ['./a.png', './b.png'],
  duration: 5,
  quality: '720p',
  aspect_ratio: '16:9',
  generate_audio: true,
  content_filter: true,
};

test.each([
  [{ b: 1, a: [2, { d: undefined, c: null }] }, '{"a":[2,{"c":null}],"b":1}'],
  [{ 10: 1, 9: 2, B: 3, a: 4, é: 5 }, '{"10":1,"9":2,"B":3,"a":4,"é":5}'],
  ['a"\n', '"a\\"\\n"'],
  [-0, '0'],
  [1e21, '1e+21'],
])('%j', (value, text) => {
  expect(canonicalJson(value)).toBe(text);
});

test('a fingerprint is the SHA-256 of the canonical body, so it stays the same over versions', () => {
  const { image_urls: _, ...plain } = BODY;
  expect(fingerprint(plain)).toBe('f0908cdfa1a43dc73d2ea437b25ab503393f3bd002518ada02bae4174932997a');
});

test('it follows the content of local media and their order, not their names', () => {
  const print = (...files: readonly (readonly [name: string, hash: string])[]) =>
    fingerprint({ ...BODY, image_urls: files.map(([name]) => name) }, new Map(files));
  const one = print(['./a.png', 'h1'], ['./b.png', 'h2']);
  const changed = print(['./a.png', 'h1'], ['./b.png', 'h3']);
  const swapped = print(['./b.png', 'h2'], ['./a.png', 'h1']);
  expect(print(['x.png', 'h1'], ['https://u.example.com/y', 'h2'])).toBe(one);
  expect(new Set([one, changed, swapped, fingerprint(BODY)]).size).toBe(4);
});

test('every setting is part of it', () => {
  const others = [
    { duration: 6 },
    { prompt: 'q' },
    { generate_audio: false },
    { callback_url: 'https://c.example.com' },
    { model_params: { web_search: false } },
  ];
  const prints = others.map((change) => fingerprint({ ...BODY, ...change }));
  expect(new Set([fingerprint(BODY), ...prints]).size).toBe(others.length + 1);
});

test.each(ROWS.map((row) => [row.body.prompt, row] as const))('as version 0.1.0: %s', (_prompt, row) => {
  const { draft } = readDraft({ value: row.body, locate: () => ({ source: 'body' }) });
  const { request } = (draft && resolveRequest(draft, { folder: '/' })) ?? {};
  if (request === undefined) throw new Error('refused');
  // The order of the keys too: bodies are compared as text.
  expect(JSON.stringify(request.body)).toBe(JSON.stringify(row.wire));
  expect(fingerprint(request.body, new Map(Object.entries(row.hashes)))).toBe(row.fingerprint);
});
