import { clearLine, cursorTo, moveCursor } from 'node:readline';
import { Writable } from 'node:stream';
import type { Clock } from '../platform/clock.ts';
import type { OutputStream } from '../platform/io.ts';
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
/** Of the frame and the space behind it. */
const SPINNER_COLUMNS = 2;
const USUAL_ROWS = 24;
const HIDE_CURSOR = '\u001B[?25l';
const SHOW_CURSOR = '\u001B[?25h';

/** What is known of a task while it goes on. Moments are those of the clock, so that times go on between two readings. */
function createTask(status: string, startedMs: number, expectedSeconds?: number) {
  return {
    status,
    /** Absent until the service gives a share: "0 %" of a pending task says nothing. */
    progressPercent: undefined as number | undefined,
    startedMs,
    endsAtMs: expectedSeconds === undefined ? undefined : startedMs + expectedSeconds * 1000,
    bytes: undefined as ReturnType<typeof measure> | undefined,
    /** The files that are uploaded, by path: they run at the same time. */
    uploads: new Map<string, { sentBytes: number; totalBytes: number; isDone: boolean }>(),
    /** What is reserved for it. */
    credits: 0,
  };
}
type Task = ReturnType<typeof createTask>;

function measure(
  { bytes }: { readonly bytes?: { readonly meter: ReturnType<typeof createSpeedMeter> } | undefined },
  view: { readonly verb: string; readonly receivedBytes: number; readonly totalBytes?: number | undefined },
  nowMs: number,
) {
  const { meter = createSpeedMeter() } = bytes ?? {};
  meter.add(view.receivedBytes, nowMs);
  return { ...view, meter };
}

/** What an event changes. @returns whether the task still has something to show; undefined where nothing changed */
function updateTask(task: Task, event: ReporterEvent, nowMs: number): boolean | undefined {
  switch (event.kind) {
    case 'upload-started':
    case 'upload-bytes':
    case 'uploaded': {
      const { sentBytes = 0, totalBytes = 0 } = { ...task.uploads.get(event.path), ...event };
      task.uploads.set(event.path, { sentBytes, totalBytes, isDone: event.kind === 'uploaded' });
      const files = [...task.uploads.values()];
      const view = {
        verb: 'uploading',
        receivedBytes: files.reduce((sum, file) => sum + file.sentBytes, 0),
        totalBytes: files.reduce((sum, file) => sum + file.totalBytes, 0),
      };
      task.bytes = files.every(({ isDone }) => isDone) ? undefined : measure(task, view, nowMs);
      return task.bytes !== undefined;
    }
    case 'submitting':
      task.bytes = undefined;
      task.status = 'submitting';
      return true;
    case 'attached':
      task.status = 'reading the task';
      return true;
    case 'accepted': {
      const { estimatedSeconds: seconds } = event;
      task.status = 'accepted';
      task.credits = event.reservedCredits ?? event.estimatedCredits ?? 0;
      if (seconds !== undefined) task.endsAtMs = nowMs + seconds * 1000;
      return true;
    }
    case 'progress': {
      const { status, progressPercent: percent, elapsedMs, remainingMs } = event;
      const hasShare = task.progressPercent !== undefined || status !== 'pending' || (percent ?? 0) > 0;
      if (hasShare) task.progressPercent = percent ?? task.progressPercent;
      task.status = status;
      task.startedMs = nowMs - elapsedMs;
      task.endsAtMs = remainingMs === undefined ? undefined : nowMs + remainingMs;
      task.bytes = undefined;
      return true;
    }
    case 'download-started': {
      const { resumedFromBytes: receivedBytes, totalBytes } = event;
      task.bytes = measure({}, { verb: 'saving', receivedBytes, totalBytes }, nowMs);
      return true;
    }
    case 'bytes': {
      const { receivedBytes, totalBytes } = event;
      task.bytes = measure(task, { verb: 'saving', receivedBytes, totalBytes }, nowMs);
      return true;
    }
    case 'completed':
    case 'saved':
      return false;
    default:
      return undefined;
  }
}

interface DisplayOptions {
  /** A terminal. */
  readonly stream: OutputStream;
  readonly clock: Clock;
  readonly theme: Theme;
  readonly terminal: Terminal;
  /** For what is drawn later, by a timer: nobody else catches it there. */
  readonly guard: <T>(what: string, fallback: T, show: () => T) => T;
  /** A line for all jobs and one for each of the first; else one for the only task. */
  readonly isRun: boolean;
}

