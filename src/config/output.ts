import { join, resolve, sep } from 'node:path';
import filenamify from 'filenamify';
import { inputError } from '../errors.ts';
import { cutText, hasControls, isPlain, MAX_NAME_BYTES, stripEscapes } from '../platform/text.ts';
import { describeValue, nearest } from '../request/problems.ts';

/** What happens when the target name is taken. `refuse` is decided before anything is paid for, and again at publish. */
export type OnExisting = 'refuse' | 'overwrite' | 'skip';

/**
 * Where a clip goes. The folder is absolute, and the result must lie inside it; the pattern is relative to it, may have
 * sub-folders, and keeps its fields until the task id is known.
 */
export type FilePlan = {
  readonly kind: 'file';
  readonly folder: string;
  readonly pattern: string;
  readonly onExisting: OnExisting;
};
export type OutputPlan = FilePlan | { readonly kind: 'stdout' };

/** The fields that a pattern may name. */
export const OUTPUT_FIELDS = [
  'id',
  'slug',
  'date',
  'time',
  'job',
  'index',
  'operation',
  'model',
  'tier',
  'ratio',
  'quality',
  'duration',
] as const;
export type OutputField = (typeof OUTPUT_FIELDS)[number];
export type OutputFields = { readonly [F in OutputField]?: string | undefined };

/** The name of a clip when nobody asked for another. */
export const DEFAULT_PATTERN = '{slug}-{id}.mp4';

/** What the name of a part file or of its record adds to the final name: `.` … `.1a2b3c4d.part.json`. */
export const PART_DECORATION_BYTES = 20;

// ---- Safe names

const MAX_SLUG_BYTES = 96;
const MAX_SLUG_WORDS = 8;

/**
 * A value made safe as a part of a file name on any platform: NFC, no separators, no characters that Windows reserves, no
 * escape sequences, control, bidi or zero-width characters, no leading dash or dot, no trailing dot or space, no device name (`CON`, `COM1`).
 * May be empty. Doing it twice changes nothing.
 */
export function toSafeName(value: string): string {
  const visible = (isPlain(value) ? value : withoutInvisible(stripEscapes(value)))
    .replace(/\s+/g, ' ')
    .replace(/(\d):(?=\d)/g, '$1x');
  const name = filenamify(visible, { replacement: '-', maxLength: Number.MAX_SAFE_INTEGER })
    .normalize('NFC')
    .replace(/^[\s.-]+/u, '')
    .replace(/[\s.]+$/u, '');
  return isDeviceName(name) ? name.replace(/^[^.]*/u, '$&_') : name;
}

/** Without controls, format characters (bidi, zero-width), lone surrogates, unassigned and private ones, invisible letters. */
function withoutInvisible(text: string): string {
  return text
    .normalize('NFC')
    .replace(/[\t-\r\u2028\u2029]/g, ' ')
    .replace(/[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu, '');
}

/** Says whether Windows takes the name for a device, whatever its extension. */
function isDeviceName(name: string): boolean {
  return /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)\s*(?:\.|$)/i.test(name);
}

/** The words of a prompt as a name: letters and digits of any script, lower case, joined by `-`, at most eight words. May be empty. */
export function toSlug(prompt: string): string {
  const lower = stripEscapes(prompt).normalize('NFC').toLowerCase().normalize('NFC');
  const words = lower.match(isPlain(lower) ? /[a-z0-9]+/g : /[\p{L}\p{N}][\p{L}\p{N}\p{M}]*/gu) ?? [];
  let slug = cutText(words[0] ?? '', MAX_SLUG_BYTES);
  for (const word of words.slice(1, MAX_SLUG_WORDS)) {
    if (Buffer.byteLength(`${slug}-${word}`) > MAX_SLUG_BYTES) break;
    slug += `-${word}`;
  }
  return slug;
}

/**
 * The short form of a task id, safe in a path whoever made it: its last group if that is long enough to tell tasks apart
 * (`task-unified-1757156493-imcg5zqt` → `imcg5zqt`), else its last 12 characters. A short form of a short form is itself.
 */
export function toShortId(taskId: string): string {
  const id = taskId.replace(/[^A-Za-z0-9_-]/g, '').replace(/^[-_]+|[-_]+$/g, '');
  return /(?<![A-Za-z0-9])[A-Za-z0-9]{8,16}$/.exec(id)?.[0] ?? id.slice(-12).replace(/^[-_]+/, '');
}

// ---- Patterns

type PatternPart = string | { readonly field: OutputField };

function isOutputField(name: string | undefined): name is OutputField {
  return OUTPUT_FIELDS.some((field) => field === name);
}

/**
 * Splits `{date}-{slug}.mp4` into text and fields. `{{` and `}}` stand for the braces themselves.
 * @throws EvolinkError `usage` for an unknown field and for a brace without its partner
 */
