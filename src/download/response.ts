import { parseHttpDate, parseRetryAfter } from '../platform/clock.ts';

type Headers = Readonly<Record<string, string | undefined>>;

/** What the bytes that are here are of. */
export interface Source {
  /** What `If-Range` carries; absent when the host gave nothing to recognise the version by. */
  readonly validator?: string | undefined;
  readonly totalBytes?: number | undefined;
}

/** What the request asked for: the whole, or what follows the bytes that are here. */
export interface AskedRange extends Source {
  readonly offsetBytes: number;
}

export type ResponseAction =
  /** The body continues what is here; it is `lengthBytes` long. */
  | { readonly kind: 'append'; readonly lengthBytes: number; readonly totalBytes: number }
  /** The body is the whole, from its first byte. `reason`: why bytes that are here are dropped. */
  | ({ readonly kind: 'whole'; readonly reason?: string | undefined } & Source)
  /** Everything is here already. */
  | { readonly kind: 'complete' }
  /** What is here can't be continued: drop it and ask for the whole, once. */
  | { readonly kind: 'ask-again'; readonly reason: string }
  /** The link is dead; a fresh one may not be. */
  | { readonly kind: 'expired'; readonly reason: string }
  | { readonly kind: 'retry'; readonly reason: string; readonly retryAfterMs?: number | undefined }
  | { readonly kind: 'fail'; readonly reason: string };

const EXPIRED: ReadonlySet<number> = new Set([401, 403, 404, 410]);
const PASSING: ReadonlySet<number> = new Set([408, 425, 429]);
/** The content codings that the HTTP library undoes. */
const CODINGS: ReadonlySet<string> = new Set(['gzip', 'deflate', 'br']);
/** RFC 9110 §8.8.2.2: a date older than this at the time of the answer can't have been shared by two versions. */
const STRONG_DATE_AGE_MS = 60_000;

/** What to do with an answer of the link host. Pure; the rules are those of RFC 9110 §13.1.5, §14 and §15.3.7. */
export function decideResponse(
  asked: AskedRange,
  { status, headers }: { readonly status: number; readonly headers: Headers },
  nowMs: number,
): ResponseAction {
  if (status === 200) return decideWhole(asked, headers);
  if (status === 206) {
    const part = readPart(asked, headers);
    if (typeof part !== 'string') return { kind: 'append', ...part };
    return { kind: asked.offsetBytes > 0 ? 'ask-again' : 'retry', reason: part };
  }
  if (status === 416) return decideUnsatisfiable(asked, headers);
  const reason = `the host answered ${status}`;
  if (EXPIRED.has(status)) return { kind: 'expired', reason };
  if (PASSING.has(status) || status >= 500)
    return { kind: 'retry', reason, retryAfterMs: parseRetryAfter(headers['retry-after'], nowMs) };
  return { kind: 'fail', reason };
}

function decideWhole({ offsetBytes, validator }: AskedRange, headers: Headers): ResponseAction {
  const coding = codingOf(headers);
  if (coding !== undefined && !CODINGS.has(coding))
    return { kind: 'fail', reason: `the host sent an unknown coding "${coding}"` };
  const totalBytes = parseByteCount(headers['content-length']);
  if (headers['content-length'] !== undefined && totalBytes === undefined)
    return { kind: 'retry', reason: 'the host gave no sound length' };
  const isSame = validator !== undefined && isSameVersion(validator, headers);
  const reason = isSame ? 'the host does not continue downloads' : 'the file has changed on the host';
  // A coded answer has a length and bytes of its own: nothing of it can be continued.
  const source = coding === undefined ? { totalBytes, validator: readValidator(headers) } : {};
  return { kind: 'whole', ...source, ...(offsetBytes > 0 ? { reason } : {}) };
}

