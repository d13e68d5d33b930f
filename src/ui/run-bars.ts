import { clearScreenDown, cursorTo, moveCursor } from 'node:readline';
import type { MultiBar, SingleBar } from 'cli-progress';
import type { OutputStream } from '../platform/io.ts';
import { sanitizeServerText } from '../platform/text.ts';
import { heldCredits, isTrouble } from '../report/facts.ts';
import type { RunEvent } from '../run/events.ts';
import { formatCount, formatCredits, formatDuration } from './format.ts';
import type { Display, DisplayContext } from './lines.ts';
import { createBarTerminal, formatBytesLine, formatWaitLine } from './live-line.ts';
import { padToWidth, truncateToWidth } from './table.ts';
import type { Theme } from './theme.ts';

const REDRAWS_PER_SECOND = 4;
/** However many jobs run, the screen stays readable. */
const MAX_ROWS = 10;
const MAX_NAME_COLUMNS = 28;

/** What is known of a running job. */
interface Running {
  readonly startedMs: number;
  /** Expected end of the task. */
  endsAtMs: number;
  /** What the service holds for the task. */
  credits: number;
  status: string;
  progressPercent: number | undefined;
  bytes: { readonly receivedBytes: number; readonly totalBytes?: number | undefined } | undefined;
  bar: SingleBar | undefined;
}

/** What is known of the whole run. */
interface Total {
  jobs: number;
  done: number;
  failed: number;
  /** Of jobs that have ended. */
  credits: number;
  readonly startedMs: number;
}

/** Loads the drawing library. A line for each of the first running jobs, and one for all. */
export async function loadRunBars({ io, clock, theme, guard }: DisplayContext): Promise<Display> {
  const { default: cliProgress } = await import('cli-progress');
  const stream = io.stderr;
  const running = new Map<string, Running>();
  const total: Total = { jobs: 0, done: 0, failed: 0, credits: 0, startedMs: clock.monotonicMs() };
  // A variable, because the published types do not know `terminal`.
  const options = {
    terminal: createMultiTerminal(stream),
    format: () => '',
    fps: REDRAWS_PER_SECOND,
    linewrap: false,
    hideCursor: true,
    clearOnComplete: true,
    forceRedraw: true,
    gracefulExit: false,
  };
  let bars: MultiBar | undefined;

  const draw = (line: () => string) => ({ ...options, format: () => guard('the bars', '', line) });

  function open(): void {
    if (bars !== undefined || stream.isClosed()) return;
    bars = new cliProgress.MultiBar(options);
    bars.create(1, 0, {}, draw(totalLine));
  }

  function totalLine(): string {
    const left = total.jobs - total.done;
    const elapsedMs = clock.monotonicMs() - total.startedMs;
    const ends = total.done > 0 ? `, about ${formatDuration((elapsedMs / total.done) * left)} left` : '';
    const hidden = [...running.values()].filter(({ bar }) => bar === undefined).length;
    const more = hidden > 0 ? ` (and ${hidden} more running)` : '';
    const credits = [...running.values()].reduce((sum, job) => sum + job.credits, total.credits);
    const failed = total.failed > 0 ? `, ${total.failed} failed` : '';
    const text = `${total.done} of ${formatCount(total.jobs, 'job')}${failed}, ${running.size} running${more}, ${formatCredits(credits)} credits${ends}`;
    return truncateToWidth(text, stream.columns() - 1, theme.symbols.ellipsis);
  }

  function start(name: string, expectedSeconds: number): void {
    open();
    const job: Running = {
      startedMs: clock.monotonicMs(),
      endsAtMs: clock.monotonicMs() + expectedSeconds * 1000,
      credits: 0,
      status: 'waiting',
      progressPercent: undefined,
      bytes: undefined,
      bar: undefined,
    };
    running.set(name, job);
    if (running.size <= MAX_ROWS) show(name, job);
  }

  function show(name: string, job: Running): void {
    const line = (): string =>
      jobLine(name, job, { columns: stream.columns(), theme, nowMs: clock.monotonicMs() });
    job.bar = bars?.create(1, 0, {}, draw(line));
  }

  function end(name: string): void {
    const job = running.get(name);
    running.delete(name);
    if (job?.bar === undefined) return;
    bars?.remove(job.bar);
    const next = [...running].find(([, other]) => other.bar === undefined);
    if (next !== undefined) show(...next);
  }

  function hear(name: string, event: Extract<RunEvent, { kind: 'task' }>['event']): void {
    const job = running.get(name);
    if (job === undefined) return;
    if (event.kind === 'submitting') job.status = 'submitting';
    if (event.kind === 'accepted') {
      job.status = 'pending';
      job.credits = event.reservedCredits ?? event.estimatedCredits ?? 0;
      if (event.estimatedSeconds !== undefined)
        job.endsAtMs = clock.monotonicMs() + event.estimatedSeconds * 1000;
    }
    if (event.kind === 'progress') {
      job.status = event.status;
      job.progressPercent = event.progressPercent;
      if (event.remainingMs !== undefined) job.endsAtMs = clock.monotonicMs() + event.remainingMs;
    }
    if (event.kind === 'bytes') job.bytes = event;
  }

  return {
    event(event) {
      if (event.kind === 'run-planned') total.jobs = event.toRun;
      if (event.kind === 'job-started') start(event.job, event.expectedSeconds);
      if (event.kind === 'task') hear(event.job, event.event);
      if (event.kind !== 'job-ended' || !running.has(event.report.name)) return;
      end(event.report.name);
      total.done += 1;
      total.credits += event.report.credits.used ?? heldCredits(event.report) ?? 0;
      if (isTrouble(event.report)) total.failed += 1;
    },
    print(text) {
      if (bars === undefined) void stream.write(text);
      else bars.log(text);
    },
    close() {
      // Lines that wait to be drawn are drawn with the bars.
      bars?.update();
      bars?.stop();
      bars = undefined;
    },
  };
}