function parsePattern(pattern: string): readonly PatternPart[] {
  const has = `the output pattern "${pattern}" has`;
  const doubled = /(?<!\{)\{\{\s*(\w+)\s*\}\}(?!\})/.exec(pattern)?.[1];
  if (isOutputField(doubled))
    throw inputError(`${has} {{${doubled}}}: output fields take single braces`, `write {${doubled}}`);
  return (pattern.match(/\{\{|\}\}|\{[^{}]*\}|[{}]|[^{}]+/g) ?? []).map((token) => {
    if (token === '{{' || token === '}}') return token.slice(1);
    if (token === '{' || token === '}')
      throw inputError(
        `${has} a "${token}" without its partner`,
        `write "${token}${token}" for the character itself`,
      );
    if (!token.startsWith('{')) return token;
    const field = token.slice(1, -1).trim();
    if (isOutputField(field)) return { field };
    const meant = nearest(field, OUTPUT_FIELDS);
    const hint = meant === undefined ? `fields: ${listFields(OUTPUT_FIELDS)}` : `did you mean {${meant}}?`;
    throw inputError(`${has} an unknown field {${field}}`, hint);
  });
}

function listFields(fields: readonly OutputField[]): string {
  return fields.map((field) => `{${field}}`).join(' ');
}

/** The pattern that stands for exactly this text. */
export function escapePattern(text: string): string {
  return text.replace(/[{}]/g, '$&$&');
}

/** The text of a pattern that names no field; undefined if it names one. */
function literalText(parts: readonly PatternPart[]): string | undefined {
  return parts.every((part) => typeof part === 'string') ? parts.join('') : undefined;
}

