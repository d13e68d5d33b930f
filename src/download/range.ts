import { parseHttpDate } from '../platform/retry-after.ts';

/** `bytes 0-9/20` has all three numbers, `bytes 0-9/*` no total, `bytes * /20` (416) only the total. */
export interface ContentRange {
  /** First and last byte, both inclusive. */
  readonly span?: { readonly first: number; readonly last: number } | undefined;
  readonly totalBytes?: number | undefined;
}

type Headers = Readonly<Record<string, string | undefined>>;

/** A count of bytes; `undefined` for anything but plain digits within the safe integers. */
export function parseByteCount(value: string | undefined): number | undefined {
  if (value === undefined || !/^\d{1,16}$/.test(value)) return undefined;
  const count = Number(value);
  return Number.isSafeInteger(count) ? count : undefined;
}

/** `Content-Range` of RFC 9110 §14.4 in bytes; `undefined` when it is absent, of another unit, or contradicts itself. */
export function parseContentRange(value: string | undefined): ContentRange | undefined {
  const match = /^bytes (?:(\d{1,16})-(\d{1,16})|\*)\/(\d{1,16}|\*)$/i.exec(value?.trim() ?? '');
  if (match === null) return undefined;
  const [, firstText, lastText, totalText] = match;
  const totalBytes = parseByteCount(totalText);
  if (totalText !== '*' && totalBytes === undefined) return undefined;
  if (firstText === undefined) return totalBytes === undefined ? undefined : { totalBytes };
  const first = parseByteCount(firstText);
  const last = parseByteCount(lastText);
  if (first === undefined || last === undefined || last < first) return undefined;
  return totalBytes !== undefined && last >= totalBytes ? undefined : { span: { first, last }, totalBytes };
}

/** Says whether an entity tag is strong (RFC 9110 §8.8.3): quoted, without `W/`. */
export function isStrongEtag(value: string | undefined): value is string {
  return value !== undefined && /^"[\x21\x23-\x7e\x80-\xff]*"$/.test(value);
}

/** RFC 9110 §8.8.2.2: a date older than this at the time of the answer can't have been shared by two versions. */
const STRONG_DATE_AGE_MS = 60_000;

/**
 * The value that `If-Range` may carry for this answer (RFC 9110 §13.1.5): a strong entity tag, or, where there is no tag at
 * all, a modification date that counts as a strong validator. `undefined`: a download of it can't be continued.
 */
export function readValidator(headers: Headers): string | undefined {
  const { etag, date } = headers;
  if (etag !== undefined) return isStrongEtag(etag) ? etag : undefined;
  const modified = headers['last-modified'];
  const modifiedAtMs = parseHttpDate(modified ?? '');
  const sentAtMs = parseHttpDate(date ?? '');
  if (modifiedAtMs === undefined || sentAtMs === undefined) return undefined;
  return sentAtMs - modifiedAtMs >= STRONG_DATE_AGE_MS ? modified : undefined;
}

/** Says whether an answer to a request with this `If-Range` value contradicts it. A tag must be repeated, a date need not. */
export function isSameVersion(validator: string, headers: Headers): boolean {
  if (validator.startsWith('"')) return headers.etag === validator;
  const modified = headers['last-modified'];
  return headers.etag === undefined && (modified === undefined || modified === validator);
}
