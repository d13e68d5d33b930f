import { backoffDelayMs } from '../platform/clock.ts';
import type { SubmitOutcome } from './answers.ts';

export interface RetryLater {
  readonly kind: 'retry';
  readonly delayMs: number;
}
export type RetryDecision = RetryLater | { readonly kind: 'stop' };

/** One failed read. */
export interface FailedRead {
  /** How many reads have failed in a row, from 1. */
  readonly attempt: number;
  readonly retryAfterMs?: number | undefined;
  /** A number in [0, 1). */
  readonly random: number;
}

/** What may end the repeating of a read. */
export interface ReadBounds {
  readonly isTransient: boolean;
  readonly nowMs: number;
  readonly deadlineMs: number;
  /** No bound unless told. */
  readonly maxAttempts?: number | undefined;
}

/** A submit may fail this often before its first byte. */
const MAX_UNSENT_TRIES = 3;
/** The service may say this often that it did not take a submit. */
const MAX_THROTTLED_TRIES = 6;

/**
 * Whether and when to repeat a GET: full jitter from 1 s to 30 s, at least what `Retry-After` asks for, never beyond the
 * deadline. Without bounds the answer is always a delay, and the caller decides when to give up.
 */
export function decideRead(failed: FailedRead): RetryLater;
export function decideRead(failed: FailedRead & ReadBounds): RetryDecision;
export function decideRead({
  attempt,
  retryAfterMs,
  random,
  ...bounds
}: FailedRead & Partial<ReadBounds>): RetryDecision {
  const { isTransient = true, maxAttempts = Number.POSITIVE_INFINITY, nowMs = 0, deadlineMs } = bounds;
  if (!isTransient || attempt >= maxAttempts) return { kind: 'stop' };
  const budgetMs = deadlineMs === undefined ? undefined : deadlineMs - nowMs;
  return toDecision(backoffDelayMs(attempt, random, { retryAfterMs, budgetMs }));
}

/**
 * Whether and when the paid POST may be repeated (with the same key): only where no byte left for a reason that may pass,
 * or where the service itself says that it did not take it. Everything else is never repeated, as it may be charged.
 *
 * @param submit `attempt` counts the tries so far, from 1; `elapsedMs` since the first; `patienceMs` bounds all waits
 */
export function decideSubmit(submit: {
  readonly attempt: number;
  readonly outcome: SubmitOutcome;
  readonly elapsedMs: number;
  readonly patienceMs: number;
  readonly random: number;
}): RetryDecision {
  const { attempt, outcome, random } = submit;
  const budgetMs = submit.patienceMs - submit.elapsedMs;
  if (outcome.kind === 'not-sent') {
    if (!outcome.isTransient || attempt >= MAX_UNSENT_TRIES) return { kind: 'stop' };
    return toDecision(backoffDelayMs(attempt, random, { budgetMs }));
  }
  if (outcome.kind === 'throttled') {
    if (attempt >= MAX_THROTTLED_TRIES) return { kind: 'stop' };
    return toDecision(backoffDelayMs(attempt, random, { retryAfterMs: outcome.retryAfterMs, budgetMs }));
  }
  return { kind: 'stop' };
}

function toDecision(delayMs: number | undefined): RetryDecision {
  return delayMs === undefined ? { kind: 'stop' } : { kind: 'retry', delayMs };
}
