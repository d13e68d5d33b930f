const LONGEST_DELAY_SECONDS = 10 * 365 * 86_400;

/** RFC 9110 §5.6.7: IMF-fixdate, RFC 850, asctime. */
const HTTP_DATES = [
  /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/,
];

/** An HTTP date of any of the three forms of RFC 9110 §5.6.7, as ms since the epoch; `undefined` for anything else. */
export function parseHttpDate(value: string): number | undefined {
  if (!HTTP_DATES.some((form) => form.test(value))) return undefined;
  const atMs = Date.parse(value.endsWith('GMT') ? value : `${value} GMT`);
  return Number.isNaN(atMs) ? undefined : atMs;
}

/**
 * `Retry-After` (RFC 9110 §10.2.3: seconds or an HTTP date) as ms from now, never negative; `undefined` when it is
 * absent or is neither.
 */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  const text = value?.trim() ?? '';
  if (/^\d+$/.test(text)) return Math.min(Number(text), LONGEST_DELAY_SECONDS) * 1000;
  const atMs = parseHttpDate(text);
  return atMs === undefined ? undefined : Math.max(0, atMs - nowMs);
}
