import { createHash } from 'node:crypto';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import filenamify from 'filenamify';
import {
  literalText,
  type OnExisting,
  type OutputField,
  type OutputFields,
  type OutputPlan,
  outputProblem,
  type PatternPart,
  parsePattern,
} from '../config/output-pattern.ts';
import { EvolinkError } from '../errors.ts';
import { hasControls, stripEscapes } from '../platform/text.ts';
import { describeValue } from '../request/problems.ts';

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
function isDeviceName(name: string): boolean {
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

const PART_SUFFIX = '.part';
const RECORD_SUFFIX = '.json';
const HASH_LENGTH = 8;

/** What the decoration of a part and its record adds to the final name: `.` … `.1a2b3c4d.part.json`. */
const PART_DECORATION_BYTES = 1 + 1 + HASH_LENGTH + PART_SUFFIX.length + RECORD_SUFFIX.length;

export interface PartPaths {
  readonly part: string;
  readonly record: string;
}

/** What makes a link the same link although its signature is new: scheme, host and path, without query and fragment. */
export function linkIdentity(link: string): string {
  // Not a URL at all: opening it will say so in better words.
  if (!URL.canParse(link)) return link.replace(/[?#].*$/s, '');
  const { protocol, host, pathname } = new URL(link);
  return `${protocol}//${host}${pathname}`;
}

/**
 * Where the unfinished download of a target lies: in the target's own folder (publishing must not cross file systems),
 * named after the target, the task and the link, so that no other task's bytes can ever be taken for these.
 */
export function partPaths(
  target: string,
  source: { readonly taskId: string; readonly link: string },
): PartPaths {
  const identity = `${source.taskId}\n${linkIdentity(source.link)}`;
  const hash = createHash('sha256').update(identity).digest('hex').slice(0, HASH_LENGTH);
  const shortName = cutToBytes(basename(target), MAX_NAME_BYTES - PART_DECORATION_BYTES);
  const part = join(dirname(target), `.${shortName}.${hash}${PART_SUFFIX}`);
  return { part, record: `${part}${RECORD_SUFFIX}` };
}

/**
 * A path with control characters could not be printed as it is, and would say something else to a terminal, a script or
 * a CI log than to a person.
 * @throws EvolinkError `usage`
 */
function refuseControls(paths: readonly string[]): void {
  const path = paths.find(hasControls);
  if (path === undefined) return;
  throw new EvolinkError(
    'usage',
    `the output has control characters or invisible marks in its path ("${path}")`,
    {
      hint: 'choose a plain name with -o',
      charged: 'no',
    },
  );
}

/** A drive, as the first part of a path: there the colon is none of the name. */
const DRIVE = /^[a-z]:$/i;

/**
 * Refuses what a person wrote out that Windows would take for something else than a file of that name: a device (`CON`,
 * `nul.mp4`), a stream behind a colon, a name whose last dot or space it drops. Fields are made safe when they are filled in.
 * @param segments the parts of the output, as a pattern
 * @throws EvolinkError `usage`
 */
function refuseWindowsNames(segments: readonly string[]): void {
  for (const [index, segment] of segments.entries()) {
    if (index === 0 && DRIVE.test(segment)) continue;
    const problem = problemOf(segment);
    if (problem === undefined) continue;
    throw new EvolinkError('usage', `no file can have the name "${segment}" on Windows: ${problem}`, {
      hint: 'choose another name with -o',
      charged: 'no',
    });
  }
}

function problemOf(segment: string): string | undefined {
  const name = literalText(segment);
  const typed = parsePattern(segment).map((part) => (part.kind === 'text' ? part.text : 'x'));
  const reserved = /[<>:"|?*]/.exec(typed.join(''))?.[0];
  if (reserved !== undefined) return `it has ${reserved}`;
  if (name === undefined || name === '' || /^\.{1,2}$/.test(name)) return undefined;
  if (isDeviceName(name)) return 'it stands for a device';
  return /[. ]$/.test(name) ? 'it ends in a dot or a space' : undefined;
}

/** The name of a clip when nobody asked for another. */
export const DEFAULT_PATTERN = '{slug}-{id}.mp4';

/** Endings that say plainly that something else than an MP4 is expected. Any other one is part of the name. */
const OTHER_TYPE =
  /\.(?:mov|m4v|webm|mkv|avi|wmv|flv|mpe?g|ogv|ts|3gp|gif|apng|png|jpe?g|webp|avif|mp3|m4a|wav|aac|flac|ogg|json|ya?ml|txt|md|html?|zip)$/i;

export interface OutputRequest {
  /** What `-o` or the job's `output` says. */
  readonly output?: string | undefined;
  /** Absolute; relative outputs start here. */
  readonly cwd: string;
  readonly onExisting: OnExisting;
  readonly isFolder: (path: string) => Promise<boolean>;
  /** Whether names must be names on Windows as well; they must on Windows. */
  readonly isWindows?: boolean | undefined;
  /** The fields that will have a value; all of them unless told. */
  readonly fields?: readonly OutputField[] | undefined;
}

/**
 * Where a clip goes, from what `-o` says: nothing (default name in the working folder), `-` (standard output), a folder
 * (ends in `/`, or exists), a file, or a pattern with `{field}`s. The extension is `.mp4`: added where there is none.
 * @throws EvolinkError `usage` for an unknown field, another extension, or a path that no file can have
 */
export async function planOutput(request: OutputRequest): Promise<OutputPlan> {
  const { output, cwd, onExisting } = request;
  if (output === '-') return { kind: 'stdout' };
  refuseControls([cwd, output ?? '']);
  const segments = output === undefined ? ['.', ''] : await readSegments(output, request);
  refuseUnknownFields(segments, request.fields);
  if (request.isWindows ?? sep === '\\') refuseWindowsNames(segments);
  const firstField = segments.findIndex((segment) => literalText(segment) === undefined);
  const folderCount = firstField === -1 ? segments.length - 1 : firstField;
  const folders = segments.slice(folderCount, -1).filter((name) => name !== '' && name !== '.');
  const file = segments.at(-1) ?? '';
  if (folders.includes('..')) {
    throw new EvolinkError('usage', `the output "${output}" has ".." after a field`, {
      hint: 'put ".." before the first {field}: -o "../clips/{slug}.mp4"',
    });
  }
  const pattern = [...folders, file === '' ? DEFAULT_PATTERN : withExtension(file)].join('/');
  return { kind: 'file', folder: literalPath(segments.slice(0, folderCount), cwd), pattern, onExisting };
}

/** The path as segments; the last is the file's name, empty for a folder. */
async function readSegments(output: string, { cwd, isFolder }: OutputRequest): Promise<readonly string[]> {
  refuseOddities(output);
  // A backslash separates on Windows only; elsewhere it is a letter like any other.
  const segments = output.split(sep === '\\' ? /[\\/]/ : '/');
  const last = segments.at(-1);
  if (last === '') return segments;
  if (last === '.' || last === '..') return [...segments, ''];
  const isLiteral = segments.every((segment) => literalText(segment) !== undefined);
  return isLiteral && (await isFolder(literalPath(segments, cwd))) ? [...segments, ''] : segments;
}

function refuseOddities(output: string): void {
  if (output.trim() === '') {
    throw new EvolinkError('usage', 'the output is empty', {
      hint: 'name a file, a folder or a pattern: -o clips/',
    });
  }
  const problem = outputProblem(output);
  if (problem !== undefined) {
    throw new EvolinkError('usage', `the output "${describeValue(output)}" ${problem}`, {
      hint: 'name a file, a folder or a pattern: -o clips/',
      charged: 'no',
    });
  }
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(output)) {
    throw new EvolinkError('usage', `the output "${output}" is a URL; videos are saved to local paths`, {
      hint: 'name a file, a folder or a pattern: -o clips/',
    });
  }
}

function refuseUnknownFields(segments: readonly string[], known: readonly OutputField[] | undefined): void {
  for (const part of segments.flatMap((segment) => parsePattern(segment))) {
    if (part.kind === 'text' || known === undefined || known.includes(part.field)) continue;
    throw new EvolinkError('usage', `the output field {${part.field}} has no value here`, {
      hint: `fields with a value: ${known.map((field) => `{${field}}`).join(' ')}`,
    });
  }
}

function literalPath(segments: readonly string[], cwd: string): string {
  const text = segments.map((segment) => literalText(segment) ?? '').join('/');
  return resolve(cwd, segments.length === 0 ? '.' : `${text}/`);
}

function withExtension(name: string): string {
  if (/\.mp4$/i.test(name)) return name;
  const other = OTHER_TYPE.exec(name)?.[0];
  if (other === undefined) return `${name}.mp4`;
  const stem = name.slice(0, name.length - other.length);
  throw new EvolinkError(
    'usage',
    `the output "${name}" ends in "${other}", but the service makes MP4 files`,
    {
      hint: `name it "${stem}.mp4"`,
    },
  );
}

/** Room for the final name, so that its part file, which is decorated, fits as well without being cut. */
const MAX_FILLED_BYTES = MAX_NAME_BYTES - PART_DECORATION_BYTES;

const EXTENSION = /\.mp4$/i;

/**
 * The absolute path of a file: the pattern of the plan with its fields filled in. `slug` may be a whole prompt and `id` a
 * whole task id. Values are made safe one by one, so nothing that a field holds can leave the folder, hide the file or
 * change its extension; a name that is too long is cut before its extension.
 * @param unknownText what stands for a field that has no value yet
 * @throws EvolinkError `usage` where the result would not lie inside the plan's folder
 */
export function fillPattern(
  plan: Extract<OutputPlan, { kind: 'file' }>,
  fields: OutputFields,
  unknownText?: (field: OutputField) => string,
): string {
  const toText = (field: OutputField): string => {
    const value = fields[field];
    return value === undefined && unknownText !== undefined ? unknownText(field) : toFieldText(field, value);
  };
  const names = plan.pattern.split(/\//).map((segment) => fillSegment(parsePattern(segment), toText));
  const path = resolve(plan.folder, join(...names));
  const inside = relative(plan.folder, path);
  if (inside === '' || inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside)) {
    throw new EvolinkError('usage', `the output pattern "${plan.pattern}" leads out of "${plan.folder}"`, {
      hint: 'put `..` before the first {field}: -o "../clips/{slug}.mp4"',
    });
  }
  return path;
}

function fillSegment(parts: readonly PatternPart[], toText: (field: OutputField) => string): string {
  const filled = parts.map((part) => (part.kind === 'text' ? part.text : toText(part.field)));
  const name = filled.join('').normalize('NFC');
  // What a person wrote out is used as it stands; only what was filled in needs taming as a whole.
  if (parts.every(({ kind }) => kind === 'text')) return filled.join('');
  const extension = EXTENSION.exec(name)?.[0] ?? '';
  const stem = tame(name.slice(0, name.length - extension.length), parts[0]?.kind === 'text');
  return `${cutToBytes(stem, MAX_FILLED_BYTES - nameBytes(extension)).replace(/[\s.]+$/u, '')}${extension}`;
}

function tame(stem: string, startsWithText: boolean): string {
  const start = startsWithText ? stem : stem.replace(/^[\s.-]+/u, '');
  const whole = start.replace(/[\s.-]+$/u, '');
  if (whole === '') return 'video';
  return isDeviceName(whole) ? whole.replace(/^[^.]*/u, '$&_') : whole;
}

function toFieldText(field: OutputField, value: string | undefined): string {
  const text =
    field === 'slug'
      ? toSlug(value ?? '')
      : field === 'id'
        ? toShortId(value ?? '')
        : toSafeName(value ?? '');
  if (text !== '') return text;
  return field === 'slug' ? 'video' : 'none';
}

/**
 * The absolute path of a clip; undefined while the pattern has fields that are not known yet (`{id}`).
 * @throws EvolinkError `usage` as `fillPattern`
 */
export function knownPath(
  plan: Extract<OutputPlan, { kind: 'file' }>,
  fields: OutputFields,
): string | undefined {
  const isKnown = parsePattern(plan.pattern).every(
    (part) => part.kind === 'text' || fields[part.field] !== undefined,
  );
  return isKnown ? fillPattern(plan, fields) : undefined;
}
