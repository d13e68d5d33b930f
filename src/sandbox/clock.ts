import type { Clock } from '../platform/clock.ts';

export type ServerClock = ReturnType<typeof createServerClock>;

/** The server's own clock: the given one, moved by hand or by a skew fault. Timers that run already do not follow. */
export function createServerClock(clock: Clock) {
  // Counted in spans, so that a task ends when its timers say, however fast they run.
  let offsetMs = clock.now() - clock.monotonicMs();
  return {
    now: () => Math.round(clock.monotonicMs() + offsetMs),
    move: (durationMs: number): void => {
      offsetMs += durationMs;
    },
    sleep: clock.sleep,
    // A service does not keep the program alive that it runs in.
    after: (delayMs: number, action: () => void) => clock.after(delayMs, action, { isBackground: true }),
  };
}

/** The same seed gives the same sequence (mulberry32: 32 bits of state are plenty for ids and jitter). */
export function createSeededRandom(seed: number) {
  let state = seed >>> 0;
  /** A number in [0, 1). */
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  /** That many characters of 0-9a-z. */
  const letters = (length: number): string =>
    Array.from({ length }, () => Math.floor(next() * 36).toString(36)).join('');
  return { next, letters };
}
