const WINDOW_MS = 5_000;

export interface SpeedMeter {
  /** Notes how many bytes there are now; a smaller number than before starts anew. */
  add(receivedBytes: number, atMs: number): void;
  /** Bytes per second over the last seconds, falling while nothing comes; absent before there is a span to measure. */
  bytesPerSecond(nowMs: number): number | undefined;
}

/** Measures speed over a sliding window, so that a stall shows at once and a resumed part counts as nothing. */
export function createSpeedMeter(): SpeedMeter {
  let samples: { bytes: number; atMs: number }[] = [];
  return {
    add(receivedBytes, atMs) {
      const last = samples.at(-1);
      if (last !== undefined && receivedBytes < last.bytes) samples = [];
      samples.push({ bytes: receivedBytes, atMs });
      // One sample older than the window stays: it is where the window begins.
      while (samples.length > 2 && (samples[1]?.atMs ?? atMs) < atMs - WINDOW_MS) samples.shift();
    },
    bytesPerSecond(nowMs) {
      const first = samples[0];
      const last = samples.at(-1);
      if (first === undefined || last === undefined) return undefined;
      const spanMs = nowMs - first.atMs;
      return spanMs <= 0 || last === first ? undefined : ((last.bytes - first.bytes) / spanMs) * 1000;
    },
  };
}
