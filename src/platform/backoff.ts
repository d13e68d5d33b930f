export interface BackoffOptions {
  /** Upper bound of the first wait, 1 s unless told. */
  readonly baseMs?: number | undefined;
  /** Upper bound of every wait, 30 s unless told. */
  readonly capMs?: number | undefined;
  /** What the other side asked for: a lower bound, above the cap if it must be. */
  readonly retryAfterMs?: number | undefined;
  /** What is left of the time that may be waited. */
  readonly budgetMs?: number | undefined;
}

/**
 * How long to wait before a repeated read, in ms: exponential with full jitter, at least what `Retry-After` asks for.
 * `undefined` when that would pass the budget: then there is no point in waiting at all.
 *
 * @param attempt how many attempts have failed in a row, from 1
 * @param random a number in [0, 1)
 */
export function backoffDelayMs(
  attempt: number,
  random: number,
  options: BackoffOptions = {},
): number | undefined {
  const { baseMs = 1_000, capMs = 30_000, retryAfterMs = 0, budgetMs = Number.POSITIVE_INFINITY } = options;
  const ceilingMs = Math.min(capMs, baseMs * 2 ** Math.min(attempt - 1, 30));
  // After a wait that the other side named, a jitter of its own keeps clients apart that were all told the same.
  const delayMs = Math.round(random * ceilingMs) + Math.max(retryAfterMs, 0);
  return delayMs > budgetMs ? undefined : delayMs;
}
