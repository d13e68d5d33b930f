import { formatBytes, sanitizeServerText } from '../platform/text.ts';
import { formatDuration, formatPercent } from './format.ts';
import { displayWidth, truncateToWidth } from './table.ts';
import type { Theme } from './theme.ts';

interface WaitTimes {
  readonly elapsedMs: number;
  readonly remainingMs?: number | undefined;
}

export interface WaitView extends WaitTimes {
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
export function formatWaitTimes({ elapsedMs, remainingMs }: WaitTimes): string {
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

interface LineContext {
  readonly columns: number;
  readonly theme: Theme;
}

/** `processing 45% ████░░░░ 1 min 5 s elapsed, about 1 min 20 s left`, as much of it as the screen is wide. */
export function formatWaitLine(view: WaitView, context: LineContext): string {
  const { progressPercent: percent, elapsedMs, remainingMs = 0 } = view;
  const status = sanitizeServerText(view.status, { maxLength: STATUS_LENGTH });
  const isLeft = remainingMs > 0;
  const short = `${formatDuration(isLeft ? remainingMs : elapsedMs)} ${isLeft ? 'left' : 'elapsed'}`;
  const tails = [formatWaitTimes(view), short];
  if (percent === undefined) return layOut({ head: status, tails }, context);
  return layOut({ head: `${status} ${formatPercent(percent)}`, fraction: percent / 100, tails }, context);
}

/** `saving 45% ████░░░░ 3.7 MiB of 8.2 MiB, 2.3 MiB/s, 2 s left`, as much of it as the screen is wide. */
export function formatBytesLine(view: BytesView, context: LineContext): string {
  const { receivedBytes, totalBytes = 0, verb = 'saving' } = view;
  const speed = describeSpeed(view);
  // Without a total there is neither a share nor an end.
  if (totalBytes <= 0)
    return layOut({ head: `${verb} ${formatBytes(receivedBytes)}`, tails: speed.slice(0, 1) }, context);
  const fraction = receivedBytes / totalBytes;
  const tails = [describeBytes(view), speed.join(', '), speed.slice(1).join('')];
  return layOut({ head: `${verb} ${formatPercent(fraction * 100)}`, fraction, tails }, context);
}

interface Line {
  readonly head: string;
  /** 0 to 1; absent = no bar. */
  readonly fraction?: number;
  /** From the longest to the shortest. */
  readonly tails: readonly string[];
}

/** Times before bars, bars before nothing. The last column stays empty: some terminals wrap as soon as it is written. */
function layOut({ head, fraction, tails }: Line, { columns, theme }: LineContext): string {
  const room = Math.max(0, columns - 1);
  const known = [...tails.filter((tail) => tail !== ''), ''];
  const restBeside = (tail: string): number => room - displayWidth(`${head} ${tail}`.trimEnd()) - 1;
  const tail = known.find((candidate) => restBeside(candidate) >= SHORTEST_BAR && candidate !== '');
  if (fraction !== undefined && tail !== undefined) {
    const width = Math.min(LONGEST_BAR, restBeside(tail));
    const done = Math.round(Math.min(1, Math.max(0, fraction)) * width);
    const { accent, dim, symbols } = theme;
    return `${head} ${accent(symbols.barDone.repeat(done))}${dim(symbols.barLeft.repeat(width - done))} ${tail}`;
  }
  const line = `${head} ${known.find((candidate) => restBeside(candidate) >= -1) ?? ''}`.trimEnd();
  return truncateToWidth(line, room, theme.symbols.ellipsis);
}
