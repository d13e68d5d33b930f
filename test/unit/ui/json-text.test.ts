import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toIsoTime, toJsonText } from '../../../src/ui/format.ts';

const HOSTILE =
  '\u001b]52;c;x\u0007 \u007f \u009b31m \u202e \u2066 \u2028 \u200b \ufeff \u{e0041} ##[add-mask]x';

test('no control or invisible character stands bare, and the data stay the same', () => {
  const text = toJsonText({ text: HOSTILE });
  expect(text).toMatch(/^[\u0020-\u007e]*$/);
  expect(text).not.toContain('##[');
  expect(JSON.parse(text)).toEqual({ text: HOSTILE });
});

test('letters of every script stay readable', () => {
  expect(toJsonText('초록색 é 🐸')).toBe('"초록색 é 🐸"');
});

test('every value reads back, from one line', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = toJsonText(value);
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      expect(text).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u);
    }),
  );
});

test.each([undefined, Number.NaN, Number.POSITIVE_INFINITY, 9e15])('the moment %s is null', (atMs) => {
  expect(toIsoTime(atMs)).toBeNull();
});
