import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitText, plainText, wrapText } from '../../../src/sandbox/video/text.ts';

/** One unit for ASCII, two for all else. */
const measure = (text: string): number => {
  let width = 0;
  for (const character of text) width += character < '\u007f' ? 1 : 2;
  return width;
};
const wrap = (text: string, maxWidth: number, maxLines = 9) =>
  wrapText(text, { maxWidth, maxLines, measure });

describe('wrapText', () => {
  it.each([
    ['words', 'a glass frog on a leaf', 11, ['a glass', 'frog on a', 'leaf']],
    ['exactly full lines', 'glass frogs', 5, ['glass', 'frogs']],
    ['after hyphens', 'text-to-video', 8, ['text-to-', 'video']],
    ['Korean between words only', '비 내리는 서울', 10, ['비 내리는', '서울']],
    ['Chinese anywhere', '清晨的森林里', 8, ['清晨的森', '林里']],
    ['no line begins with a full stop', '森林里。青蛙', 6, ['森林', '里。青', '蛙']],
    ['Latin inside Japanese', '朝のAIカメラ', 8, ['朝のAIカ', 'メラ']],
    ['nothing', '', 8, []],
  ])('breaks %s', (_name, text, maxWidth, lines) => {
    expect(wrap(text, maxWidth)).toEqual({ lines, cut: false, brokeWord: false });
  });

  it('breaks a word that is longer than a line, and says so', () => {
    expect(wrap('a donaudampfschiff b', 6)).toEqual({
      lines: ['a', 'donaud', 'ampfsc', 'hiff b'],
      cut: false,
      brokeWord: true,
    });
  });

  it('ends with an ellipsis inside the width where lines run out', () => {
    expect(wrap('one two three four', 8, 2)).toEqual({
      lines: ['one two', 'three…'],
      cut: true,
      brokeWord: false,
    });
    expect(wrap('one two334 three', 8, 1).lines).toEqual(['one…']);
  });

  it('keeps within width and number of lines for any text, and loses nothing unless it says so', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 120 }),
        fc.integer({ min: 4, max: 30 }),
        (raw, maxWidth) => {
          const text = plainText(raw);
          const { lines, cut } = wrap(text, maxWidth, 4);
          expect(lines.length).toBeLessThanOrEqual(4);
          for (const line of lines) expect(measure(line)).toBeLessThanOrEqual(maxWidth);
          if (!cut) expect(lines.join('').replaceAll(' ', '')).toBe(text.replaceAll(' ', ''));
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('fitText', () => {
  it.each([
    ['short', 9, 'short'],
    ['a longer label', 9, 'a longe…'],
    ['anything', 1, '…'],
  ])('%s in %i', (text, maxWidth, expected) => {
    expect(fitText(text, { maxWidth, measure })).toBe(expected);
  });
});

describe('plainText', () => {
  it.each([
    ['line\nbreaks\tand  spaces ', 'line breaks and spaces'],
    ['cafe\u0301', 'café'],
    ['\u1112\u1161\u11ab', '한'],
    ['zero\u200bwidth \u{1f3ac}\ufe0f', 'zerowidth \u{1f3ac}'],
    ['\u001b[31mred', '[31mred'],
  ])('%j becomes %j', (text, expected) => {
    expect(plainText(text)).toBe(expected);
  });
});
