import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { EvolinkError } from '../errors.ts';
import {
  cutToBytes,
  isDeviceName,
  MAX_NAME_BYTES,
  nameBytes,
  toSafeName,
  toShortId,
  toSlug,
} from './file-name.ts';
import { PART_DECORATION_BYTES } from './part-name.ts';
import { type PatternPart, parsePattern } from './pattern.ts';
import type { OutputField, OutputFields, OutputPlan } from './types.ts';

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
