import type { MultiBar, SingleBar } from 'cli-progress';
import type { Clock } from '../platform/clock.ts';
import type { Io } from '../platform/io.ts';
import { toHumanPath } from '../platform/text.ts';
import { isTrouble, takenCredits } from '../report/facts.ts';
import { formatCount, formatCredits, formatDuration, formatPercent } from './format.ts';
import type { ReporterEvent } from './lines.ts';
import { type BytesView, createSpeedMeter, formatBytesLine, formatWaitLine } from './progress.ts';
import { fitToWidth, truncateToWidth } from './table.ts';
import type { Terminal } from './terminal.ts';
import type { Theme } from './theme.ts';

const REDRAWS_PER_SECOND = 4;
/** However many jobs run, the screen stays readable. */
const MAX_ROWS = 10;
const MAX_NAME_COLUMNS = 28;
/** Of the frame of the spinner and the space behind it. */
const SPINNER_COLUMNS = 2;
const HIDE_CURSOR = '\u001B[?25l';
const SHOW_CURSOR = '\u001B[?25h';
const WRAP = '\u001B[?7h';
const NO_WRAP = '\u001B[?7l';
const CLEAR_RIGHT = '\u001B[K';

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
export async function loadDisplay(options: DisplayOptions) {
  const stream = options.io.stderr;
  const drawing = await (options.isRun ? loadBars(options) : loadLine(options));
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
      const text = options.terminal.restore();
      if (text !== '') stream.raw.write(text);
    },
  };
}

/** What is known of a task while it goes on, and the line that says it. */
function createRow({ clock, theme }: DisplayOptions, status: string, expectedSeconds?: number) {
  const now = () => clock.monotonicMs();
  const inFuture = (ms: number | undefined) => (ms === undefined ? undefined : now() + ms);
  const inSeconds = (seconds: number | undefined) => inFuture(seconds && seconds * 1000);
  let startedMs = now();
  let endsAtMs = inSeconds(expectedSeconds);
  /** Absent until the service gives a share: "0 %" of a pending task says nothing. */
  let progressPercent: number | undefined;
  let bytes: BytesView | undefined;
  let meter = createSpeedMeter();
  /** The files that are uploaded, by path: they run at the same time. */
  const uploads = new Map<string, { sentBytes: number; totalBytes: number; kind: string }>();

  function showBytes(view: BytesView): void {
    if (bytes === undefined) meter = createSpeedMeter();
    meter.add(view.receivedBytes, now());
    bytes = view;
  }

  const row = {
    /** What is reserved for it. */
    credits: 0,
    /** What an event changes. @returns whether the task still has something to show; undefined where nothing changed */
    event(event: ReporterEvent): boolean | undefined {
      switch (event.kind) {
        case 'upload-started':
        case 'upload-bytes':
        case 'uploaded': {
          uploads.set(event.path, { sentBytes: 0, totalBytes: 0, ...uploads.get(event.path), ...event });
          const files = [...uploads.values()];
          const sum = (key: 'sentBytes' | 'totalBytes') => files.reduce((all, file) => all + file[key], 0);
          if (files.every(({ kind }) => kind === 'uploaded')) bytes = undefined;
          else
            showBytes({ verb: 'uploading', receivedBytes: sum('sentBytes'), totalBytes: sum('totalBytes') });
          return bytes !== undefined;
        }
        case 'submitting':
          status = 'submitting';
          bytes = undefined;
          return true;
        case 'attached':
          status = 'reading the task';
          return true;
        case 'accepted':
          status = 'accepted';
          row.credits = event.reservedCredits ?? event.estimatedCredits ?? 0;
          endsAtMs = inSeconds(event.estimatedSeconds) ?? endsAtMs;
          return true;
        case 'progress':
          if (progressPercent !== undefined || event.status !== 'pending' || (event.progressPercent ?? 0) > 0)
            progressPercent = event.progressPercent ?? progressPercent;
          status = event.status;
          startedMs = now() - event.elapsedMs;
          endsAtMs = inFuture(event.remainingMs);
          bytes = undefined;
          return true;
        case 'download-started':
          bytes = undefined;
          showBytes({ receivedBytes: event.resumedFromBytes, totalBytes: event.totalBytes });
          return true;
        case 'bytes':
          showBytes({ ...bytes, ...event });
          return true;
        case 'completed':
        case 'saved':
          return false;
        default:
          return undefined;
      }
    },
    /** What the title of the window says of it, and how much is done as far as that is known. */
    title(): readonly [words: string, percent?: number | undefined] {
      if (bytes === undefined) {
        const share = progressPercent === undefined ? '' : ` ${formatPercent(progressPercent)}`;
        return [status + share, progressPercent];
      }
      const { verb = 'saving', receivedBytes, totalBytes = 0 } = bytes;
      return [verb, totalBytes > 0 ? (receivedBytes / totalBytes) * 100 : undefined];
    },
    /** The times go on between two readings of the task. */
    line(columns: number): string {
      const nowMs = now();
      if (bytes !== undefined)
        return formatBytesLine({ ...bytes, bytesPerSecond: meter.bytesPerSecond(nowMs) }, { columns, theme });
      const times = {
        elapsedMs: nowMs - startedMs,
        remainingMs: endsAtMs === undefined ? undefined : endsAtMs - nowMs,
      };
      return formatWaitLine({ status, progressPercent, ...times }, { columns, theme });
    },
  };
  return row;
}