/** Why an output can't be meant as it is written; undefined where it can. */
export function outputProblem(output: string): string | undefined {
  if (hasControls(output)) return 'has control characters or invisible marks';
  if (output.trim() === '') return 'is empty';
  if (output.startsWith('~')) return 'starts with "~", which only a shell replaces; write the folder out';
  if (/^\$\{?[a-z_]/i.test(output))
    return 'starts with a variable, which only a shell replaces; write the folder out';
  if (sep !== '\\' && /^[a-z]:(?:[\\/]|$)/i.test(output))
    return 'starts with a drive letter, which only Windows has; write a path of this machine';
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(output) ? 'is a URL; videos are saved to local paths' : undefined;
}

/**
 * Why Windows would take a written-out name for something else: a device (`CON`, `nul.mp4`), a stream behind a colon, a
 * name whose last dot or space it drops. Fields are made safe when they are filled in.
 */
function windowsProblem(segment: string): string | undefined {
  const parts = parsePattern(segment);
  const typed = parts.map((part) => (typeof part === 'string' ? part : 'x'));
  const reserved = /[<>:"|?*]/.exec(typed.join(''))?.[0];
  if (reserved !== undefined) return `it has ${reserved}`;
  const name = literalText(parts);
  if (name === undefined || /^\.{0,2}$/.test(name)) return undefined;
  if (isDeviceName(name)) return 'it stands for a device';
  return /[. ]$/.test(name) ? 'it ends in a dot or a space' : undefined;
}

// ---- What -o says

/** Endings that say plainly that something else than an MP4 is expected. Any other one is part of the name. */
const OTHER_TYPE =
  /\.(?:mov|m4v|webm|mkv|avi|wmv|flv|mpe?g|ogv|ts|3gp|gif|apng|png|jpe?g|webp|avif|mp3|m4a|wav|aac|flac|ogg|json|ya?ml|txt|md|html?|zip)$/i;

export interface OutputRequest {
  /** What `-o` or the job's `output` says. */
  readonly output?: string | undefined;
  /** Absolute; relative outputs start here. */
  readonly cwd: string;
  readonly onExisting: OnExisting;
  readonly isFolder: (path: string) => boolean;
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
export function planOutput({
  output = '.',
  cwd,
  onExisting,
  isFolder,
  fields = OUTPUT_FIELDS,
  isWindows = sep === '\\',
}: OutputRequest): OutputPlan {
  if (output === '-') return { kind: 'stdout' };
  // A path with control characters could not be printed as it is, and would say something else to a terminal, a script
  // or a CI log than to a person.
  const path = hasControls(cwd) ? cwd : output;
  const oddity = outputProblem(path);
  if (oddity !== undefined)
    throw inputError(
      `the output "${describeValue(path)}" ${oddity}`,
      'name a file, a folder or a pattern: -o clips/',
    );
  // A backslash separates on Windows only; elsewhere it is a letter like any other. The last segment is the name of the
  // file, empty for a folder.
  const segments = output.split(sep === '\\' ? /[\\/]/ : '/');
  const parts = segments.map((segment) => parsePattern(segment));
  const texts = parts.map(literalText);
  if (
    /^\.{1,2}$/.test(segments.at(-1) ?? '') ||
    (segments.at(-1) !== '' && !texts.includes(undefined) && isFolder(folderAt(texts, cwd)))
  )
    segments.push('');
  const unset = parts.flat().find((part) => typeof part !== 'string' && !fields.includes(part.field));
  if (typeof unset === 'object')
    throw inputError(
      `the output field {${unset.field}} has no value here`,
      `fields with a value: ${listFields(fields)}`,
    );
  for (const [index, segment] of segments.entries()) {
    // The colon of a drive is none of a name.
    const problem = isWindows && !(index === 0 && /^[a-z]:$/i.test(segment)) && windowsProblem(segment);
    if (problem)
      throw inputError(
        `no file can have the name "${segment}" on Windows: ${problem}`,
        'choose another name with -o',
      );
  }
  const folderCount = texts.includes(undefined) ? texts.indexOf(undefined) : segments.length - 1;
  const folders = segments.slice(folderCount, -1).filter((name) => name !== '' && name !== '.');
  if (folders.includes('..')) throw inputError(`the output "${output}" has ".." after a field`, DOTS_FIRST);
  const pattern = [...folders, withExtension(segments.at(-1) || DEFAULT_PATTERN)].join('/');
  return { kind: 'file', folder: folderAt(texts.slice(0, folderCount), cwd), pattern, onExisting };
}

const DOTS_FIRST = 'put ".." before the first {field}: -o "../clips/{slug}.mp4"';

function folderAt(names: readonly (string | undefined)[], cwd: string): string {
  return resolve(cwd, names.length === 0 ? '.' : `${names.join('/')}/`);
}

function withExtension(name: string): string {
  if (/\.mp4$/i.test(name)) return name;
  const other = OTHER_TYPE.exec(name)?.[0];
  if (other === undefined) return `${name}.mp4`;
  throw inputError(
    `the output "${name}" ends in "${other}", but the service makes MP4 files`,
    `name it "${name.slice(0, -other.length)}.mp4"`,
  );
}

// ---- Filling in

/**
 * The absolute path of a file: the pattern of the plan with its fields filled in. `slug` may be a whole prompt and `id` a
 * whole task id. Values are made safe one by one, so nothing that a field holds can leave the folder, hide the file or
 * change its extension; a name that is too long is cut before its extension, with room for the name of its part file.
 * @param unknownText what stands for a field that has no value yet
 * @throws EvolinkError `usage` where the result would not lie inside the plan's folder
 */
export function fillPattern(
  plan: FilePlan,
  fields: OutputFields,
  unknownText?: (field: OutputField) => string,
): string {
  const toText = (field: OutputField): string => {
    const value = fields[field];
    if (value === undefined && unknownText !== undefined) return unknownText(field);
    const tame = field === 'slug' ? toSlug : field === 'id' ? toShortId : toSafeName;
    return tame(value ?? '') || (field === 'slug' ? 'video' : 'none');
  };
  const names = plan.pattern.split('/').map((segment) => fillSegment(parsePattern(segment), toText));
  const path = join(plan.folder, ...names);
  const root = plan.folder.endsWith(sep) ? plan.folder : `${plan.folder}${sep}`;
  if (!path.startsWith(root) || path === root)
    throw inputError(`the output pattern "${plan.pattern}" leads out of "${plan.folder}"`, DOTS_FIRST);
  return path;
}

function fillSegment(parts: readonly PatternPart[], toText: (field: OutputField) => string): string {
  // What a person wrote out is used as it stands; only what was filled in needs taming as a whole.
  const literal = literalText(parts);
  if (literal !== undefined) return literal;
  const filled = parts.map((part) => (typeof part === 'string' ? part : toText(part.field)));
  const name = filled.join('').normalize('NFC');
  const extension = /\.mp4$/i.exec(name)?.[0] ?? '';
  const start = name.slice(0, name.length - extension.length).replace(/[\s.-]+$/u, '');
  const stem = (typeof parts[0] === 'string' ? start : start.replace(/^[\s.-]+/u, '')) || 'video';
  const safe = isDeviceName(stem) ? stem.replace(/^[^.]*/u, '$&_') : stem;
  const room = MAX_NAME_BYTES - PART_DECORATION_BYTES - extension.length;
  return `${cutText(safe, room).replace(/[\s.]+$/u, '')}${extension}`;
}

/**
 * The absolute path of a clip; undefined while the pattern has fields that are not known yet (`{id}`).
 * @throws EvolinkError `usage` as `fillPattern`
 */
export function knownPath(plan: FilePlan, fields: OutputFields): string | undefined {
  const isKnown = parsePattern(plan.pattern).every(
    (part) => typeof part === 'string' || fields[part.field] !== undefined,
  );
  return isKnown ? fillPattern(plan, fields) : undefined;
}
