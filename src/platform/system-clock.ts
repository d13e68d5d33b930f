import type { Clock } from './clock.ts';

/** The longest delay that Node's timers take; a longer one would fire at once (Node documentation, `setTimeout`). */
const MAX_TIMER_MS = 2_147_483_647;

export interface SystemClockOptions {
  /**
   * How much faster than real time the clock runs, for rehearsals and tests of the whole program: at 60, a minute of
   * waiting lasts a second. Default 1. The composition root takes it from `EVOLINK_INTERNAL_CLOCK_RATE`.
   */
  readonly rate?: number;
}

/** The machine's clock. `after` never keeps the process alive by itself; `sleep` does. */
export function createSystemClock({ rate = 1 }: SystemClockOptions = {}): Clock {
  const startMs = Date.now();
  const monotonicMs = () => performance.now() * rate;

  return {
    // At the normal rate the wall clock itself, so that a clock that is set right is followed.
    now: () => (rate === 1 ? Date.now() : Math.round(startMs + (Date.now() - startMs) * rate)),
    monotonicMs,
    random: () => Math.random(),
    sleep(durationMs, signal) {
      if (signal?.aborted) return Promise.reject(signal.reason);
      return new Promise((resolve, reject) => {
        const abort = () => {
          cancel();
          reject(signal?.reason);
        };
        const cancel = startTimer(durationMs / rate, () => {
          signal?.removeEventListener('abort', abort);
          resolve();
        });
        signal?.addEventListener('abort', abort, { once: true });
      });
    },
    after: (delayMs, action) => startTimer(delayMs / rate, action, { isBackground: true }),
  };
}

/** A timer of any length. Returns the function that stops it. */
function startTimer(delayMs: number, action: () => void, { isBackground = false } = {}): () => void {
  let timer: NodeJS.Timeout;
  const start = (leftMs: number) => {
    const partMs = Math.min(Math.max(0, leftMs), MAX_TIMER_MS);
    timer = setTimeout(() => (leftMs > partMs ? start(leftMs - partMs) : action()), partMs);
    if (isBackground) timer.unref();
  };
  start(delayMs);
  return () => clearTimeout(timer);
}
