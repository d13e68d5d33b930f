import { clearLine, clearScreenDown, cursorTo, moveCursor } from 'node:readline';
import { Writable } from 'node:stream';
import type { MultiBar, SingleBar } from 'cli-progress';
import type { Clock } from '../platform/clock.ts';
import type { Io, OutputStream } from '../platform/io.ts';
import { toHumanPath } from '../platform/text.ts';
import { heldCredits, isTrouble } from '../report/facts.ts';
import { formatCount, formatCredits, formatDuration, formatPercent } from './format.ts';
import type { ReporterEvent } from './lines.ts';
import { createSpeedMeter, formatBytesLine, formatWaitLine } from './progress.ts';
import { fitToWidth, truncateToWidth } from './table.ts';
import type { Terminal } from './terminal.ts';
import type { Theme } from './theme.ts';

const REDRAWS_PER_SECOND = 4;
/** However many jobs run, the screen stays readable. */
const MAX_ROWS = 10;
const MAX_NAME_COLUMNS = 28;

/** What is known of a task while it goes on. */
interface Row {
  status: string;
  /** Absent until the service gives a share: "0 %" of a pending task says nothing. */
  progressPercent?: number | undefined;
  startedMs: number;
  /** Expected end. */
  endsAtMs?: number | undefined;
  bytes?: ReturnType<typeof addBytes> | undefined;
  /** The files that are uploaded, by path: they run at the same time. */
  uploads: Map<string, { readonly sentBytes: number; readonly totalBytes: number; readonly isDone: boolean }>;
  /** What is reserved for it. */
  credits: number;
  bar?: SingleBar | undefined;
}

function createRow(status: string, startedMs: number, expectedSeconds?: number): Row {
  return { status, startedMs, endsAtMs: endOf(startedMs, expectedSeconds), uploads: new Map(), credits: 0 };
}

function endOf(nowMs: number, seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : nowMs + seconds * 1000;
}

/** What an event changes. @returns whether the task still has something to show; undefined where nothing changed */
function updateRow(row: Row, event: ReporterEvent, nowMs: number): boolean | undefined {
  switch (event.kind) {
    case 'upload-started':
    case 'upload-bytes':
    case 'uploaded': {
      const { path } = event;
      const { sentBytes = 0, totalBytes = 0 } = { ...row.uploads.get(path), ...event };
      row.uploads.set(path, { sentBytes, totalBytes, isDone: event.kind === 'uploaded' });
      const files = [...row.uploads.values()];
      const sum = (key: 'sentBytes' | 'totalBytes') => files.reduce((total, file) => total + file[key], 0);
      row.bytes = files.every(({ isDone }) => isDone)
        ? undefined
        : addBytes(
            row,
            { verb: 'uploading', receivedBytes: sum('sentBytes'), totalBytes: sum('totalBytes') },
            nowMs,
          );
      return row.bytes !== undefined;
    }
    case 'submitting':
      row.status = 'submitting';
      row.bytes = undefined;
      return true;
    case 'attached':
      row.status = 'reading the task';
      return true;
    case 'accepted':
      row.status = 'accepted';
      row.credits = event.reservedCredits ?? event.estimatedCredits ?? 0;
      row.endsAtMs = endOf(nowMs, event.estimatedSeconds) ?? row.endsAtMs;
      return true;
    case 'progress': {
      const { status, progressPercent: percent, elapsedMs, remainingMs } = event;
      const hasShare = row.progressPercent !== undefined || status !== 'pending' || (percent ?? 0) > 0;
      if (hasShare) row.progressPercent = percent ?? row.progressPercent;
      const endsAtMs = remainingMs === undefined ? undefined : nowMs + remainingMs;
      Object.assign(row, { status, startedMs: nowMs - elapsedMs, endsAtMs, bytes: undefined });
      return true;
    }
    case 'download-started':
      row.bytes = undefined;
      row.bytes = addBytes(
        row,
        { receivedBytes: event.resumedFromBytes, totalBytes: event.totalBytes },
        nowMs,
      );
      return true;
    case 'bytes':
      row.bytes = addBytes(row, { ...row.bytes, ...event }, nowMs);
      return true;
    case 'completed':
    case 'saved':
      return false;
    default:
      return undefined;
  }
}

function addBytes(
  { bytes }: { readonly bytes?: { readonly meter: ReturnType<typeof createSpeedMeter> } | undefined },
  view: { readonly verb?: string; readonly receivedBytes: number; readonly totalBytes?: number | undefined },
  nowMs: number,
) {
  const { meter = createSpeedMeter() } = bytes ?? {};
  meter.add(view.receivedBytes, nowMs);
  return { ...view, meter };
}

/** They go on between two readings of the task. */
function timesOf({ startedMs, endsAtMs }: Row, nowMs: number) {
  return { elapsedMs: nowMs - startedMs, remainingMs: endsAtMs === undefined ? undefined : endsAtMs - nowMs };
}