/** What is drawn below the lines while something goes on. Loads the drawing library. */
export async function loadDisplay({ stream, clock, theme, terminal, guard, isRun }: DisplayOptions) {
  const { default: ora } = await import('ora');
  const now = (): number => clock.monotonicMs();
  const { ellipsis } = theme.symbols;
  const screen = createScreen(stream, terminal);
  const only = createTask('', now());
  const jobs = new Map<string, Task>();
  const run = { jobs: 0, done: 0, failed: 0, credits: 0, startedMs: now() };
  let drawnAs = '';
  let isClosed = false;

  function lineOf({ status, progressPercent, bytes, startedMs, endsAtMs }: Task, columns: number): string {
    const nowMs = now();
    if (bytes !== undefined)
      return formatBytesLine(
        { ...bytes, bytesPerSecond: bytes.meter.bytesPerSecond(nowMs) },
        { columns, theme },
      );
    const remainingMs = endsAtMs === undefined ? undefined : endsAtMs - nowMs;
    const view = { status, progressPercent, elapsedMs: nowMs - startedMs, remainingMs };
    return formatWaitLine(view, { columns, theme });
  }

  function taskLine(columns: number): string {
    const { status, progressPercent: percent, bytes } = only;
    const { receivedBytes = 0, totalBytes = 0 } = bytes ?? {};
    if (bytes !== undefined)
      terminal.show(bytes.verb, totalBytes > 0 ? (receivedBytes / totalBytes) * 100 : undefined);
    else terminal.show(percent === undefined ? status : `${status} ${formatPercent(percent)}`, percent);
    return lineOf(only, columns - SPINNER_COLUMNS);
  }

  function runLines(columns: number): string {
    const { done, failed } = run;
    const head = `${done} of ${formatCount(run.jobs, 'job')}`;
    terminal.show(head, (done / Math.max(1, run.jobs)) * 100);
    const leftMs = ((now() - run.startedMs) / done) * (run.jobs - done);
    const maxRows = Math.min(MAX_ROWS, screen.rows - 2);
    const hidden = jobs.size - maxRows;
    const credits = [...jobs.values()].reduce((sum, task) => sum + task.credits, run.credits);
    const facts = [
      head,
      failed > 0 && `${failed} failed`,
      `${jobs.size} running${hidden > 0 ? ` (and ${hidden} more running)` : ''}`,
      `${formatCredits(credits)} credits`,
      done > 0 && run.jobs > done && `about ${formatDuration(leftMs)} left`,
    ].filter((fact) => fact !== false);
    const width = Math.min(MAX_NAME_COLUMNS, Math.floor(columns / 3));
    const rows = [...jobs].slice(0, maxRows).map(([name, task]) => {
      return `${fitToWidth(toHumanPath(name), width, ellipsis)} ${lineOf(task, columns - width - 1)}`;
    });
    return [truncateToWidth(facts.join(', '), columns - SPINNER_COLUMNS - 1, ellipsis), ...rows].join('\n');
  }

  const spinner = ora({
    stream: screen,
    // What ora asks for first at each redraw: the times go on, and the window may have another width by now.
    prefixText: () => {
      spinner.text = guard('the progress', '', () => (isRun ? runLines : taskLine)(stream.columns()));
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

  function show(as: string): void {
    if (!spinner.isSpinning) {
      stream.raw.write(HIDE_CURSOR);
      spinner.start();
    } else if (as !== drawnAs) spinner.render();
    drawnAs = as;
  }

  function hide(): void {
    if (!spinner.isSpinning) return;
    spinner.stop();
    stream.raw.write(SHOW_CURSOR);
  }

  return {
    event(event: ReporterEvent): void {
      if (isClosed || stream.isClosed()) return;
      if (event.kind === 'run-planned') run.jobs = event.toRun;
      else if (event.kind === 'job-started') {
        jobs.set(event.job, createTask('waiting', now(), event.expectedSeconds));
        show('run');
      } else if (event.kind === 'task') {
        const task = jobs.get(event.job);
        if (task !== undefined) updateTask(task, event.event, now());
      } else if (event.kind === 'job-ended') {
        const { report } = event;
        if (!jobs.delete(report.name)) return;
        run.done += 1;
        run.credits += report.credits.used ?? heldCredits(report) ?? 0;
        if (isTrouble(report)) run.failed += 1;
      } else if (!isRun) {
        const isShown = updateTask(only, event, now());
        if (isShown === true) show(only.bytes?.verb ?? only.status);
        else if (isShown === false) hide();
      }
    },
    /** Writes whole lines above it. */
    print(lines: string): void {
      const { isSpinning } = spinner;
      if (isSpinning) spinner.stop();
      void stream.write(lines);
      if (isSpinning) spinner.start();
    },
    /** Takes it away and restores the terminal: nothing may be drawn over the result. Safe to call twice. */
    close(): void {
      isClosed = true;
      hide();
      const text = terminal.restore();
      if (text !== '') stream.raw.write(text);
    },
  };
}

/**
 * What ora draws on: the terminal, but always with a width. A pseudo-terminal without a size says 0 columns, and
 * ora 9.4 divides by them and then clears lines for ever.
 */
export function createScreen({ raw, columns }: OutputStream, terminal: Pick<Terminal, 'changes'>) {
  class Screen extends Writable {
    readonly isTTY = true;
    get columns(): number {
      return Math.max(1, columns());
    }
    get rows(): number {
      return 'rows' in raw && typeof raw.rows === 'number' && raw.rows > 2 ? raw.rows : USUAL_ROWS;
    }
    override _write(chunk: string, _encoding: string, done: () => void): void {
      raw.write(terminal.changes() + chunk);
      done();
    }
    readonly cursorTo = (x: number) => cursorTo(this, x);
    readonly moveCursor = (x: number, y: number) => moveCursor(this, x, y);
    readonly clearLine = (direction: -1 | 0 | 1) => clearLine(this, direction);
  }
  return new Screen({ decodeStrings: false });
}
