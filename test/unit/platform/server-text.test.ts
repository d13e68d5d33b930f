import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sanitizeServerText } from '../../../src/platform/text.ts';
import { cpuSecondsOf } from '../../helpers/cpu-time.ts';

const cases: readonly [string, string, string][] = [
  ['colours', '\u001B[31mred\u001B[0m', 'red'],
  ['8-bit CSI', '\u009B31mred', 'red'],
  ['a clipboard write (OSC 52)', 'a\u001B]52;c;aGk=\u0007b', 'ab'],
  ['a title (OSC 0 with ST)', 'a\u001B]0;title\u001B\\b', 'ab'],
  ['a device control string', 'a\u001BPq#0;2;0\u001B\\b', 'ab'],
  ['an escape without end', 'a\u001B', 'a'],
  ['carriage return', 'good\rbad', 'good bad'],
  ['NUL, backspace, DEL', 'a\u0000b\u0008c\u007Fd', 'abcd'],
  ['next line and line separators', 'a\u0085b\u2028c\u2029d', 'a b c d'],
  ['bidirectional controls', 'a\u202Eb\u2066c\u200Fd', 'abcd'],
  ['zero-width characters', 'a\u200Bb\u200Dc\uFEFFd\u2060e', 'abcde'],
  ['tag characters', 'a\u{E0041}b', 'ab'],
  ['half of an emoji', 'a\uD83Db', 'a\uFFFDb'],
  ['Korean and emoji stay', '이미지 검사 실패 🎬', '이미지 검사 실패 🎬'],
  ['line breaks in a one-line field', 'a\r\n\n b', 'a  b'],
  ['a workflow command', '::set-output name=x::y', ': :set-output name=x::y'],
  ['an indented workflow command', '   ::error::y', ': :error::y'],
  ['a hidden workflow command', '\u200B::error::y', ': :error::y'],
  ['an old workflow command anywhere', 'text ##[error]y', 'text ## [error]y'],
  ['a pipeline command', '##vso[task.setvariable variable=x]y', '# #vso[task.setvariable variable=x]y'],
  ['colons inside a line', 'std::string', 'std::string'],
];

test.each(cases)('%s', (_name, text, expected) => {
  expect(sanitizeServerText(text)).toBe(expected);
});

test('keeps lines and tabs where asked, and breaks a command on each line', () => {
  expect(sanitizeServerText('a\r\nb\tc\n ::error::x\n\n\n\nd', { multiline: true })).toBe(
    'a\nb\tc\n : :error::x\n\nd',
  );
});

test('cuts between visible characters', () => {
  expect(sanitizeServerText('abcdef', { maxLength: 4 })).toBe('abcd…');
  expect(sanitizeServerText('ab🎬🎬', { maxLength: 5 })).toBe('ab🎬…');
  expect(sanitizeServerText(`ab${'e\u0301'.repeat(3)}`, { maxLength: 5 })).toBe('abe\u0301…');
  expect(sanitizeServerText(`a${'\u0301'.repeat(10_000)}`, { maxLength: 5 })).toBe('…');
});

test('nothing that moves a cursor or starts a line gets through', () => {
  const nasty = fc.constantFrom(...'\u001B[]\r\n: #\u009B\u202E\u2028a\u0007\\P');
  fc.assert(
    fc.property(fc.array(nasty, { maxLength: 40 }), fc.boolean(), (parts, multiline) => {
      const result = sanitizeServerText(parts.join(''), { multiline });
      expect(result.replaceAll(/[\n\t]/g, '')).not.toMatch(/\p{Control}|\p{Bidi_Control}|\u2028/u);
      expect(result).not.toMatch(/^\s*::/m);
      expect(result).not.toContain('##[');
      if (!multiline) expect(result).not.toContain('\n');
    }),
    { numRuns: 500 },
  );
});

test('megabytes of text take no time', async () => {
  const seconds = await cpuSecondsOf(() => sanitizeServerText('\u001B]'.repeat(2_000_000)));
  expect(seconds).toBeLessThan(5);
});
