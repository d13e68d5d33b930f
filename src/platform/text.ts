import { stripVTControlCharacters } from 'node:util';

/** Shorter texts are not taken for secrets: they would turn ordinary output into stars. */
const MIN_LENGTH = 8;

/** The texts that must never be printed, and the filter that sees to it. */
export interface Secrets {
  /** Remembers a secret; surrounding white space does not count, and fewer than 8 characters are ignored. */
  add(secret: string): void;
  /** The text with `***` for each secret, also where it stands URL-encoded, Base64-encoded or escaped as in JSON. */
  mask(text: string): string;
}

/** An empty registry. It is the last line of defence: errors and events are free of secrets when they are made. */
export function createSecrets(): Secrets {
  const forms = new Set<string>();
  let longestFirst: readonly string[] = [];

  return {
    add(secret) {
      const text = secret.trim();
      if (text.length < MIN_LENGTH) return;
      for (const form of encodedForms(text)) if (form.length >= MIN_LENGTH) forms.add(form);
      longestFirst = [...forms].sort((a, b) => b.length - a.length);
    },
    mask(text) {
      let masked = text;
      for (const form of longestFirst) if (masked.includes(form)) masked = masked.replaceAll(form, '***');
      return masked;
    },
  };
}

function encodedForms(secret: string): string[] {
  const uri = encodeURIComponent(Buffer.from(secret).toString());
  const lowerUri = uri.replace(/%[0-9A-F]{2}/g, (byte) => byte.toLowerCase());
  const json = JSON.stringify(secret).slice(1, -1);
  return [secret, uri, lowerUri, uri.replaceAll('%20', '+'), json, ...base64Forms(secret)];
}

/**
 * Base64 of a text that holds the secret somewhere (`user:KEY`): three bytes give four characters, so it looks different
 * at each of three offsets. The characters that depend on the neighbours are left out.
 */
function base64Forms(secret: string): string[] {
  const bytes = Buffer.from(secret, 'utf8');
  const inner = [0, 1, 2].map((offset) => {
    const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
    const fullGroups = Math.floor((offset + bytes.length) / 3) * 4;
    return encoded.slice(offset === 0 ? 0 : offset + 1, fullGroups);
  });
  return [bytes.toString('base64'), ...inner].flatMap((text) => [
    text,
    text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', ''),
  ]);
}

/** Printable ASCII only: most texts, and for them no class of all scripts has to be compiled, which takes up to a millisecond. */
export function isPlain(text: string): boolean {
  return /^[ -~]*$/.test(text);
}

/** Escape strings with an end of their own (DCS, SOS, PM, APC), which `stripVTControlCharacters` leaves. ECMA-48 §5.6. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL_STRINGS = /(?:\u001B[PX^_]|[\u0090\u0098\u009E\u009F])[^\u001B\u009C]*(?:\u001B\\|\u009C)/g;

/** A text without whole escape sequences (CSI, OSC, DCS, SOS, PM, APC); control characters that stand alone stay. Pure. */
export function stripEscapes(text: string): string {
  return isPlain(text) ? text : stripVTControlCharacters(text.replace(CONTROL_STRINGS, ''));
}

export interface ServerTextOptions {
  /** Longest result in UTF-16 units, the ellipsis not counted. Default 500. */
  readonly maxLength?: number;
  /** Keeps line breaks and tabs. Default false: one line. */
  readonly multiline?: boolean;
}

/** Says whether a text has characters that a terminal or a log would obey, or show as something else. */
export function hasControls(text: string): boolean {
  return !isPlain(text) && /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u.test(text);
}

/**
 * Makes a string of the service harmless for a terminal and a CI log: escape sequences, control, bidirectional and
 * invisible characters removed, line breaks of every kind unified, length capped between two visible characters,
 * workflow commands broken. For people only; JSON output carries the data as it came, escaped.
 */
export function sanitizeServerText(
  text: string,
  { maxLength = 500, multiline = false }: ServerTextOptions = {},
): string {
  // Bounds the work for a reply of megabytes; what is cut off here is beyond the cap anyway.
  const bounded = text.slice(0, maxLength * 8 + 1024);
  if (isPlain(bounded)) return breakWorkflowCommands(capLength(bounded.trim(), maxLength));
  const harmless = toHarmless(stripEscapes(bounded));
  const shaped = multiline ? harmless.replace(/\n{3,}/g, '\n\n') : harmless.replace(/[\t\n]+/g, ' ');
  return breakWorkflowCommands(capLength(shaped.trim(), maxLength));
}

function toHarmless(text: string): string {
  return (
    text
      .replace(/\r\n?|[\u2028\u2029\u0085\v\f]/g, '\n')
      // C0 without tab and line feed, DEL, C1.
      .replace(/(?![\t\n])\p{Control}/gu, '')
      // What changes how its neighbours look or can't be seen: bidirectional controls, zero-width, tags, annotations.
      .replace(/[\p{Bidi_Control}\p{Default_Ignorable_Code_Point}\uFFF9-\uFFFB]/gu, '')
      .replace(/\p{Surrogate}/gu, '\uFFFD')
  );
}

