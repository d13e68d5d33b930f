import { formatBytes, formatDuration, formatSpeed } from './format.ts';

export interface WaitView {
  readonly status: string;
  readonly progressPercent?: number | undefined;
  readonly elapsedMs: number;
  readonly remainingMs?: number | undefined;
}

export interface BytesView {
  /** `saving` unless told. */
  readonly verb?: string | undefined;
  readonly receivedBytes: number;
  readonly totalBytes?: number | undefined;
  readonly bytesPerSecond?: number | undefined;
}

/** What stands beside the spinner while a task waits: `1m 05s elapsed, about 1m 20s left`. */
export function formatWaitTimes({
  elapsedMs,
  remainingMs,
}: Pick<WaitView, 'elapsedMs' | 'remainingMs'>): string {
  const elapsed = `${formatDuration(elapsedMs)} elapsed`;
  if (remainingMs === undefined) return elapsed;
  return `${elapsed}, ${remainingMs > 0 ? `about ${formatDuration(remainingMs)} left` : 'longer than expected'}`;
}

/** `3.7 MiB of 8.2 MiB, 2.3 MiB/s, 2s left`. */
export function describeBytes(view: BytesView): string {
  const { speed, left } = describeSpeed(view);
  const total = view.totalBytes === undefined ? '' : ` of ${formatBytes(view.totalBytes)}`;
  return [`${formatBytes(view.receivedBytes)}${total}`, ...speed, ...left].join(', ');
}

/** Speed and what is left, as the parts of a sentence. */
export function describeSpeed({ receivedBytes, totalBytes, bytesPerSecond }: BytesView): {
  speed: string[];
  left: string[];
} {
  if (bytesPerSecond === undefined) return { speed: [], left: [] };
  const isEndKnown = totalBytes !== undefined && bytesPerSecond > 0;
  const leftMs = isEndKnown ? ((totalBytes - receivedBytes) / bytesPerSecond) * 1000 : undefined;
  return {
    speed: [formatSpeed(bytesPerSecond)],
    left: leftMs === undefined ? [] : [`${formatDuration(leftMs)} left`],
  };
}

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
