import { formatBytes } from '../platform/text.ts';
import { formatDuration, formatPercent } from './format.ts';
import { displayWidth, truncateToWidth } from './table.ts';
import type { Theme } from './theme.ts';

interface Times {
  readonly elapsedMs: number;
  readonly remainingMs?: number | undefined;
}

interface Bytes {
  readonly receivedBytes: number;
  readonly totalBytes?: number | undefined;
  readonly bytesPerSecond?: number | undefined;
}

/** `1 min 5 s elapsed`, `about 1 min 20 s left`. */
export function timeFacts({ elapsedMs, remainingMs }: Times): readonly string[] {
  const elapsed = `${formatDuration(elapsedMs)} elapsed`;
  if (remainingMs === undefined) return [elapsed];
  return [elapsed, remainingMs > 0 ? `about ${formatDuration(remainingMs)} left` : 'longer than expected'];
}

/** `3.7 MiB of 8.2 MiB`, `2.3 MiB/s`, `2 s left`, as far as they are known. */
export function byteFacts({ receivedBytes, totalBytes, bytesPerSecond }: Bytes): readonly string[] {
  const size =
    formatBytes(receivedBytes) + (totalBytes === undefined ? '' : ` of ${formatBytes(totalBytes)}`);
  if (bytesPerSecond === undefined) return [size];
  const speed = `${formatBytes(bytesPerSecond)}/s`;
  if (totalBytes === undefined || bytesPerSecond <= 0) return [size, speed];
  const leftMs = (Math.max(0, totalBytes - receivedBytes) / bytesPerSecond) * 1000;
  return [size, speed, `${formatDuration(leftMs)} left`];
}

const WINDOW_MS = 5000;

/** Measures speed over a sliding window, so that a stall shows at once and a resumed part counts as nothing. */
export function createSpeedMeter() {
  let samples: { bytes: number; atMs: number }[] = [];
  return {
    add(bytes: number, atMs: number): void {
      if (bytes < (samples.at(-1)?.bytes ?? 0)) samples = [];
      samples.push({ bytes, atMs });
      // One sample older than the window stays: it is where the window begins.
      while (samples.length > 2 && (samples[1]?.atMs ?? atMs) < atMs - WINDOW_MS) samples.shift();
    },
    /** Undefined until there are two samples. */
    bytesPerSecond(nowMs: number): number | undefined {
      const [first, ...others] = samples;
      const last = others.at(-1);
      if (first === undefined || last === undefined || nowMs <= first.atMs) return undefined;
      return ((last.bytes - first.bytes) / (nowMs - first.atMs)) * 1000;
    },
  };
}

const SHORTEST_BAR = 8;
const LONGEST_BAR = 30;

/**
 * `processing 45% ████░░░░ 1 min 5 s elapsed, about 1 min 20 s left`, as much of it as the screen is wide: the last facts
 * before a bar, a bar before nothing. The last column stays empty: some terminals wrap as soon as it is written.
 * @param percent absent where it is not known: there is no bar then
 */
export function formatLiveLine(
  { head, percent, facts }: { head: string; percent?: number | undefined; facts: readonly string[] },
  { columns, theme: { accent, dim, symbols } }: { readonly columns: number; readonly theme: Theme },
): string {
  const room = Math.max(0, columns - 1);
  const start = percent === undefined ? head : `${head} ${formatPercent(percent)}`;
  const tails = facts.map((_, index) => facts.slice(index).join(', '));
  const restBeside = (tail: string): number => room - displayWidth(`${start} ${tail}`) - 1;
  const tail = tails.find((each) => restBeside(each) >= SHORTEST_BAR);
  if (percent !== undefined && tail !== undefined) {
    const width = Math.min(LONGEST_BAR, restBeside(tail));
    const done = Math.round(Math.min(1, Math.max(0, percent / 100)) * width);
    return `${start} ${accent(symbols.barDone.repeat(done))}${dim(symbols.barLeft.repeat(width - done))} ${tail}`;
  }
  const line = `${start} ${tails.find((each) => restBeside(each) >= -1) ?? ''}`.trimEnd();
  return truncateToWidth(line, room, symbols.ellipsis);
}
