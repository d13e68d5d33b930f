/** What is known when the next read of a task is planned. */
export interface PollFacts {
  /** Since the service took the task. */
  readonly elapsedMs: number;
  /** The service's `estimated_time`, corrected by this account's past where there is one. */
  readonly estimatedMs?: number | undefined;
  /** 0 to 100, as last read. */
  readonly progressPercent?: number | undefined;
  /** True before the first read. */
  readonly isFirst: boolean;
  /** In [0, 1). */
  readonly random: number;
}

/** Without an estimate: between what clips of 4 s were seen to take (109 to 156 s). */
const DEFAULT_TOTAL_MS = 130_000;
const MIN_DELAY_MS = 250;
const NEAR_END_MS = 5_000;
const MAX_DELAY_MS = 60_000;
/** Where nothing says when the end will be. */
const MAX_UNGUIDED_DELAY_MS = 30_000;
/** Below this, `progress` says more about the service's rounding than about the clip. */
const TRUSTED_PROGRESS_PERCENT = 10;

/** Expected length of the whole generation, ms: from the progress seen where it is trustworthy, else the estimate. */
export function expectedTotalMs(
  facts: Pick<PollFacts, 'elapsedMs' | 'estimatedMs' | 'progressPercent'>,
): number {
  const estimated = hasEstimate(facts) ? facts.estimatedMs : DEFAULT_TOTAL_MS;
  const percent = facts.progressPercent;
  if (!isTrusted(percent)) return estimated;
  const extrapolated = (facts.elapsedMs * 100) / percent;
  // The more is done, the more the progress is believed.
  const weight = percent / 100;
  return extrapolated * weight + estimated * (1 - weight);
}

function isTrusted(percent: number | undefined): percent is number {
  return percent !== undefined && percent >= TRUSTED_PROGRESS_PERCENT && percent <= 100;
}

function hasEstimate<T extends Pick<PollFacts, 'estimatedMs'>>(
  facts: T,
): facts is T & { readonly estimatedMs: number } {
  return facts.estimatedMs !== undefined && facts.estimatedMs > 0;
}

/**
 * Delay before the next read, ms. Each read makes the service ask its provider, so reads are few at first (the first
 * near the expected end), halve the remaining time, and are never closer than a twentieth of the whole; once the
 * expected end has passed they spread out again. Where the service gave no estimate, a guess may be far off: then reads
 * follow each other at a quarter of the time so far, closer only where the progress says so.
 */
export function nextPollDelayMs(facts: PollFacts): number {
  const totalMs = expectedTotalMs(facts);
  const closestMs = Math.min(NEAR_END_MS, Math.max(MIN_DELAY_MS, totalMs / 20));
  const remainingMs = totalMs - facts.elapsedMs;
  const towardsEndMs = facts.isFirst
    ? remainingMs * 0.7
    : remainingMs > 0
      ? Math.min(remainingMs / 2, MAX_DELAY_MS)
      : Math.min(closestMs - remainingMs / 10, closestMs * 4);
  const wantedMs = facts.isFirst || hasEstimate(facts) ? towardsEndMs : unguidedDelayMs(facts, towardsEndMs);
  const jitter = 0.9 + facts.random * 0.2;
  return Math.round(Math.max(closestMs, wantedMs) * jitter);
}

function unguidedDelayMs({ elapsedMs, progressPercent }: PollFacts, towardsEndMs: number): number {
  const sparseMs = Math.min(elapsedMs / 4, MAX_UNGUIDED_DELAY_MS);
  return isTrusted(progressPercent) ? Math.min(sparseMs, towardsEndMs) : sparseMs;
}