interface Drawing {
  readonly columns: number;
  readonly theme: Theme;
  readonly nowMs: number;
}

function jobLine(name: string, job: Running, { columns, theme, nowMs }: Drawing): string {
  const width = Math.min(MAX_NAME_COLUMNS, Math.floor(columns / 3));
  const head = padToWidth(truncateToWidth(sanitizeServerText(name), width, theme.symbols.ellipsis), width);
  const rest = { columns: columns - width - 1, theme };
  if (job.bytes !== undefined) return `${head} ${formatBytesLine(job.bytes, rest)}`;
  const elapsedMs = nowMs - job.startedMs;
  const remainingMs = Math.max(0, job.endsAtMs - nowMs);
  const { status, progressPercent } = job;
  return `${head} ${formatWaitLine({ status, progressPercent, elapsedMs, remainingMs }, rest)}`;
}

/** The terminal of several bars: counts the lines it went down, and goes up as many. */
function createMultiTerminal(stream: OutputStream) {
  const { raw } = stream;
  const single = createBarTerminal(stream);
  let linesDown = 0;
  return {
    ...single,
    cursor: (isShown: boolean) => void raw.write(isShown ? '\u001B[?25h' : '\u001B[?25l'),
    newline: () => {
      linesDown += 1;
      raw.write('\n');
    },
    cursorRelativeReset: () => {
      moveCursor(raw, 0, -linesDown);
      cursorTo(raw, 0);
      linesDown = 0;
    },
    clearBottom: () => void clearScreenDown(raw),
    /** Lines above the bars are cleared of what stood there, and broken where the bars are cut. */
    write: (text: string, isAbove = false) => {
      const cleared = text.replaceAll('\n', '\u001B[K\n');
      raw.write(isAbove ? `\u001B[?7h${cleared}\u001B[?7l` : cleared);
    },
  };
}