/** A line for each of the first jobs of a run, and one for all. */
async function loadBars(options: DisplayOptions) {
  const { io, clock, theme, terminal, guard } = options;
  const { default: cliProgress } = await import('cli-progress');
  const { ellipsis } = theme.symbols;
  const stream = io.stderr;
  const startedMs = clock.monotonicMs();
  const rows = new Map<string, ReturnType<typeof createRow> & { bar?: SingleBar }>();
  const total = { jobs: 0, done: 0, failed: 0, credits: 0 };
  let bars: MultiBar | undefined;

  function draw(line: () => string): SingleBar {
    bars ??= new cliProgress.MultiBar({
      stream: stream.raw,
      fps: REDRAWS_PER_SECOND,
      linewrap: false,
      hideCursor: true,
      clearOnComplete: true,
      forceRedraw: true,
      gracefulExit: false,
    });
    return bars.create(1, 0, {}, { format: () => guard('the bars', '', line) });
  }

  /** The oldest job that has no bar, where there is room. */
  function drawNext(): void {
    if ([...rows.values()].filter(({ bar }) => bar !== undefined).length >= MAX_ROWS) return;
    const [next] = [...rows].filter(([, { bar }]) => bar === undefined);
    if (next === undefined) return;
    const [name, row] = next;
    row.bar = draw(() => {
      const width = Math.min(MAX_NAME_COLUMNS, Math.floor(stream.columns() / 3));
      const head = fitToWidth(toHumanPath(name), width, ellipsis);
      return `${head} ${row.line(stream.columns() - width - 1)}`;
    });
  }

  function totalLine(): string {
    const { jobs, done, failed } = total;
    const running = [...rows.values()];
    const leftMs = ((clock.monotonicMs() - startedMs) / done) * (jobs - done);
    const hidden = running.filter(({ bar }) => bar === undefined).length;
    const credits = running.reduce((sum, row) => sum + row.credits, total.credits);
    const share = `${done} of ${formatCount(jobs, 'job')}`;
    const parts = [
      share,
      failed > 0 && `${failed} failed`,
      `${running.length} running${hidden > 0 ? ` (and ${hidden} more running)` : ''}`,
      `${formatCredits(credits)} credits`,
      done > 0 && jobs > done && `about ${formatDuration(leftMs)} left`,
    ];
    const line = parts.filter((part) => part !== false).join(', ');
    const title = terminal.show(share, (done / Math.max(1, jobs)) * 100);
    return title + truncateToWidth(line, stream.columns() - 1, ellipsis);
  }

  return {
    event(event: ReporterEvent): void {
      if (event.kind === 'run-planned') total.jobs = event.toRun;
      else if (event.kind === 'task') rows.get(event.job)?.event(event.event);
      else if (event.kind === 'job-started') {
        if (bars === undefined) draw(totalLine);
        rows.set(event.job, createRow(options, 'waiting', event.expectedSeconds));
        drawNext();
      } else if (event.kind === 'job-ended') {
        const { name } = event.report;
        const bar = rows.get(name)?.bar;
        if (!rows.delete(name)) return;
        total.done += 1;
        total.credits += takenCredits(event.report) ?? 0;
        if (isTrouble(event.report)) total.failed += 1;
        if (bar !== undefined) bars?.remove(bar);
        drawNext();
      }
    },
    print(text: string): void {
      if (bars === undefined) return void stream.write(text);
      // Cleared of what stood there, and broken where the bars are cut.
      bars.log(WRAP + text.replaceAll('\n', `${CLEAR_RIGHT}\n`) + NO_WRAP);
    },
    hide(): void {
      // Lines that wait to be drawn are drawn with the bars.
      bars?.update();
      bars?.stop();
      bars = undefined;
    },
  };
}

/** A spinner and a line for the only task. */
async function loadLine(options: DisplayOptions) {
  const { io, theme, terminal, guard } = options;
  const { default: ora } = await import('ora');
  const stream = io.stderr;
  const row = createRow(options, '');
  // Past ora, which takes what others write to its stream for lines, and counts the columns of titles.
  const writePast = stream.raw.write.bind(stream.raw);
  let drawnAs = '';
  const spinner = ora({
    stream: stream.raw,
    // What ora asks for first at each redraw: the times go on, and the window may have another width by now.
    prefixText: () => {
      const columns = stream.columns();
      // A pseudo-terminal without a size says 0 columns: ora 9.4 divides by them, and then clears lines for ever.
      Object.assign(stream.raw, { columns });
      spinner.text = guard('the line', '', () => {
        writePast(terminal.show(...row.title()));
        return row.line(columns - SPINNER_COLUMNS);
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
    stream.raw.write(SHOW_CURSOR);
  }

  return {
    event(event: ReporterEvent): void {
      const isShown = row.event(event);
      if (isShown === false) hide();
      if (isShown !== true) return;
      const [as] = row.title();
      if (!spinner.isSpinning) {
        stream.raw.write(HIDE_CURSOR);
        spinner.start();
      } else if (as !== drawnAs) spinner.render();
      drawnAs = as;
    },
    // Ora sees to it that what is written to its stream stands above its line.
    print: (text: string): void => void stream.write(text),
    hide,
  };
}
