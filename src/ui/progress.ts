import { formatBytes, sanitizeServerText } from '../platform/text.ts';
import { formatDuration, formatPercent } from './format.ts';
import { displayWidth, truncateToWidth } from './table.ts';
import type { Theme } from './theme.ts';

interface WaitView {
  readonly elapsedMs: number;
  readonly remainingMs?: number | undefined;
  readonly status: string;
  /** Absent where the service gives none: there is no bar then. */
  readonly progressPercent?: number | undefined;
}

export interface BytesView {
  /** `saving` unless named. */
  readonly verb?: string | undefined;
  readonly receivedBytes: number;
  readonly totalBytes?: number | undefined;
  readonly bytesPerSecond?: number | undefined;
}

/** `1 min 5 s elapsed, about 1 min 20 s left`. */
export function formatWaitTimes({ elapsedMs, remainingMs }: Omit<WaitView, 'status'>): string {
  const elapsed = `${formatDuration(elapsedMs)} elapsed`;
  if (remainingMs === undefined) return elapsed;
  return `${elapsed}, ${remainingMs > 0 ? `about ${formatDuration(remainingMs)} left` : 'longer than expected'}`;
}

/** `3.7 MiB of 8.2 MiB, 2.3 MiB/s, 2 s left`. */
export function describeBytes(view: BytesView): string {
  const total = view.totalBytes === undefined ? '' : ` of ${formatBytes(view.totalBytes)}`;
  return [`${formatBytes(view.receivedBytes)}${total}`, ...describeSpeed(view)].join(', ');
}

/** Speed and what is left, as far as they are known. */
function describeSpeed({ receivedBytes, totalBytes, bytesPerSecond }: BytesView): string[] {
  if (bytesPerSecond === undefined) return [];
  const speed = `${formatBytes(bytesPerSecond)}/s`;
  if (totalBytes === undefined || bytesPerSecond <= 0) return [speed];
  const leftMs = (Math.max(0, totalBytes - receivedBytes) / bytesPerSecond) * 1000;
  return [speed, `${formatDuration(leftMs)} left`];
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
const STATUS_LENGTH = 24;

interface Screen {
  readonly columns: number;
  readonly theme: Theme;
}

/** `processing 45% ████░░░░ 1 min 5 s elapsed, about 1 min 20 s left`, as much of it as the screen is wide. */
export function formatWaitLine(view: WaitView, screen: Screen): string {
  const { progressPercent: percent, elapsedMs, remainingMs = 0 } = view;
  const status = sanitizeServerText(view.status, { maxLength: STATUS_LENGTH });
  const short =
    remainingMs > 0 ? `${formatDuration(remainingMs)} left` : `${formatDuration(elapsedMs)} elapsed`;
  const tails = [formatWaitTimes(view), short];
  return percent === undefined
    ? layOut(screen, status, tails)
    : layOut(screen, `${status} ${formatPercent(percent)}`, tails, percent / 100);
}

/** `saving 45% ████░░░░ 3.7 MiB of 8.2 MiB, 2.3 MiB/s, 2 s left`, as much of it as the screen is wide. */
export function formatBytesLine(view: BytesView, screen: Screen): string {
  const { receivedBytes, totalBytes = 0, verb = 'saving' } = view;
  const speed = describeSpeed(view);
  // Without a total there is neither a share nor an end.
  if (totalBytes <= 0) return layOut(screen, `${verb} ${formatBytes(receivedBytes)}`, speed.slice(0, 1));
  const share = receivedBytes / totalBytes;
  const tails = [describeBytes(view), speed.join(', '), speed.slice(1).join('')];
  return layOut(screen, `${verb} ${formatPercent(share * 100)}`, tails, share);
}

/**
 * Times before bars, bars before nothing. The last column stays empty: some terminals wrap as soon as it is written.
 * @param tails from the longest to the shortest
 * @param share 0 to 1; absent: no bar
 */
function layOut({ columns, theme }: Screen, head: string, tails: readonly string[], share?: number): string {
  const { accent, dim, symbols } = theme;
  const room = Math.max(0, columns - 1);
  const known = tails.filter((tail) => tail !== '');
  const restBeside = (tail: string): number => room - displayWidth(`${head} ${tail}`) - 1;
  const tail = known.find((candidate) => restBeside(candidate) >= SHORTEST_BAR);
  if (share !== undefined && tail !== undefined) {
    const width = Math.min(LONGEST_BAR, restBeside(tail));
    const done = Math.round(Math.min(1, Math.max(0, share)) * width);
    return `${head} ${accent(symbols.barDone.repeat(done))}${dim(symbols.barLeft.repeat(width - done))} ${tail}`;
  }
  const line = `${head} ${known.find((candidate) => restBeside(candidate) >= -1) ?? ''}`.trimEnd();
  return truncateToWidth(line, room, symbols.ellipsis);
}
