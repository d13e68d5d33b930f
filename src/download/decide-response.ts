import { parseRetryAfter } from '../platform/retry-after.ts';
import { isSameVersion, parseByteCount, parseContentRange, readValidator } from './range.ts';

/** What the request asked for. Without a validator it asked for the whole. */
export interface AskedRange {
  /** Bytes that are here already; 0 asks for the whole. */
  readonly offsetBytes: number;
  /** The value sent as `If-Range`. */
  readonly validator?: string | undefined;
  /** The whole length as the earlier answer gave it. */
  readonly totalBytes?: number | undefined;
}

export interface ResponseHead {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

export type ResponseAction =
  /** The body continues what is here; it is `lengthBytes` long. */
  | { readonly kind: 'append'; readonly lengthBytes: number; readonly totalBytes: number }
  /** The body is the whole, from its first byte. `reason`: why bytes that are here are dropped. */
  | {
      readonly kind: 'whole';
      /** Length on the wire; absent when the host does not say. */
      readonly lengthBytes?: number | undefined;
      readonly validator?: string | undefined;
      /** A content coding to be undone; then the length is that of the coded bytes. */
      readonly coding?: string | undefined;
      readonly reason?: string | undefined;
    }
  /** Everything is here already. */
  | { readonly kind: 'complete' }
  /** What is here can't be continued: drop it and ask for the whole, once. */
  | { readonly kind: 'ask-again'; readonly reason: string }
  /** The link is dead; a fresh one may not be. */
  | { readonly kind: 'expired'; readonly status: number }
  | { readonly kind: 'retry'; readonly reason: string; readonly retryAfterMs?: number | undefined }
  | { readonly kind: 'fail'; readonly reason: string };

const EXPIRED: ReadonlySet<number> = new Set([401, 403, 404, 410]);

/** What to do with an answer of the link host. Pure; the rules are those of RFC 9110 §13.1.5, §14 and §15.3.7. */
export function decideResponse(asked: AskedRange, head: ResponseHead, nowMs: number): ResponseAction {
  const { status, headers } = head;
  if (status === 200) return decideWhole(asked, headers);
  if (status === 206) return decidePartial(asked, headers);
  if (status === 416) return decideUnsatisfiable(asked, headers);
  if (EXPIRED.has(status)) return { kind: 'expired', status };
  const reason = `the host answered ${status}`;
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    return { kind: 'retry', reason, retryAfterMs: parseRetryAfter(headers['retry-after'], nowMs) };
  }
  return { kind: 'fail', reason };
}

function decideWhole(asked: AskedRange, headers: ResponseHead['headers']): ResponseAction {
  const coding = codingOf(headers);
  const length = headers['content-length'];
  const lengthBytes = parseByteCount(length);
  if (length !== undefined && lengthBytes === undefined)
    return { kind: 'retry', reason: 'the host gave no sound length' };
  // A coded answer has a length and bytes of its own: nothing of it can be continued.
  const validator = coding === undefined ? readValidator(headers) : undefined;
  return {
    kind: 'whole',
    lengthBytes,
    validator,
    coding,
    reason: asked.offsetBytes > 0 ? whyWhole(asked, headers) : undefined,
  };
}

function whyWhole({ validator }: AskedRange, headers: ResponseHead['headers']): string {
  const isSame = validator !== undefined && isSameVersion(validator, headers);
  return isSame ? 'the host does not continue downloads' : 'the file has changed on the host';
}

function decidePartial(asked: AskedRange, headers: ResponseHead['headers']): ResponseAction {
  const flaw = flawOfPartial(asked, headers);
  if (typeof flaw !== 'string') return { kind: 'append', ...flaw };
  return asked.offsetBytes > 0 ? { kind: 'ask-again', reason: flaw } : { kind: 'retry', reason: flaw };
}

/** The reason to refuse a 206, or what it brings. One part, identity coding, same version, start and total: nothing less. */
function flawOfPartial(asked: AskedRange, headers: ResponseHead['headers']) {
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
function decideUnsatisfiable(asked: AskedRange, headers: ResponseHead['headers']): ResponseAction {
  const { offsetBytes, validator, totalBytes } = asked;
  const reason = 'the host has no such part';
  if (offsetBytes === 0) return { kind: 'retry', reason };
  const range = parseContentRange(headers['content-range']);
  const isWhole =
    range?.totalBytes === offsetBytes && (totalBytes === undefined || totalBytes === offsetBytes);
  const isOther = validator === undefined || (headers.etag !== undefined && headers.etag !== validator);
  return isWhole && !isOther ? { kind: 'complete' } : { kind: 'ask-again', reason };
}

function codingOf(headers: ResponseHead['headers']): string | undefined {
  const coding = headers['content-encoding']?.trim().toLowerCase();
  return coding === undefined || coding === '' || coding === 'identity' ? undefined : coding;
}
