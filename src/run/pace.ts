import type { Clock } from '../platform/clock.ts';

/** What the service answered to a submission. */
export type SubmitSignal = 'accepted' | 'throttled';

/** The state at the start of a run: tasks at the same time, where a fraction is progress towards the next whole one. */
export function initialLimit(max: number) {
  /** `sinceCut`: submissions since the last cut. */
  return { limit: max, sinceCut: Number.POSITIVE_INFINITY };
}

/**
 * How many tasks may run after one more answer: additive increase, multiplicative decrease (as TCP, RFC 5681 §3.1). Halved
 * when the service says that it is too much, once for a burst of such answers; one more for as many accepted tasks as
 * run. Never below 1 or above `max`. Pure.
 */
export function nextLimit(state: ReturnType<typeof initialLimit>, signal: SubmitSignal, max: number) {
  if (signal === 'accepted')
    return { limit: Math.min(max, state.limit + 1 / state.limit), sinceCut: state.sinceCut + 1 };
  // Refusals that come before anything was accepted belong to the cut that was made already.
  if (state.sinceCut < 1) return state;
  return { limit: Math.max(1, Math.floor(state.limit / 2)), sinceCut: 0 };
}

/**
 * Submissions one after the other. A lost answer can be settled only where it is clear which task is whose: with one
 * submission at a time at most one record of this run is uncertain, and at most one new task is unclaimed. Waiting takes
 * minutes and a submission about a second, so nothing is lost by it.
 */
export function createSubmitTurns(clock: Clock) {
  let last: Promise<void> = Promise.resolve();
  let openAtMs = 0;
  return {
    /** Nobody sends before: the service has said when it will listen again. */
    pause(durationMs: number): void {
      openAtMs = Math.max(openAtMs, clock.monotonicMs() + durationMs);
    },
    /** Waits for the turn, and for a pause to end. The returned function ends the turn. @throws the signal's reason */
    async take(signal: AbortSignal): Promise<() => void> {
      const before = last;
      let end = (): void => undefined;
      last = new Promise((resolve) => {
        end = resolve;
      });
      try {
        await before;
        while (openAtMs > clock.monotonicMs()) await clock.sleep(openAtMs - clock.monotonicMs(), signal);
        signal.throwIfAborted();
        return end;
      } catch (error) {
        end();
        throw error;
      }
    },
  };
}
