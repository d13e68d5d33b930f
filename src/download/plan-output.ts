import { resolve, sep } from 'node:path';
import { EvolinkError } from '../errors.ts';
import { literalText, parsePattern } from './pattern.ts';
import type { OnExisting, OutputField, OutputPlan } from './types.ts';
import { refuseWindowsNames } from './windows-names.ts';

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
  if (output.includes('\0'))
    throw new EvolinkError('usage', 'the output has a NUL character, which no path can have');
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
