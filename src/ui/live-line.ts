import { clearLine, cursorTo } from 'node:readline';
import type { OutputStream } from '../platform/io.ts';
import { sanitizeServerText } from '../platform/text.ts';
import { formatBytes, formatDuration, formatPercent } from './format.ts';
import { type BytesView, describeBytes, describeSpeed, formatWaitTimes, type WaitView } from './progress.ts';
import { displayWidth, truncateToWidth } from './table.ts';
import type { Theme } from './theme.ts';

const SHORTEST_BAR = 8;
const LONGEST_BAR = 30;
const STATUS_LENGTH = 24;

interface LineContext {
  readonly columns: number;
  readonly theme: Theme;
}

/** `processing 45% ████░░░░ 1m 05s elapsed, about 1m 20s left`, as much of it as the screen is wide. */
export function formatWaitLine(view: WaitView, context: LineContext): string {
  const { status, progressPercent = 0, elapsedMs, remainingMs = 0 } = view;
  const head = `${sanitizeServerText(status, { maxLength: STATUS_LENGTH })} ${formatPercent(progressPercent)}`;
  const short =
    remainingMs > 0 ? `${formatDuration(remainingMs)} left` : `${formatDuration(elapsedMs)} elapsed`;
  return layOut({ head, fraction: progressPercent / 100, tails: [formatWaitTimes(view), short] }, context);
}

/** `saving 45% ████░░░░ 3.7 MiB of 8.2 MiB, 2.3 MiB/s, 2s left`, as much of it as the screen is wide. */
export function formatBytesLine(view: BytesView, context: LineContext): string {
  const { receivedBytes, totalBytes, verb = 'saving' } = view;
  const { speed, left } = describeSpeed(view);
  // Without a total there is neither a share nor an end to tell.
  if (totalBytes === undefined || totalBytes <= 0) {
    return layOut({ head: `${verb} ${formatBytes(receivedBytes)}`, tails: [speed.join('')] }, context);
  }
  const fraction = receivedBytes / totalBytes;
  const head = `${verb} ${formatPercent(fraction * 100)}`;
  const tails = [describeBytes(view), [...speed, ...left].join(', '), left.join('')];
  return layOut({ head, fraction, tails }, context);
}

interface Line {
  readonly head: string;
  /** 0 to 1; absent = no bar. */
  readonly fraction?: number | undefined;
  /** From the longest to the shortest. */
  readonly tails: readonly string[];
}

/** Times before bars, bars before nothing. The last column stays empty: some terminals wrap as soon as it is written. */
function layOut({ head, fraction, tails }: Line, { columns, theme }: LineContext): string {
  const room = Math.max(0, columns - 1);
  const told = tails.filter((tail) => tail !== '');
  const restBeside = (tail: string): number => room - displayWidth(`${head} ${tail}`.trimEnd()) - 1;
  const join = (...parts: string[]): string => parts.filter((part) => part !== '').join(' ');
  const tail = told.find((candidate) => restBeside(candidate) >= SHORTEST_BAR);
  if (fraction !== undefined && (tail !== undefined || told.length === 0) && restBeside(tail ?? '') > 0) {
    return join(head, formatBar(fraction, Math.min(LONGEST_BAR, restBeside(tail ?? '')), theme), tail ?? '');
  }
  const line = join(head, told.find((candidate) => restBeside(candidate) >= -1) ?? '');
  return truncateToWidth(line, room, theme.symbols.ellipsis);
}

function formatBar(fraction: number, width: number, theme: Theme): string {
  const done = Math.round(Math.min(1, Math.max(0, fraction)) * width);
  return (
    theme.accent(theme.symbols.barDone.repeat(done)) + theme.dim(theme.symbols.barLeft.repeat(width - done))
  );
}

/**
 * The terminal that cli-progress draws on. Its own one saves the cursor at the start and jumps back there at the end,
 * onto other lines when the person has pressed Enter or the screen has scrolled: this one stays in its line.
 */
export function createBarTerminal(stream: OutputStream) {
  const { raw } = stream;
  const nothing = (): void => {};
  return {
    cursorSave: nothing,
    cursorRestore: nothing,
    cursor: nothing,
    cursorTo: (x: number) => void cursorTo(raw, x),
    clearRight: () => void clearLine(raw, 1),
    clearLine: () => void clearLine(raw, 0),
    lineWrapping: (isOn: boolean) => void raw.write(isOn ? '\u001B[?7h' : '\u001B[?7l'),
    write: (text: string) => void raw.write(text),
    newline: () => void raw.write('\n'),
    isTTY: () => true,
    getWidth: () => stream.columns(),
  };
}
