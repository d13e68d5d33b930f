import fc from 'fast-check';
import { expect, test } from 'vitest';
import { displayWidth, padToWidth, truncateToWidth, wrapToWidth } from '../../../src/ui/table.ts';

const anyText = fc.string({
  unit: fc.constantFrom('a', ' ', '한', '語', 'é', 'e\u0301', '👍🏽', '👨‍👩‍👧', '…'),
});

test.each([
  ['abc', 3],
  ['한국어', 6],
  ['👍🏽', 2],
  ['e\u0301', 1],
])('%s takes %d columns', (text, columns) => expect(displayWidth(text)).toBe(columns));

test.each([
  ['초록색 개구리', 13, '초록색 개구리'],
  ['초록색 개구리', 12, '초록색 개구…'],
  // The wide character would need one column more: it is left out and not halved.
  ['초록색', 4, '초…'],
  ['초록색', 1, '…'],
  ['초록색', 0, ''],
  ['ab👨‍👩‍👧cd', 4, 'ab…'],
])('%s cut to %d columns is %s', (text, columns, cut) => expect(truncateToWidth(text, columns)).toBe(cut));

test('a cut with the ASCII ellipsis still fits', () => {
  expect(truncateToWidth('a green frog', 8, '...')).toBe('a gre...');
  expect(truncateToWidth('a green frog', 2, '...')).toBe('..');
});

test('no cut text is ever wider than asked', () => {
  fc.assert(
    fc.property(anyText, fc.nat(20), (text, columns) => {
      expect(displayWidth(truncateToWidth(text, columns))).toBeLessThanOrEqual(columns);
    }),
  );
});

test('padding counts columns and not characters', () => {
  expect(padToWidth('한국', 6)).toBe('한국  ');
  expect(padToWidth('7', 3, 'right')).toBe('  7');
  expect(padToWidth('한국', 2)).toBe('한국');
});

test('wrapping loses nothing, keeps the indent and keeps lines within the width where words allow it', () => {
  expect(wrapToWidth('  two words more', 11)).toBe('  two words\n    more');
  fc.assert(
    fc.property(anyText, fc.integer({ min: 4, max: 30 }), (text, columns) => {
      const lines = wrapToWidth(text, columns).split('\n');
      expect(lines.join(' ').split(/ +/).join('')).toBe(text.split(/ +/).join(''));
      for (const line of lines) {
        if (/\S /u.test(line.trimEnd())) expect(displayWidth(line.trimEnd())).toBeLessThanOrEqual(columns);
      }
    }),
  );
});