interface DisplayOptions {
  readonly io: Io;
  readonly clock: Clock;
  readonly theme: Theme;
  readonly terminal: Terminal;
  /** For what is drawn later, by a timer: nobody else catches it there. */
  readonly guard: <T>(what: string, fallback: T, show: () => T) => T;
  /** A line for each of the first jobs, and one for all; else one for the only task. */
  readonly isRun: boolean;
}

/** What is drawn below the lines while something goes on: a line, or bars. Loads the drawing library; stderr must be a terminal. */
export async function loadDisplay({ io, clock, theme, terminal, guard, isRun }: DisplayOptions) {
  const stream = io.stderr;
  const now = (): number => clock.monotonicMs();

  function lineOf(row: Row, columns: number): string {
    const { status, progressPercent, bytes } = row;
    if (bytes === undefined)
      return formatWaitLine({ status, progressPercent, ...timesOf(row, now()) }, { columns, theme });
    const bytesPerSecond = bytes.meter.bytesPerSecond(now());
    return formatBytesLine({ ...bytes, bytesPerSecond }, { columns, theme });
  }

  const options = { stream, theme, terminal, guard, now, lineOf };
  const drawing = await (isRun ? loadBars(options) : loadLine(options));
  let isClosed = false;
  return {
    event(event: ReporterEvent): void {
      if (!isClosed && !stream.isClosed()) drawing.event(event);
    },
    /** Writes whole lines above it. */
    print: drawing.print,
    /** Takes it away and restores the terminal: nothing may be drawn over the result. Safe to call twice. */
    close(): void {
      isClosed = true;
      drawing.hide();
      const text = terminal.restore();
      if (text !== '') stream.raw.write(text);
    },
  };
}

interface DrawingOptions extends Pick<DisplayOptions, 'theme' | 'terminal' | 'guard'> {
  readonly stream: OutputStream;
  readonly now: () => number;
  readonly lineOf: (row: Row, columns: number) => string;
}

/** A line for each of the first jobs of a run, and one for all. */
async function loadBars({ stream, theme, terminal, guard, now, lineOf }: DrawingOptions) {
  const { default: cliProgress } = await import('cli-progress');
  const { ellipsis } = theme.symbols;
  const rows = new Map<string, Row>();
  const total = { jobs: 0, done: 0, failed: 0, credits: 0, startedMs: now() };
  let bars: MultiBar | undefined;
  // A variable, because the published types do not know `terminal`.
  const options = {
    terminal: createBarTerminal(stream, terminal),
    format: () => '',
    fps: REDRAWS_PER_SECOND,
    linewrap: false,
    hideCursor: true,
    clearOnComplete: true,
    forceRedraw: true,
    gracefulExit: false,
  };

  function draw(line: () => string): SingleBar {
    bars ??= new cliProgress.MultiBar(options);
    return bars.create(1, 0, {}, { ...options, format: () => guard('the bars', '', line) });
  }

  function drawRow(row: Row, name: string): void {
    row.bar = draw(() => {
      const width = Math.min(MAX_NAME_COLUMNS, Math.floor(stream.columns() / 3));
      const head = fitToWidth(toHumanPath(name), width, ellipsis);
      return `${head} ${lineOf(row, stream.columns() - width - 1)}`;
    });
  }

  function totalLine(): string {
    const { jobs, done, failed } = total;
    const running = [...rows.values()];
    const leftMs = ((now() - total.startedMs) / done) * (jobs - done);
    const hidden = running.filter(({ bar }) => bar === undefined).length;
    const credits = running.reduce((sum, row) => sum + row.credits, total.credits);
    terminal.show(`${done} of ${formatCount(jobs, 'job')}`, (done / Math.max(1, jobs)) * 100);
    const parts = [
      `${done} of ${formatCount(jobs, 'job')}`,
      ...(failed > 0 ? [`${failed} failed`] : []),
      `${running.length} running${hidden > 0 ? ` (and ${hidden} more running)` : ''}`,
      `${formatCredits(credits)} credits`,
      ...(done > 0 && jobs > done ? [`about ${formatDuration(leftMs)} left`] : []),
    ];
    return truncateToWidth(parts.join(', '), stream.columns() - 1, ellipsis);
  }

  return {
    event(event: ReporterEvent): void {
      if (event.kind === 'run-planned') total.jobs = event.toRun;
      else if (event.kind === 'job-started') {
        const row = createRow('waiting', now(), event.expectedSeconds);
        if (bars === undefined) draw(totalLine);
        rows.set(event.job, row);
        if (rows.size <= MAX_ROWS) drawRow(row, event.job);
      } else if (event.kind === 'task') {
        const row = rows.get(event.job);
        if (row !== undefined) updateRow(row, event.event, now());
      } else if (event.kind === 'job-ended') {
        const { name, credits } = event.report;
        const row = rows.get(name);
        if (!rows.delete(name)) return;
        total.done += 1;
        total.credits += credits.used ?? heldCredits(event.report) ?? 0;
        if (isTrouble(event.report)) total.failed += 1;
        if (row?.bar === undefined) return;
        bars?.remove(row.bar);
        const [next] = [...rows].filter((entry) => entry[1].bar === undefined);
        if (next !== undefined) drawRow(next[1], next[0]);
      }
    },
    print: (text: string): void => void (bars === undefined ? stream.write(text) : bars.log(text)),
    hide(): void {
      // Lines that wait to be drawn are drawn with the bars.
      bars?.update();
      bars?.stop();
      bars = undefined;
    },
  };
}

