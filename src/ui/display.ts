import type { MultiBar, SingleBar } from 'cli-progress';
import type { Clock } from '../platform/clock.ts';
import type { Io } from '../platform/io.ts';
import { sanitizeServerText, toHumanPath } from '../platform/text.ts';
import { isTrouble, takenCredits } from '../report/facts.ts';
import { formatCount, formatCredits, formatDuration, formatPercent } from './format.ts';
import type { ReporterEvent } from './lines.ts';
import { byteFacts, createSpeedMeter, formatLiveLine, timeFacts } from './progress.ts';
import { fitToWidth, truncateToWidth } from './table.ts';
import type { Terminal } from './terminal.ts';
import type { Theme } from './theme.ts';

const REDRAWS_PER_SECOND = 4;
/** However many jobs run, the screen stays readable. */
const MAX_ROWS = 10;
const MAX_NAME_COLUMNS = 28;
const STATUS_LENGTH = 24;
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

/** What is known of a task while it goes on. */
function createRow({ clock }: DisplayOptions, status: string, expectedSeconds?: number) {
  const now = () => clock.monotonicMs();
  const after = (ms: number | undefined) => (ms === undefined ? undefined : now() + ms);
  let startedMs = now();
  let endsAtMs = after(expectedSeconds && expectedSeconds * 1000);
  /** Absent until something is done: "0%" says nothing. */
  let progressPercent: number | undefined;
  let bytes: { verb: string; receivedBytes: number; totalBytes?: number | undefined } | undefined;
  let meter = createSpeedMeter();
  /** The files that are uploaded, by path: they run at the same time. */
  const uploads = new Map<string, { sentBytes: number; totalBytes: number; kind: string }>();

  function showBytes(verb: string, receivedBytes: number, totalBytes?: number): void {
    if (bytes === undefined) meter = createSpeedMeter();
    meter.add(receivedBytes, now());
    bytes = { verb, receivedBytes, totalBytes };
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
          else showBytes('uploading', sum('sentBytes'), sum('totalBytes'));
          return bytes !== undefined;
        }
        case 'submitting':
        case 'attached':
          status = event.kind === 'attached' ? 'reading the task' : event.kind;
          bytes = undefined;
          return true;
        case 'accepted':
          status = event.kind;
          row.credits = event.reservedCredits ?? event.estimatedCredits ?? 0;
          endsAtMs = after(event.estimatedSeconds && event.estimatedSeconds * 1000) ?? endsAtMs;
          return true;
        case 'progress':
          progressPercent = event.progressPercent || progressPercent;
          status = event.status;
          startedMs = now() - event.elapsedMs;
          endsAtMs = after(event.remainingMs);
          bytes = undefined;
          return true;
        case 'download-started':
          bytes = undefined;
          showBytes('saving', event.resumedFromBytes, event.totalBytes);
          return true;
        case 'bytes':
          showBytes('saving', event.receivedBytes, event.totalBytes);
          return true;
        case 'completed':
        case 'saved':
          return false;
        default:
          return undefined;
      }
    },
    /** What it does, how much is done as far as that is known, and more; the times go on between two readings. */
    view() {
      const nowMs = now();
      if (bytes !== undefined) {
        const { verb: head, receivedBytes, totalBytes = 0 } = bytes;
        const percent = totalBytes > 0 ? (receivedBytes / totalBytes) * 100 : undefined;
        return { head, percent, facts: byteFacts({ ...bytes, bytesPerSecond: meter.bytesPerSecond(nowMs) }) };
      }
      const remainingMs = endsAtMs === undefined ? undefined : endsAtMs - nowMs;
      const head = sanitizeServerText(status, { maxLength: STATUS_LENGTH });
      return {
        head,
        percent: progressPercent,
        facts: timeFacts({ elapsedMs: nowMs - startedMs, remainingMs }),
      };
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
  const hidden = () => [...rows].filter(([, { bar }]) => bar === undefined);

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
    const [next, ...others] = hidden();
    if (next === undefined || rows.size - others.length > MAX_ROWS) return;
    const [name, row] = next;
    row.bar = draw(() => {
      const width = Math.min(MAX_NAME_COLUMNS, Math.floor(stream.columns() / 3));
      const head = fitToWidth(toHumanPath(name), width, ellipsis);
      return `${head} ${formatLiveLine(row.view(), { columns: stream.columns() - width - 1, theme })}`;
    });
  }

  function totalLine(): string {
    const { jobs, done, failed } = total;
    const leftMs = ((clock.monotonicMs() - startedMs) / done) * (jobs - done);
    const more = hidden().length;
    const credits = [...rows.values()].reduce((sum, row) => sum + row.credits, total.credits);
    const share = `${done} of ${formatCount(jobs, 'job')}`;
    const parts = [
      share,
      failed > 0 && `${failed} failed`,
      `${rows.size} running${more > 0 ? ` (and ${more} more running)` : ''}`,
      `${formatCredits(credits)} credits`,
      done > 0 && jobs > done && `about ${formatDuration(leftMs)} left`,
    ];
    const title = terminal.show(share, (done / Math.max(1, jobs)) * 100);
    return title + truncateToWidth(parts.filter(Boolean).join(', '), stream.columns() - 1, ellipsis);
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
        const row = rows.get(event.report.name);
        if (row === undefined) return;
        rows.delete(event.report.name);
        total.done += 1;
        total.credits += takenCredits(event.report) ?? 0;
        if (isTrouble(event.report)) total.failed += 1;
        if (row.bar !== undefined) bars?.remove(row.bar);
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
        const view = row.view();
        const share = view.percent === undefined ? '' : ` ${formatPercent(view.percent)}`;
        writePast(terminal.show(view.head + share, view.percent));
        return formatLiveLine(view, { columns: columns - SPINNER_COLUMNS, theme });
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
      const { head } = row.view();
      if (!spinner.isSpinning) {
        stream.raw.write(HIDE_CURSOR);
        spinner.start();
      } else if (head !== drawnAs) spinner.render();
      drawnAs = head;
    },
    // Ora sees to it that what is written to its stream stands above its line.
    print: (text: string): void => void stream.write(text),
    hide,
  };
}
