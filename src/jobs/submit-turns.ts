import type { Clock } from '../platform/clock.ts';

/** Lets one submission be under way at a time. */
export interface SubmitTurns {
  /** Waits for the turn, and for a pause to end. The returned function ends the turn. @throws the signal's reason */
  take(signal: AbortSignal): Promise<() => void>;
  /** Nobody sends before: the service has said when it will listen again. */
  pause(durationMs: number): void;
}

/**
 * Submissions one after the other. A lost answer can be settled only where it is clear which task is whose: with one
 * submission at a time at most one record of this run is uncertain, and at most one new task is unclaimed. Waiting takes
 * minutes and a submission about a second, so nothing is lost by it.
 */
export function createSubmitTurns(clock: Clock): SubmitTurns {
  let last: Promise<void> = Promise.resolve();
  let openAtMs = 0;
  return {
    pause(durationMs) {
      openAtMs = Math.max(openAtMs, clock.monotonicMs() + durationMs);
    },
    async take(signal) {
      const before = last;
      let end = (): void => undefined;
      last = new Promise((resolve) => {
        end = resolve;
      });
      try {
        await before;
        for (let leftMs = openAtMs - clock.monotonicMs(); leftMs > 0; leftMs = openAtMs - clock.monotonicMs())
          await clock.sleep(leftMs, signal);
        signal.throwIfAborted();
        return end;
      } catch (error) {
        end();
        throw error;
      }
    },
  };
}
