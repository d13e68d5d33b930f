import { expect, test } from 'vitest';
import { isUnicodeLocale } from '../../../src/platform/io.ts';

const cases: readonly [Record<string, string>, boolean][] = [
  [{ LANG: 'ko_KR.UTF-8' }, true],
  [{ LANG: 'C.utf8' }, true],
  [{ LANG: 'C' }, false],
  [{}, false],
  [{ LC_ALL: 'C', LANG: 'en_US.UTF-8' }, false],
  [{ LC_ALL: '', LC_CTYPE: 'UTF-8', LANG: 'C' }, true],
  [{ WT_SESSION: '1' }, true],
  [{ TERM_PROGRAM: 'vscode' }, true],
  [{ WT_SESSION: '1', LC_ALL: 'C' }, false],
];

test.each(cases)('%o', (env, isUnicode) => {
  expect(isUnicodeLocale(env)).toBe(isUnicode);
});
