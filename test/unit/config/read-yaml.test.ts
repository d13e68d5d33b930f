import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readYaml } from '../../../src/config/yaml.ts';
import { cpuSecondsOf } from '../../helpers/cpu-time.ts';

/** Nine levels of nine aliases: a billion values. */
const LAUGHS = Array.from({ length: 9 }, (_, level) => {
  const items = level === 0 ? Array(9).fill('"lol"') : Array(9).fill(`*a${level - 1}`);
  return `a${level}: &a${level} [${items.join(',')}]`;
}).join('\n');

const BOMBS: readonly (readonly [name: string, text: () => string, message: RegExp])[] = [
  ['an alias bomb', () => LAUGHS, /aliases/],
  ['a hundred thousand aliases', () => `a: &a x\nb: [${Array(100_000).fill('*a').join(',')}]`, /aliases/],
  ['an alias to what holds it', () => 'a: &a [*a]', /part of/],
  ['deep lists', () => `a: ${'['.repeat(1_000_000)}`, /nested too deeply/],
  ['deep closed lists', () => `${'['.repeat(2000)}${']'.repeat(2000)}`, /nested too deeply/],
  ['deep objects', () => '{a: '.repeat(100_000), /nested too deeply/],
  ['deep dashes', () => `${'- '.repeat(100_000)}x`, /nested too deeply/],
  ['deep question marks', () => `${'? '.repeat(100_000)}x`, /nested too deeply/],
  ['many keys', () => Array.from({ length: 250_000 }, (_, i) => `k${i}: v`).join('\n'), /too much/],
  ['many commas', () => `[${','.repeat(4_000_000)}]`, /too much/],
  ['many quotes', () => '"'.repeat(4_000_000), /too much/],
  ['many documents', () => '---\n'.repeat(1_000_000), /too much/],
  ['several documents', () => 'a: 1\n---\nb: 2', /more than one document/],
  ['more than 5 MB', () => `a: ${'x'.repeat(5_000_001)}`, /larger than 5 MB/],
];

it.each(BOMBS)('refuses %s, and quickly', async (_name, text, message) => {
  const source = text();
  const seconds = await cpuSecondsOf(() => expect(readYaml(source).problems[0]?.message).toMatch(message));
  expect(seconds).toBeLessThan(5);
});

it('takes an alias for the last anchor of its name before it', () => {
  expect(readYaml('a: &x 1\nb: *x\nc: &x 2\nd: *x').document?.value).toEqual({ a: 1, b: 1, c: 2, d: 2 });
  expect(readYaml('b: *x\na: &x 1').problems[0]?.position).toEqual({ line: 1, column: 4 });
});

it('repeats a large part without copying it, and takes reasonable nesting', () => {
  const text = `a: &a [${Array(3000).fill('x').join(',')}]\nb: [${Array(99).fill('*a').join(',')}]`;
  const { b } = Object(readYaml(text).document?.value);
  expect([b.length, new Set(b).size]).toEqual([99, 1]);
  expect(readYaml(`a: ${'['.repeat(50)}${']'.repeat(50)}`).problems).toEqual([]);
});

it.each(['__proto__', 'constructor', 'prototype'])('refuses the key %s at any depth', (key) => {
  const { problems } = readYaml(`a:\n  - b:\n      ${key}: {polluted: true}`);
  expect(problems).toEqual([
    { position: { line: 3, column: 7 }, keyPath: ['a', 0, 'b', key], message: 'is not allowed as a key' },
  ]);
  expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
});

it('reads YAML 1.2: 16:9, yes and dates are text', () => {
  const { document } = readYaml('a: 16:9\nb: yes\nc: 0777\nd: 2026-01-01\ne: 1_000');
  expect(document?.value).toEqual({ a: '16:9', b: 'yes', c: 777, d: '2026-01-01', e: '1_000' });
});

it('knows where keys, values and items stand', () => {
  const { document } = readYaml('# x\r\na:\r\n  b: "c"\r\n  d:\r\n    - 1\r\n    -   2\r\n');
  expect(document?.keyAt(['a', 'b'])).toEqual({ line: 3, column: 3 });
  expect(document?.valueAt(['a', 'b'])).toEqual({ line: 3, column: 6 });
  expect(document?.keyAt(['a', 'd', 1])).toEqual({ line: 6, column: 9 });
  expect(document?.keyAt(['nothing'])).toBeUndefined();
});

it('reads any JSON as JSON.parse does', () => {
  const key = fc
    .string({ minLength: 1, maxLength: 20 })
    .filter((name) => !['__proto__', 'constructor', 'prototype', '<<'].includes(name));
  const json = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.string({ unit: 'binary' }),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      tie('list'),
      tie('object'),
    ),
    list: fc.array(tie('value'), { maxLength: 4 }),
    object: fc.dictionary(key, tie('value'), { maxKeys: 4 }),
  })).object;
  fc.assert(
    fc.property(json, fc.constantFrom(undefined, 2, '\t'), (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      const { document, problems } = readYaml(text);
      expect(problems).toEqual([]);
      expect(document?.value).toEqual(JSON.parse(text));
    }),
    { numRuns: 300 },
  );
});

it('never throws and never quotes the text', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('sk-canary', ...': \n[{}]"\'-&*!|>%#,?\t@`')), (parts) => {
      const { problems } = readYaml(parts.join(''));
      for (const { message } of problems) expect(message).not.toContain('canary');
    }),
    { numRuns: 2000 },
  );
});