/** Of the frame and the space behind it. */
const SPINNER_COLUMNS = 2;

/** A spinner and a line for the only task. */
async function loadLine({ stream, theme, terminal, guard, now, lineOf }: DrawingOptions) {
  const { default: ora } = await import('ora');
  const row = createRow('', now());
  const screen = createSpinnerStream(stream, terminal);
  let drawnAs = '';
  const spinner = ora({
    stream: screen,
    // What ora asks for first at each redraw: the times go on, and the window may have another width by now.
    prefixText: () => {
      screen.columns = Math.max(1, stream.columns());
      spinner.text = guard('the line', '', () => {
        const { status, progressPercent: percent } = row;
        const { verb = 'saving', receivedBytes = 0, totalBytes = 0 } = row.bytes ?? {};
        if (row.bytes === undefined)
          terminal.show(percent === undefined ? status : `${status} ${formatPercent(percent)}`, percent);
        else terminal.show(verb, totalBytes > 0 ? (receivedBytes / totalBytes) * 100 : undefined);
        return lineOf(row, stream.columns() - SPINNER_COLUMNS);
      });
      return '';
    },
    spinner: { frames: theme.symbols.spinner.map(theme.accent), interval: 1000 / REDRAWS_PER_SECOND },
    // Ora would take its colours from the process and not from this stream.
    color: false,
    isEnabled: true,
    // Its own cursor handling adds handlers for every signal, and its stdin handling takes Ctrl-C out of the terminal.
    hideCursor: false,
    discardStdin: false,
  });

  function hide(): void {
    if (!spinner.isSpinning) return;
    spinner.stop();
    stream.raw.write('\u001B[?25h');
  }

  return {
    event(event: ReporterEvent): void {
      const isShown = updateRow(row, event, now());
      if (isShown === false) hide();
      if (isShown !== true) return;
      const as = row.bytes === undefined ? row.status : '';
      if (!spinner.isSpinning) {
        stream.raw.write('\u001B[?25l');
        spinner.start();
      } else if (as !== drawnAs) spinner.render();
      drawnAs = as;
    },
    print(lines: string): void {
      const { isSpinning } = spinner;
      if (isSpinning) spinner.stop();
      void stream.write(lines);
      if (isSpinning) spinner.start();
    },
    hide,
  };
}

/**
 * What ora draws on: the terminal, but always with a width. A pseudo-terminal without a size says 0 columns, and
 * ora 9.4 divides by them and then clears lines for ever.
 */
export function createSpinnerStream(stream: OutputStream, terminal: Pick<Terminal, 'changes'>) {
  const writable = new Writable({
    decodeStrings: false,
    write(chunk, _encoding, done) {
      stream.raw.write(terminal.changes() + chunk);
      done();
    },
  });
  return Object.assign(writable, {
    isTTY: true,
    columns: Math.max(1, stream.columns()),
    cursorTo: (x: number) => cursorTo(writable, x),
    moveCursor: (x: number, y: number) => moveCursor(writable, x, y),
    clearLine: (direction: -1 | 0 | 1) => clearLine(writable, direction),
  });
}

/**
 * The terminal that cli-progress draws on: counts the lines it went down, and goes up as many. Its own one saves the cursor
 * at the start and jumps back there, onto other lines when a person has pressed Enter or the screen has scrolled.
 */
function createBarTerminal(stream: OutputStream, terminal: Terminal) {
  const { raw } = stream;
  const nothing = (): void => {};
  let linesDown = 0;
  return {
    cursorSave: nothing,
    cursorRestore: nothing,
    cursor: (isShown: boolean) => void raw.write(isShown ? '\u001B[?25h' : '\u001B[?25l'),
    cursorTo: (x: number) => void cursorTo(raw, x),
    clearRight: () => void clearLine(raw, 1),
    clearLine: () => void clearLine(raw, 0),
    clearBottom: () => void clearScreenDown(raw),
    lineWrapping: (isOn: boolean) => void raw.write(isOn ? '\u001B[?7h' : '\u001B[?7l'),
    newline: () => {
      linesDown += 1;
      raw.write('\n');
    },
    cursorRelativeReset: () => {
      moveCursor(raw, 0, -linesDown);
      cursorTo(raw, 0);
      linesDown = 0;
    },
    /** Lines above the bars are cleared of what stood there, and broken where the bars are cut. */
    write: (text: string, isAbove = false) => {
      const cleared = terminal.changes() + text.replaceAll('\n', '\u001B[K\n');
      raw.write(isAbove ? `\u001B[?7h${cleared}\u001B[?7l` : cleared);
    },
    isTTY: () => true,
    getWidth: () => stream.columns(),
  };
}
