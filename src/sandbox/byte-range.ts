export type RangeAnswer =
  | { readonly kind: 'whole' }
  /** First and last byte, both included. */
  | { readonly kind: 'part'; readonly first: number; readonly last: number }
  | { readonly kind: 'unsatisfiable' };

export interface RangeQuestion {
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
  readonly sizeBytes: number;
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
}

/**
 * What a `Range` header asks for (RFC 9110 §14.2). Several ranges and foreign units are answered whole, and so is a
 * range whose `If-Range` does not fit: strong comparison only (§13.1.5).
 */
export function chooseRange(question: RangeQuestion): RangeAnswer {
  const match = /^bytes=\s*(\d*)-(\d*)\s*$/.exec(question.range ?? '');
  if (match === null || !isValidatorGood(question)) return { kind: 'whole' };
  const { sizeBytes } = question;
  const [, start = '', end = ''] = match;
  if (start === '' && end === '') return { kind: 'whole' };
  if (start === '') {
    const length = Math.min(Number(end), sizeBytes);
    return length === 0
      ? { kind: 'unsatisfiable' }
      : { kind: 'part', first: sizeBytes - length, last: sizeBytes - 1 };
  }
  const first = Number(start);
  const last = end === '' ? sizeBytes - 1 : Math.min(Number(end), sizeBytes - 1);
  if (end !== '' && Number(end) < first) return { kind: 'whole' };
  return first >= sizeBytes ? { kind: 'unsatisfiable' } : { kind: 'part', first, last };
}

function isValidatorGood({ ifRange, etag, lastModified }: RangeQuestion): boolean {
  if (ifRange === undefined) return true;
  if (ifRange.startsWith('"')) return ifRange === etag;
  return !ifRange.startsWith('W/') && lastModified !== undefined && ifRange === lastModified;
}
