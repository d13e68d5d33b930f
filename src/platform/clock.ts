import { setTimeout as delay } from 'node:timers/promises';

/** The only source of time and chance. Tests move it by hand. */
export interface Clock {
  /** Wall time, ms since the epoch. */
  now(): number;
  /** Milliseconds that never run backwards, for measuring spans. */
  monotonicMs(): number;
  /** Sleeps; rejects with `signal.reason` at once when aborted. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>;
  /**
   * Runs `action` after the delay unless the returned function is called before. Somebody may be waiting for it, so it
   * keeps the process alive unless it is of the background (a heartbeat).
   */
  after(delayMs: number, action: () => void, options?: { readonly isBackground?: boolean }): () => void;
  /** A number in [0, 1), for jitter. */
  random(): number;
}

/** The longest delay that Node's timers take (24 days); a longer one would fire at once (Node documentation, `setTimeout`). */
const MAX_TIMER_MS = 2_147_483_647;

/**
 * The machine's clock.
 * @param rate how much faster than real time spans pass, for tests of the whole program: at 60, a minute of waiting lasts a
 * second. The wall clock stays that of the machine, which other processes read too. `main.ts` takes it from
 * `EVOLINK_INTERNAL_CLOCK_RATE`.
 */
export function createSystemClock({ rate = 1 }: { readonly rate?: number } = {}): Clock {
  const toTimerMs = (spanMs: number) => Math.min(Math.max(0, spanMs / rate), MAX_TIMER_MS);
  return {
    now: () => Date.now(),
    // As `performance.now()`, which has much to load before its first answer.
    monotonicMs: () => (Number(process.hrtime.bigint()) / 1e6) * rate,
    random: () => Math.random(),
    async sleep(durationMs, signal) {
      await delay(toTimerMs(durationMs), undefined, signal && { signal }).catch(() =>
        signal?.throwIfAborted(),
      );
    },
    after(delayMs, action, options) {
      const timer = setTimeout(action, toTimerMs(delayMs));
      if (options?.isBackground) timer.unref();
      return () => clearTimeout(timer);
    },
  };
}

/**
 * How long to wait before a repeated read, in ms: exponential with full jitter (at most 1 s at first, 30 s at last), and at
 * least what `Retry-After` asks for. `undefined` when that would pass the budget, what is left of the time that may be
 * waited: then there is no point in waiting at all.
 *
 * @param attempt how many attempts have failed in a row, from 1
 * @param random a number in [0, 1)
 */
export function backoffDelayMs(
  attempt: number,
  random: number,
  options: { readonly [K in 'retryAfterMs' | 'budgetMs']?: number | undefined } = {},
): number | undefined {
  const { retryAfterMs = 0, budgetMs = Number.POSITIVE_INFINITY } = options;
  const ceilingMs = Math.min(30_000, 1_000 * 2 ** Math.min(attempt - 1, 30));
  // After a wait that the other side named, a jitter of its own keeps clients apart that all got the same answer.
  const delayMs = Math.round(random * ceilingMs) + Math.max(retryAfterMs, 0);
  return delayMs > budgetMs ? undefined : delayMs;
}

const LONGEST_DELAY_SECONDS = 10 * 365 * 86_400;

/** RFC 9110 §5.6.7: IMF-fixdate, RFC 850, asctime. */
const HTTP_DATE = /^[A-Z][a-z]{2,8},? [\w -]+ \d{2}:\d{2}:\d{2} (?:GMT|\d{4})$/;

/** An HTTP date of any of the three forms of RFC 9110 §5.6.7, as ms since the epoch; `undefined` for anything else. */
export function parseHttpDate(value: string): number | undefined {
  if (!HTTP_DATE.test(value)) return undefined;
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
