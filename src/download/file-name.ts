import filenamify from 'filenamify';
import { stripEscapes } from '../platform/strip-escapes.ts';

/** What every common file system takes for one name (ext4, APFS and NTFS: 255 of their units; bytes are the strictest). */
export const MAX_NAME_BYTES = 255;

const MAX_SLUG_BYTES = 96;
const MAX_SLUG_WORDS = 8;
const MAX_ID_LENGTH = 64;
const SHORT_ID_LENGTH = 12;

/** Controls, format characters (bidi, zero-width), lone surrogates, unassigned, private use, line separators, invisible letters. */
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** The length of a name in bytes of UTF-8. */
export function nameBytes(name: string): number {
  return Buffer.byteLength(name);
}

/** Cuts a text to at most so many bytes of UTF-8, never inside a grapheme (a letter with its marks, an emoji sequence). */
export function cutToBytes(text: string, maxBytes: number): string {
  if (nameBytes(text) <= maxBytes) return text;
  let cut = '';
  let room = maxBytes;
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    room -= nameBytes(segment);
    if (room < 0) break;
    cut += segment;
  }
  return cut;
}

/**
 * A value made safe as a part of a file name on any platform: NFC, no separators, no characters that Windows reserves, no
 * escape sequences, control, bidi or zero-width characters, no leading dash or dot, no trailing dot or space, no device name (`CON`, `COM1`).
 * May be empty. Doing it twice changes nothing.
 */
export function toSafeName(value: string): string {
  const spaced = stripEscapes(value)
    .normalize('NFC')
    .replace(/[\t-\r\u2028\u2029]/g, ' ');
  const visible = spaced
    .replace(INVISIBLE, '')
    .replace(/\s+/gu, ' ')
    .replace(/(\d):(?=\d)/g, '$1x');
  const allowed = filenamify(visible, { replacement: '-', maxLength: Number.MAX_SAFE_INTEGER }).normalize(
    'NFC',
  );
  const trimmed = allowed.replace(/^[\s.-]+/u, '').replace(/[\s.]+$/u, '');
  return isDeviceName(trimmed) ? `${trimmed}_`.replace(/^([^.]*)(.*)_$/s, '$1_$2') : trimmed;
}

/** Says whether Windows takes the name for a device, whatever its extension. */
export function isDeviceName(name: string): boolean {
  return /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)\s*(?:\.|$)/iu.test(name);
}

/** The words of a prompt as a name: letters and digits of any script, lower case, joined by `-`, at most eight words. May be empty. */
export function toSlug(prompt: string): string {
  const words =
    stripEscapes(prompt)
      .normalize('NFC')
      .toLowerCase()
      .normalize('NFC')
      .match(/[\p{L}\p{N}][\p{L}\p{N}\p{M}]*/gu) ?? [];
  let slug = '';
  for (const word of words.slice(0, MAX_SLUG_WORDS)) {
    const longer = slug === '' ? word : `${slug}-${word}`;
    if (nameBytes(longer) > MAX_SLUG_BYTES) break;
    slug = longer;
  }
  return slug === '' ? cutToBytes(words[0] ?? '', MAX_SLUG_BYTES) : slug;
}

/** A task id reduced to `[A-Za-z0-9_-]`, at most 64 characters: whoever made it, it can't leave its place in a path. */
export function toSafeId(taskId: string): string {
  return taskId.replace(/[^A-Za-z0-9_-]/g, '').slice(-MAX_ID_LENGTH);
}

/**
 * The short form of a task id: its last group if that is long enough to tell tasks apart (`task-unified-1757156493-imcg5zqt`
 * → `imcg5zqt`), else its last 12 characters. A short form of a short form is itself.
 */
export function toShortId(taskId: string): string {
  const id = toSafeId(taskId).replace(/^[-_]+|[-_]+$/g, '');
  const group = /[A-Za-z0-9]{8,16}$/.exec(id)?.[0];
  const isGroup = group !== undefined && /(^|[-_])$/.test(id.slice(0, id.length - group.length));
  return isGroup ? group : id.slice(-SHORT_ID_LENGTH).replace(/^[-_]+/, '');
}
