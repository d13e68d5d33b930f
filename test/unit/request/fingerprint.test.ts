import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalJson, fingerprint } from '../../../src/request/fingerprint.ts';
import type { WireBody } from '../../../src/request/models.ts';

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

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, member]) => [key, reversed(member)] as const);
  return Object.fromEntries(entries.reverse());
}

test('canonical JSON does not depend on the order of keys, and reads back as the value', () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
      const text = canonicalJson(value);
      expect(canonicalJson(reversed(value))).toBe(text);
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

test.each([
  [{ b: 1, a: [2, { d: undefined, c: null }] }, '{"a":[2,{"c":null}],"b":1}'],
  [{ 10: 1, 9: 2, B: 3, a: 4, é: 5 }, '{"10":1,"9":2,"B":3,"a":4,"é":5}'],
  ['a"\n', '"a\\"\\n"'],
  [-0, '0'],
  [1e21, '1e+21'],
])('%j', (value, text) => {
  expect(canonicalJson(value)).toBe(text);
});

test.each([
  [Number.NaN],
  [Number.POSITIVE_INFINITY],
  [1n],
  [undefined],
  [() => 1],
  [[undefined]],
  [Symbol('s')],
])('refuses %s', (value) => {
  expect(() => canonicalJson(value)).toThrow(TypeError);
});

test('a fingerprint is the SHA-256 of the canonical body, so it stays the same over versions', () => {
  const { image_urls: _, ...plain } = BODY;
  expect(fingerprint(plain)).toBe('f0908cdfa1a43dc73d2ea437b25ab503393f3bd002518ada02bae4174932997a');
});

test('it follows the content of local media, not their names', () => {
  const byName = (a: string, b: string) => ({ ...BODY, image_urls: [a, b] });
  const one = fingerprint(
    BODY,
    new Map([
      ['./a.png', 'h1'],
      ['./b.png', 'h2'],
    ]),
  );
  const renamed = fingerprint(
    byName('x.png', 'https://u.example.com/y'),
    new Map([
      ['x.png', 'h1'],
      ['https://u.example.com/y', 'h2'],
    ]),
  );
  const changed = fingerprint(
    BODY,
    new Map([
      ['./a.png', 'h1'],
      ['./b.png', 'h3'],
    ]),
  );
  const swapped = fingerprint(
    byName('./b.png', './a.png'),
    new Map([
      ['./a.png', 'h1'],
      ['./b.png', 'h2'],
    ]),
  );
  expect(renamed).toBe(one);
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
