import { closest } from 'fastest-levenshtein';
import { EvolinkError } from '../errors.ts';
import { OUTPUT_FIELDS, type OutputField } from './types.ts';

export type PatternPart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'field'; readonly field: OutputField };

/** Says whether a name is one of the fields that a pattern may use. */
function isOutputField(name: string): name is OutputField {
  return OUTPUT_FIELDS.some((field) => field === name);
}

/**
 * Splits `{date}-{slug}.mp4` into text and fields. `{{` and `}}` stand for the braces themselves.
 * @throws EvolinkError `usage` for an unknown field (with the nearest spelling) and for a brace without its partner
 */
export function parsePattern(pattern: string): readonly PatternPart[] {
  const doubled = /(?<!\{)\{\{\s*(\w+)\s*\}\}(?!\})/.exec(pattern)?.[1];
  if (doubled !== undefined && isOutputField(doubled)) {
    throw new EvolinkError(
      'usage',
      `the output pattern "${pattern}" has {{${doubled}}}: output fields take single braces`,
      {
        hint: `write {${doubled}}`,
      },
    );
  }
  const tokens = pattern.match(/\{\{|\}\}|\{[^{}]*\}|[{}]|[^{}]+/g) ?? [];
  return joinTexts(tokens.map((token) => toPart(token, pattern)));
}

/** The pattern that stands for exactly this text. */
export function escapePattern(text: string): string {
  return text.replace(/[{}]/g, '$&$&');
}

/** The text of a pattern that names no field; `undefined` if it names one. */
export function literalText(pattern: string): string | undefined {
  const parts = parsePattern(pattern);
  if (parts.some(({ kind }) => kind === 'field')) return undefined;
  return parts.map((part) => (part.kind === 'text' ? part.text : '')).join('');
}

function toPart(token: string, pattern: string): PatternPart {
  if (token === '{{' || token === '}}') return { kind: 'text', text: token[0] ?? '' };
  if (token === '{' || token === '}') {
    throw new EvolinkError('usage', `the output pattern "${pattern}" has a "${token}" without its partner`, {
      hint: `write "${token}${token}" for the character itself`,
    });
  }
  if (!token.startsWith('{')) return { kind: 'text', text: token };
  const name = token.slice(1, -1).trim();
  if (isOutputField(name)) return { kind: 'field', field: name };
  throw new EvolinkError('usage', `the output pattern "${pattern}" has an unknown field {${name}}`, {
    hint: name === '' ? 'fields have a name: {slug}' : `did you mean {${closest(name, [...OUTPUT_FIELDS])}}?`,
    details: [`fields: ${OUTPUT_FIELDS.map((field) => `{${field}}`).join(' ')}`],
  });
}

function joinTexts(parts: readonly PatternPart[]): readonly PatternPart[] {
  const joined: PatternPart[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if (part.kind === 'text' && last?.kind === 'text')
      joined[joined.length - 1] = { kind: 'text', text: last.text + part.text };
    else joined.push(part);
  }
  return joined;
}
