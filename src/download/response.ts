import { LinkFailure } from '../api/http-types.ts';
import { parseHttpDate, parseRetryAfter } from '../platform/clock.ts';
import { Interruption } from './errors.ts';

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

export type BodyPlan =
  /** The body continues what is here; it is `lengthBytes` long. */
  | { readonly kind: 'append'; readonly lengthBytes: number; readonly totalBytes: number }
  /** The body is the whole, from its first byte. `reason`: why bytes that are here are dropped. */
  | { readonly kind: 'whole'; readonly reason?: string | undefined; readonly source: Source }
  /** Everything is here already. */
  | { readonly kind: 'complete' };

const LINK_DEAD: ReadonlySet<number> = new Set([401, 403, 404, 410]);
const PASSING: ReadonlySet<number> = new Set([408, 425, 429]);
/** The content codings that the HTTP library undoes. */
const CODINGS: ReadonlySet<string> = new Set(['gzip', 'deflate', 'br']);
/** RFC 9110 §8.8.2.2: a date older than this at the time of the answer can't have been shared by two versions. */
const STRONG_DATE_AGE_MS = 60_000;

/**
 * What to do with an answer of the link host. Pure; the rules are those of RFC 9110 §13.1.5, §14 and §15.3.7.
 * @throws Interruption, LinkFailure where there is nothing to receive
 */
export function planBody(
  asked: AskedRange,
  { status, headers }: { readonly status: number; readonly headers: Headers },
  nowMs: number,
): BodyPlan {
  if (status === 200) return planWhole(asked, headers);
  if (status === 206) {
    const part = readPart(asked, headers);
    if (typeof part === 'object') return { kind: 'append', ...part };
    throw asked.offsetBytes > 0 ? notContinued(part) : new Interruption(part);
  }
  if (status === 416) return planUnsatisfiable(asked, headers);
  const reason = `the host answered ${status}`;
  if (LINK_DEAD.has(status)) throw new Interruption(reason, { isLinkDead: true });
  if (PASSING.has(status) || status >= 500)
    throw new Interruption(reason, { retryAfterMs: parseRetryAfter(headers['retry-after'], nowMs) });
  throw new LinkFailure('protocol', reason, false);
}

/** What is here is dropped, and the whole asked for. */
function notContinued(reason: string): Interruption {
  return new Interruption(reason, { isDistrusted: true, isRestart: true });
}

function planWhole({ offsetBytes, validator }: AskedRange, headers: Headers): BodyPlan {
  const coding = codingOf(headers);
  if (coding !== undefined && !CODINGS.has(coding))
    throw new LinkFailure('protocol', `the host sent an unknown coding "${coding}"`, false);
  const totalBytes = parseByteCount(headers['content-length']);
  if (headers['content-length'] !== undefined && totalBytes === undefined)
    throw new Interruption('the host gave no sound length');
  const isSame = validator !== undefined && isSameVersion(validator, headers);
  const reason = isSame ? 'the host does not continue downloads' : 'the file has changed on the host';
  // A coded answer has a length and bytes of its own: nothing of it can be continued.
  const source = coding === undefined ? { totalBytes, validator: readValidator(headers) } : {};
  return { kind: 'whole', source, ...(offsetBytes > 0 ? { reason } : {}) };
}

/** What a 206 brings, or the reason to refuse it: one part, not coded, of the same version, start and total, nothing less. */
function readPart({ offsetBytes, validator, totalBytes }: AskedRange, headers: Headers) {
  if (offsetBytes === 0 || validator === undefined) return 'the host sent a part without being asked for one';
  if (/^multipart\//i.test(headers['content-type'] ?? '')) return 'the host sent several parts at once';
  if (codingOf(headers) !== undefined) return 'the host sent a coded part';
  const range = parseContentRange(headers['content-range']);
  if (range?.span === undefined || range.totalBytes === undefined)
    return 'the host did not say which part it sent';
  const [first, last] = range.span;
  if (first !== offsetBytes) return 'the host sent another part than the one asked for';
  if (totalBytes !== undefined && range.totalBytes !== totalBytes) return 'the file has another length now';
  if (!isSameVersion(validator, headers)) return 'the file has changed on the host';
  const lengthBytes = last - first + 1;
  const announced = headers['content-length'];
  if (announced !== undefined && parseByteCount(announced) !== lengthBytes)
    return 'the host contradicts itself about the length';
  return { lengthBytes, totalBytes: range.totalBytes };
}

/** `If-Range` is judged before `Range` (RFC 9110 §13.2.2), so a 416 without a tag still speaks of the same version. */
function planUnsatisfiable(asked: AskedRange, headers: Headers): BodyPlan {
  const { offsetBytes, validator, totalBytes = offsetBytes } = asked;
  const reason = 'the host has no such part';
  if (offsetBytes === 0) throw new Interruption(reason);
  const hostBytes = parseContentRange(headers['content-range'])?.totalBytes;
  const isOther = validator === undefined || (headers.etag !== undefined && headers.etag !== validator);
  if (hostBytes === offsetBytes && totalBytes === offsetBytes && !isOther) return { kind: 'complete' };
  throw notContinued(reason);
}

/**
 * The value that `If-Range` may carry for this answer (RFC 9110 §13.1.5): a strong entity tag, or, where there is no tag at
 * all, a modification date that counts as a strong validator. `undefined`: a download of it can't be continued.
 */
function readValidator(headers: Headers): string | undefined {
  const { etag, date, 'last-modified': modified } = headers;
  if (etag !== undefined) return /^"[\x21\x23-\x7e\x80-\xff]*"$/.test(etag) ? etag : undefined;
  const modifiedAtMs = parseHttpDate(modified ?? '') ?? Number.NaN;
  const sentAtMs = parseHttpDate(date ?? '') ?? Number.NaN;
  return sentAtMs - modifiedAtMs >= STRONG_DATE_AGE_MS ? modified : undefined;
}

/** Says whether an answer to a request with this `If-Range` value agrees with it. A tag must be repeated, a date need not. */
function isSameVersion(validator: string, { etag, 'last-modified': modified }: Headers): boolean {
  if (validator.startsWith('"')) return etag === validator;
  return etag === undefined && (modified === undefined || modified === validator);
}

/**
 * `Content-Range` of RFC 9110 §14.4 in bytes, first and last inclusive: `bytes 0-9/20` has all three numbers, `bytes 0-9/*`
 * no total, `bytes * /20` (416) only the total. `undefined` when it is absent, of another unit, or contradicts itself.
 */
export function parseContentRange(value: string | undefined) {
  const match = /^bytes (?:(\d{1,16})-(\d{1,16})|\*)\/(\d{1,16}|\*)$/i.exec(value?.trim() ?? '');
  if (match === null) return undefined;
  const [first, last, totalBytes] = match.slice(1).map(parseByteCount);
  if (match[3] !== '*' && totalBytes === undefined) return undefined;
  if (match[1] === undefined) return totalBytes === undefined ? undefined : { totalBytes };
  if (first === undefined || last === undefined || last < first) return undefined;
  return totalBytes !== undefined && last >= totalBytes
    ? undefined
    : { span: [first, last] as const, totalBytes };
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
