import * as z from 'zod/mini';
import type { HttpAnswer } from './http.ts';

/** An answer of the API is small; ten megabytes are a fault, not data. */
export const MAX_JSON_BYTES = 10_000_000;
const MAX_NESTING = 64;

/**
 * Parses the body of an answer within bounds of size and nesting. A cut body counts when it parses all the same. Where there
 * is no value, `flaw` completes "an answer that …"; `isOverBound`: the same would come again.
 */
export function parseJsonBody(answer: Pick<HttpAnswer, 'body' | 'isTruncated' | 'endedEarly'>) {
  const { body, isTruncated, endedEarly } = answer;
  if (isTruncated) return { flaw: `is larger than ${MAX_JSON_BYTES / 1_000_000} MB`, isOverBound: true };
  const text = decodeBody(body);
  if (text.trim() === '') return { flaw: endedEarly ? 'broke off before its body' : 'is empty' };
  if (isNestedTooDeep(text))
    return { flaw: `is nested deeper than ${MAX_NESTING} levels`, isOverBound: true };
  try {
    return { value: JSON.parse(text) };
  } catch {
    return { flaw: endedEarly ? 'broke off' : 'is not JSON' };
  }
}

/** UTF-8, bad bytes replaced, a byte order mark dropped. */
export function decodeBody(body: Uint8Array): string {
  return new TextDecoder().decode(body);
}

/** Brackets outside of strings are counted before parsing, so that depth costs no stack. */
function isNestedTooDeep(text: string): boolean {
  let depth = 0;
  let isInString = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (isInString && char === '\\') at += 1;
    else if (char === '"') isInString = !isInString;
    else if (!isInString && (char === '{' || char === '[')) depth += 1;
    else if (!isInString && (char === '}' || char === ']')) depth -= 1;
    if (depth > MAX_NESTING) return true;
  }
  return false;
}

/** Fields of answers of which nothing is certain: whatever is missing or of a wrong type is absent. None fails. */

/** A non-empty text; numbers become text. */
export const TEXT = z.transform((value: unknown): string | undefined => {
  if (typeof value === 'number' && Number.isFinite(value)) return String(value);
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;
});

const numberThat = (isFitting: (value: number) => boolean) =>
  z.transform((value: unknown) => only(toNumber(value), isFitting));

/** A finite number, also where it is written as text (`"45"`, `"45%"`). */
export const NUMBER = numberThat(Number.isFinite);
export const POSITIVE = numberThat((value) => value > 0);
export const NOT_NEGATIVE = numberThat((value) => value >= 0);
export const PERCENT = z.transform((value: unknown) => {
  const number = toNumber(value);
  return number && Math.min(100, Math.max(0, number));
});

/** Ms since the epoch, from Unix seconds, Unix milliseconds, or an ISO date (UTC where it names no zone). */
export const TIME_MS = z.transform((value: unknown): number | undefined => {
  const number = toNumber(value);
  if (number !== undefined)
    return only(number < 1e11 ? number * 1000 : number, (ms) => ms > 0 && ms < 8.64e15);
  const text = typeof value === 'string' ? value : '';
  const [form, time, zone] = /^\d{4}-\d\d-\d\d([T ][\d:.]+)?(Z|[+-]\d\d:?\d\d)?$/.exec(text) ?? [];
  return only(Date.parse(`${form}${time !== undefined && zone === undefined ? 'Z' : ''}`), Number.isFinite);
});

/** An object, read by its fields. */
export function fields<T extends z.core.$ZodShape>(shape: T) {
  return z.catch(z.optional(z.object(shape)), undefined);
}

/** A list of whatever; a longer one is a fault. */
export function listOf(most: number) {
  return z.catch(z.optional(z.array(ANY).check(z.maxLength(most))), undefined);
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
