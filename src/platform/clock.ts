/** The only source of time and chance. Tests move it by hand. */
export interface Clock {
  /** Wall time, ms since the epoch. */
  now(): number;
  /** Milliseconds that never run backwards, for measuring spans. */
  monotonicMs(): number;
  /** Sleeps; rejects with `signal.reason` at once when aborted. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>;
  /** Runs `action` after the delay unless the returned function is called before. */
  after(delayMs: number, action: () => void): () => void;
  /** A number in [0, 1), for jitter. */
  random(): number;
}
