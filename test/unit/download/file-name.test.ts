import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  cutToBytes,
  nameBytes,
  toSafeId,
  toSafeName,
  toShortId,
  toSlug,
} from '../../../src/download/output.ts';

describe('toSafeName', () => {
  it.each([
    ['clip', 'clip'],
    ['../../etc/passwd', 'etc-passwd'],
    ['a/b\\c', 'a-b-c'],
    ['..', ''],
    ['-rf', 'rf'],
    ['.hidden', 'hidden'],
    ['trailing. . ', 'trailing'],
    ['16:9', '16x9'],
    ['a\u0000b\u0001c\u007f', 'abc'],
    ['a\u001b]0;pwn\u0007b\u001b[31mc\u001bPq\u001b\\d', 'abcd'],
    ['\u202egpj.exe', 'gpj.exe'],
    ['a\u200b\u2060\ufeffb', 'ab'],
    ['\ud800x', 'x'],
    ['e\u0301', '\u00e9'],
    ['CON.txt', 'CON_.txt'],
    ['com1', 'com1-'],
    ['LPT¹', 'LPT¹_'],
    ['console', 'console'],
    ['<>:"|?*', ''],
    ['초록 개구리', '초록 개구리'],
  ])('%j → %j', (value, name) => {
    expect(toSafeName(value)).toBe(name);
  });

  it('holds for any text: nothing left to do, nothing that leaves its place', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'grapheme' }),
      fc
        .array(
          fc.constantFrom(
            '..',
            '/',
            '\\',
            'con',
            '.',
            ' ',
            '-',
            ':',
            '\u202e',
            '\u200b',
            'a',
            '한',
            '\ud83d',
            'nul',
            '1',
          ),
        )
        .map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(text, (value) => {
        const name = toSafeName(value);
        expect(toSafeName(name)).toBe(name);
        expect(name).not.toMatch(/[/\\<>:"|?*\p{Cc}\p{Bidi_Control}]/u);
        expect(name).not.toMatch(/^[\s.-]|[\s.]$/u);
        expect(name).toBe(name.normalize('NFC'));
      }),
      { numRuns: 3000 },
    );
  });
});

describe('toSlug', () => {
  it.each([
    ['A macro lens focuses on a green glass frog', 'a-macro-lens-focuses-on-a-green-glass'],
    ['Été à  la   plage!', 'été-à-la-plage'],
    ['초록 유리 개구리가, 잎 위에 🐸', '초록-유리-개구리가-잎-위에'],
    ['绿色的玻璃青蛙', '绿色的玻璃青蛙'],
    ['ضفدع زجاجي', 'ضفدع-زجاجي'],
    ['हिन्दी में', 'हिन्दी-में'],
    ['🐸🐸', ''],
    ['../../etc', 'etc'],
  ])('%j → %j', (prompt, slug) => {
    expect(toSlug(prompt)).toBe(slug);
  });

  it('is bounded, safe and final for any prompt', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'binary', maxLength: 400 }), fc.lorem({ maxCount: 60 })),
        (prompt) => {
          const slug = toSlug(prompt);
          expect(nameBytes(slug)).toBeLessThanOrEqual(96);
          expect(toSlug(slug)).toBe(slug);
          expect(slug).toMatch(/^[\p{L}\p{N}\p{M}-]*$/u);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('cuts one endless word at a letter', () => {
    const slug = toSlug('글'.repeat(500));
    expect(nameBytes(slug)).toBe(96);
    expect(slug).toMatch(/^글+$/);
  });
});

describe('ids', () => {
  it.each([
    ['task-unified-1757156493-imcg5zqt', 'imcg5zqt'],
    ['imcg5zqt', 'imcg5zqt'],
    ['abc', 'abc'],
    ['550e8400-e29b-41d4-a716-446655440000', '446655440000'],
    ['0123456789abcdef0123456789abcdef', '456789abcdef'],
    ['../../x', 'x'],
    ['', ''],
  ])('%j → %j', (taskId, id) => {
    expect(toShortId(taskId)).toBe(id);
  });

  it('stay in their alphabet and length', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (taskId) => {
        expect(toSafeId(taskId)).toMatch(/^[A-Za-z0-9_-]{0,64}$/);
        const id = toShortId(taskId);
        expect(id).toMatch(/^([A-Za-z0-9][A-Za-z0-9_-]{0,15})?$/);
        expect(toShortId(id)).toBe(id);
      }),
    );
  });
});

describe('cutToBytes', () => {
  it.each([
    ['abc', 2, 'ab'],
    ['한글', 5, '한'],
    ['a\u0301b', 2, ''],
    ['👨‍👩‍👧x', 17, ''],
    ['👨‍👩‍👧x', 18, '👨‍👩‍👧'],
  ])('%j to %i bytes → %j', (text, maxBytes, cut) => {
    expect(cutToBytes(text, maxBytes)).toBe(cut);
  });
});
