import * as z from 'zod/mini';
import type { HttpAnswer } from './http-types.ts';

/** An answer of the API is small; ten megabytes are a fault, not data. */
export const MAX_JSON_BYTES = 10_000_000;
const MAX_NESTING = 64;

export type JsonBody =
  | { readonly kind: 'json'; readonly value: unknown }
  /** `reason` completes "an answer that …". */
  | { readonly kind: 'unusable'; readonly reason: string; readonly isBoundExceeded: boolean };

/** Parses the body of an answer within bounds of size and nesting. A cut body counts when it parses all the same. */
export function parseJsonBody(answer: Pick<HttpAnswer, 'body' | 'isTruncated' | 'endedEarly'>): JsonBody {
  const unusable = (reason: string, isBoundExceeded = false) =>
    ({ kind: 'unusable', reason, isBoundExceeded }) as const;
  if (answer.isTruncated) return unusable(`is larger than ${MAX_JSON_BYTES / 1_000_000} MB`, true);
  const text = decodeBody(answer.body);
  if (text.trim() === '') return unusable(answer.endedEarly ? 'broke off before its body' : 'is empty');
  if (nestingOf(text) > MAX_NESTING) return unusable(`is nested deeper than ${MAX_NESTING} levels`, true);
  try {
    const value: unknown = JSON.parse(text);
    return { kind: 'json', value };
  } catch {
    return unusable(answer.endedEarly ? 'broke off' : 'is not JSON');
  }
}

/** UTF-8, bad bytes replaced, a byte order mark dropped. */
export function decodeBody(body: Uint8Array): string {
  return new TextDecoder().decode(body);
}

/** The deepest level of brackets outside of strings; counted before parsing, so that depth costs no stack. */
function nestingOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (char === '"') at = endOfString(text, at);
    else if (char === '{' || char === '[') deepest = Math.max(deepest, ++depth);
    else if (char === '}' || char === ']') depth -= 1;
  }
  return deepest;
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}

/** Fields of answers of which nothing is certain: whatever is missing or of a wrong type is absent. None fails. */

/** A non-empty text; numbers become text. */
export const TEXT = z.transform((value: unknown): string | undefined => {
  if (typeof value === 'number' && Number.isFinite(value)) return String(value);
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;
});

/** A finite number, also where it is written as text (`"45"`, `"45%"`). */
export const NUMBER = z.transform(toNumber);
export const POSITIVE = z.transform((value: unknown) => only(toNumber(value), (number) => number > 0));
export const NOT_NEGATIVE = z.transform((value: unknown) => only(toNumber(value), (number) => number >= 0));
export const PERCENT = z.transform((value: unknown) => {
  const number = toNumber(value);
  return number === undefined ? undefined : Math.min(100, Math.max(0, number));
});

/** Ms since the epoch, from Unix seconds, Unix milliseconds, or an ISO date (UTC where it names no zone). */
export const TIME_MS = z.transform((value: unknown): number | undefined => {
  const number = toNumber(value);
  if (number !== undefined)
    return number > 0 && number < 8.64e15 ? (number < 1e11 ? number * 1000 : number) : undefined;
  const date = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(Z|[+-]\d{2}:?\d{2})?)?$/.exec(
    typeof value === 'string' ? value : '',
  );
  if (date === null) return undefined;
  const [, day, time = '00:00', zone = 'Z'] = date;
  return only(Date.parse(`${day}T${time}${zone}`), Number.isFinite);
});

/** An object, read by its fields. */
export function fields<T extends z.core.$ZodShape>(shape: T) {
  return z.catch(z.optional(z.object(shape)), undefined);
}

/** Whatever a field holds. */
export const ANY = z.transform((value: unknown) => value);

function toNumber(value: unknown): number | undefined {
  if (typeof value === 'number') return only(value, Number.isFinite);
  if (typeof value !== 'string' || value.trim() === '' || value.length > 40) return undefined;
  return only(Number(value.trim().replace(/%$/, '')), Number.isFinite);
}

function only(value: number | undefined, isFitting: (value: number) => boolean): number | undefined {
  return value !== undefined && isFitting(value) ? value : undefined;
}
