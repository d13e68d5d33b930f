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
  if (answer.isTruncated) return beyond(`is larger than ${MAX_JSON_BYTES / 1_000_000} MB`);
  const text = decodeBody(answer.body);
  if (text.trim() === '') return unusable(answer.endedEarly ? 'broke off before its body' : 'is empty');
  if (nestingOf(text) > MAX_NESTING) return beyond(`is nested deeper than ${MAX_NESTING} levels`);
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

function unusable(reason: string): JsonBody {
  return { kind: 'unusable', reason, isBoundExceeded: false };
}

function beyond(reason: string): JsonBody {
  return { kind: 'unusable', reason, isBoundExceeded: true };
}
