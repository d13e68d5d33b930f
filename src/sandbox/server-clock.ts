import type { Clock } from '../platform/clock.ts';

/** The server's own clock: the given one, moved by hand or by a skew fault. */
export interface ServerClock {
  /** Wall time of the server, ms since the epoch. */
  now(): number;
  /** Moves the server's time forward (or back). Timers that run already do not follow. */
  move(durationMs: number): void;
  sleep: Clock['sleep'];
  after: Clock['after'];
}

export function createServerClock(clock: Clock): ServerClock {
  let offsetMs = 0;
  return {
    now: () => clock.now() + offsetMs,
    move: (durationMs) => {
      offsetMs += durationMs;
    },
    sleep: (durationMs, signal) => clock.sleep(durationMs, signal),
    after: (delayMs, action) => clock.after(delayMs, action),
  };
}