/** What every common file system takes for one name (ext4, APFS and NTFS: 255 of their units; bytes are the strictest). */
export const MAX_NAME_BYTES = 255;

/** The beginning of a text, of bytes of UTF-8 unless measured otherwise; never half of a grapheme (a letter with its marks, an emoji). */
export function cutText(text: string, max: number, sizeOf: (text: string) => number = Buffer.byteLength) {
  if (sizeOf(text) <= max) return text;
  let cut = '';
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    if (sizeOf(cut + segment) > max) break;
    cut += segment;
  }
  return cut;
}

function capLength(text: string, maxLength: number): string {
  const cut = cutText(text, maxLength, ({ length }) => length);
  return cut === text ? text : `${cut.trimEnd()}…`;
}

/**
 * CI runners obey lines of a log. GitHub's runner trims a line before it looks for `::`, and finds `##[` anywhere in it
 * (actions/runner, `ActionCommand.cs`), and Azure's `##vso[` is of the same kind: indenting does not help, so a space goes into the
 * marks themselves.
 */
function breakWorkflowCommands(text: string): string {
  if (!text.includes('::') && !text.includes('##')) return text;
  return text.replace(/^(\s*)([:#])(?=\2)/gm, '$1$2 ').replace(/##(?=\w*\[)/g, '## ');
}

const camels = new Map<string, string>();

/** `local_id` as `localId`. */
export function toCamel(key: string): string {
  const known = camels.get(key) ?? key.replace(/_([a-z])/g, (_whole, letter: string) => letter.toUpperCase());
  camels.set(key, known);
  return known;
}

function toSnake(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** A document with all keys as they are in memory. What stands under an opaque key has keys of its own, and keeps them. */
export function camelKeys(value: unknown, opaque: readonly string[] = []): unknown {
  return mapKeys(value, toCamel, opaque);
}

/** A value of the memory with all keys as in documents. */
export function snakeKeys(value: unknown, opaque: readonly string[] = []): unknown {
  return mapKeys(value, toSnake, opaque);
}

function mapKeys(value: unknown, rename: (key: string) => string, opaque: readonly string[]): unknown {
  if (Array.isArray(value)) return value.map((item) => mapKeys(item, rename, opaque));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      rename(key),
      opaque.includes(key) ? item : mapKeys(item, rename, opaque),
    ]),
  );
}

/** Several keys of one value, such as the type of fields. */
export function all<T, K extends string>(value: T, ...keys: K[]): Record<K, T> {
  return Object.fromEntries(keys.map((key) => [key, value])) as Record<K, T>;
}

/** Longer than any path or command; a cut one could not be copied. */
const MAX_PATH_LENGTH = 8_192;

/** Makes a path, a command or (`multiline`) a stack trace fit for a screen and a CI log: as `sanitizeServerText`, but never cut. */
export function toHumanPath(text: string, multiline = false): string {
  return sanitizeServerText(text, { maxLength: MAX_PATH_LENGTH, multiline });
}

/** Without a leading `=`, which zsh expands to the path of a command. */
const SAFE_WORD = /^[\w@%+:,./-][\w@%+=:,./-]*$/;

/** Joins arguments into one line that a POSIX shell reads back as the same arguments. */
export function quoteCommand(words: readonly string[]): string {
  return words.map(quoteWord).join(' ');
}

function quoteWord(word: string): string {
  return SAFE_WORD.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** A size for people in IEC units: `512 B`, `1.5 MiB`. */
export function formatBytes(sizeBytes: number): string {
  let value = Math.max(0, Math.round(sizeBytes));
  let unit = 0;
  // Compared as it will be shown: 1023.96 KiB would read "1024.0 KiB".
  for (; Number(value.toFixed(1)) >= 1024 && unit < UNITS.length - 1; unit += 1) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

/** The furthest moment that a `Date` can hold (ECMA-262); beyond it `toISOString` throws. */
const LAST_MOMENT_MS = 8.64e15;

/** ISO 8601 in UTC, or null for a moment that is unknown or makes no sense. */
export function toIsoTime(atMs: unknown): string | null {
  const isMoment = typeof atMs === 'number' && Math.abs(atMs) <= LAST_MOMENT_MS;
  return isMoment ? new Date(atMs).toISOString() : null;
}

/**
 * A text as a URL, undefined where it is none. `URL.canParse` would be shorter, but in Node.js 20 and 22 it takes URLs with
 * letters beyond ASCII for none once it has been called some thousand times.
 */
export function parseUrl(text: string, base?: URL): URL | undefined {
  try {
    return new URL(text, base);
  } catch {
    return undefined;
  }
}