/** What a 206 brings, or the reason to refuse it: one part, not coded, of the same version, start and total, nothing less. */
function readPart(asked: AskedRange, headers: Headers) {
  const { offsetBytes, validator, totalBytes } = asked;
  if (offsetBytes === 0 || validator === undefined) return 'the host sent a part without being asked for one';
  if (/^multipart\//i.test(headers['content-type'] ?? '')) return 'the host sent several parts at once';
  if (codingOf(headers) !== undefined) return 'the host sent a coded part';
  const range = parseContentRange(headers['content-range']);
  if (range?.span === undefined || range.totalBytes === undefined)
    return 'the host did not say which part it sent';
  if (range.span.first !== offsetBytes) return 'the host sent another part than the one asked for';
  if (totalBytes !== undefined && range.totalBytes !== totalBytes) return 'the file has another length now';
  if (!isSameVersion(validator, headers)) return 'the file has changed on the host';
  const lengthBytes = range.span.last - range.span.first + 1;
  const announced = headers['content-length'];
  if (announced !== undefined && parseByteCount(announced) !== lengthBytes)
    return 'the host contradicts itself about the length';
  return { lengthBytes, totalBytes: range.totalBytes };
}

/** `If-Range` is judged before `Range` (RFC 9110 §13.2.2), so a 416 without a tag still speaks of the same version. */
function decideUnsatisfiable(asked: AskedRange, headers: Headers): ResponseAction {
  const { offsetBytes, validator, totalBytes = offsetBytes } = asked;
  const reason = 'the host has no such part';
  if (offsetBytes === 0) return { kind: 'retry', reason };
  const hostBytes = parseContentRange(headers['content-range'])?.totalBytes;
  const isOther = validator === undefined || (headers.etag !== undefined && headers.etag !== validator);
  const isWhole = hostBytes === offsetBytes && totalBytes === offsetBytes && !isOther;
  return isWhole ? { kind: 'complete' } : { kind: 'ask-again', reason };
}

/**
 * The value that `If-Range` may carry for this answer (RFC 9110 §13.1.5): a strong entity tag, or, where there is no tag at
 * all, a modification date that counts as a strong validator. `undefined`: a download of it can't be continued.
 */
export function readValidator(headers: Headers): string | undefined {
  const { etag, date, 'last-modified': modified } = headers;
  if (etag !== undefined) return /^"[\x21\x23-\x7e\x80-\xff]*"$/.test(etag) ? etag : undefined;
  const modifiedAtMs = parseHttpDate(modified ?? '');
  const sentAtMs = parseHttpDate(date ?? '');
  if (modifiedAtMs === undefined || sentAtMs === undefined) return undefined;
  return sentAtMs - modifiedAtMs >= STRONG_DATE_AGE_MS ? modified : undefined;
}

/** Says whether an answer to a request with this `If-Range` value agrees with it. A tag must be repeated, a date need not. */
function isSameVersion(validator: string, { etag, 'last-modified': modified }: Headers): boolean {
  if (validator.startsWith('"')) return etag === validator;
  return etag === undefined && (modified === undefined || modified === validator);
}

/** `bytes 0-9/20` has all three numbers, `bytes 0-9/*` no total, `bytes * /20` (416) only the total. */
export interface ContentRange {
  /** First and last byte, both inclusive. */
  readonly span?: { readonly first: number; readonly last: number } | undefined;
  readonly totalBytes?: number | undefined;
}

/** `Content-Range` of RFC 9110 §14.4 in bytes; `undefined` when it is absent, of another unit, or contradicts itself. */
export function parseContentRange(value: string | undefined): ContentRange | undefined {
  const match = /^bytes (?:(\d{1,16})-(\d{1,16})|\*)\/(\d{1,16}|\*)$/i.exec(value?.trim() ?? '');
  if (match === null) return undefined;
  const [first, last, totalBytes] = match.slice(1).map(parseByteCount);
  if (match[3] !== '*' && totalBytes === undefined) return undefined;
  if (match[1] === undefined) return totalBytes === undefined ? undefined : { totalBytes };
  if (first === undefined || last === undefined || last < first) return undefined;
  return totalBytes !== undefined && last >= totalBytes ? undefined : { span: { first, last }, totalBytes };
}

/** A count of bytes; `undefined` for anything but plain digits within the safe integers. */
function parseByteCount(value: string | undefined): number | undefined {
  const count = /^\d{1,16}$/.test(value ?? '') ? Number(value) : undefined;
  return Number.isSafeInteger(count) ? count : undefined;
}

function codingOf(headers: Headers): string | undefined {
  const coding = headers['content-encoding']?.trim().toLowerCase();
  return coding === '' || coding === 'identity' ? undefined : coding;
}
