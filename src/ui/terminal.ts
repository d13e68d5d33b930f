import { clearLine, cursorTo, moveCursor } from 'node:readline';
import { Writable } from 'node:stream';
import type { Clock } from '../platform/clock.ts';
import type { OutputStream } from '../platform/io.ts';
import { sanitizeServerText } from '../platform/text.ts';
import type { TaskEvent } from '../task/events.ts';
import {
  type Display,
  type DisplayContext,
  type Guard,
  isMediaEvent,
  type MediaEvent,
  type ReporterEvent,
} from './lines.ts';
import { createBarTerminal, formatBytesLine, formatWaitLine } from './live-line.ts';
import { createSpeedMeter, formatWaitTimes, type SpeedMeter, type WaitView } from './progress.ts';
import { displayWidth, truncateToWidth } from './table.ts';
import type { Theme } from './theme.ts';

/**
 * What ora draws on: the terminal, but always with a width. A pseudo-terminal without a size says 0 columns, and
 * ora 9.4 divides by them and then clears lines for ever.
 */
export function createSpinnerStream(stream: OutputStream) {
  const writable = new Writable({
    decodeStrings: false,
    write(chunk, _encoding, done) {
      stream.raw.write(chunk);
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

/** Four redraws a second at most. */
const REDRAWS_PER_SECOND = 4;
const CURSOR_HIDE = '\u001B[?25l';
const CURSOR_SHOW = '\u001B[?25h';

/** What is drawn. The functions are called at each redraw, so that times go on between two readings. */
type LiveView =
  | { readonly kind: 'spinner'; readonly label: () => string; readonly times: () => string }
  /** A view of another `id` begins a new bar. */
  | { readonly kind: 'bar'; readonly id: string; readonly line: (columns: number) => string };

interface Screen {
  /** Draws this view instead of the one before: there is never more than one. */
  show(view: LiveView): void;
  /** Writes whole lines above the view. */
  print(text: string): void;
  /** Takes the view away and shows the cursor again. Safe to call at any time. */
  hide(): void;
}

interface Widget {
  readonly key: string;
  refresh(view: LiveView): void;
  start(): void;
  stop(): void;
}

/** Loads the drawing libraries. The stream must be a terminal: on any other ora writes coloured lines. */
async function loadScreen(stream: OutputStream, theme: Theme, guard: Guard): Promise<Screen> {
  const [{ default: ora }, { default: cliProgress }] = await Promise.all([
    import('ora'),
    import('cli-progress'),
  ]);

  function createSpinner(first: Extract<LiveView, { kind: 'spinner' }>): Widget {
    let view = first;
    const room = (): number => Math.max(0, stream.columns() - 3);
    const label = (): string =>
      truncateToWidth(guard('the spinner', '', view.label), room(), theme.symbols.ellipsis);
    const screen = createSpinnerStream(stream);
    const spinner = ora({
      stream: screen,
      text: label(),
      suffixText: () => {
        // Asked at each redraw: the window may have another width by now.
        screen.columns = Math.max(1, stream.columns());
        const text = guard('the spinner', '', view.times);
        return displayWidth(text) + 1 + displayWidth(label()) <= room() ? text : '';
      },
      spinner: {
        frames: theme.symbols.spinner.map((frame) => theme.accent(frame)),
        interval: 1000 / REDRAWS_PER_SECOND,
      },
      // Ora would take its colours from the process and not from this stream.
      color: false,
      isEnabled: true,
      // Its own cursor handling adds handlers for every signal, and its stdin handling takes Ctrl-C out of the terminal.
      hideCursor: false,
      discardStdin: false,
    });
    return {
      key: 'spinner',
      refresh(next) {
        if (next.kind === 'spinner') view = next;
        spinner.text = label();
      },
      start: () => void spinner.start(),
      stop: () => void spinner.stop(),
    };
  }

  function createBar(first: Extract<LiveView, { kind: 'bar' }>): Widget {
    let view = first;
    // A variable, because the published types do not know `terminal`.
    const options = {
      terminal: createBarTerminal(stream),
      format: () => guard('the bar', '', () => view.line(stream.columns())),
      fps: REDRAWS_PER_SECOND,
      linewrap: false,
      clearOnComplete: true,
      gracefulExit: false,
    };
    const bar = new cliProgress.SingleBar(options);
    return {
      key: first.id,
      refresh(next) {
        if (next.kind === 'bar') view = next;
      },
      start: () => bar.start(1, 0),
      stop: () => bar.stop(),
    };
  }

  let widget: Widget | undefined;

  function hide(): void {
    if (widget === undefined) return;
    widget.stop();
    widget = undefined;
    stream.raw.write(CURSOR_SHOW);
  }

  return {
    hide,
    show(view) {
      if (stream.isClosed()) return hide();
      const key = view.kind === 'spinner' ? 'spinner' : view.id;
      if (widget?.key === key) return widget.refresh(view);
      hide();
      widget = view.kind === 'spinner' ? createSpinner(view) : createBar(view);
      stream.raw.write(CURSOR_HIDE);
      widget.start();
    },
    print(text) {
      widget?.stop();
      void stream.write(text);
      widget?.start();
    },
  };
}

/** Adds up the uploads that run at the same time. */
interface UploadMeter {
  next(event: MediaEvent): void;
  /** False once everything that was started has arrived. */
  isBusy(): boolean;
  view(): {
    readonly receivedBytes: number;
    readonly totalBytes: number;
    readonly bytesPerSecond: number | undefined;
  };
}

/** @param monotonicMs for the speed */
function createUploadMeter(monotonicMs: () => number): UploadMeter {
  const running = new Map<string, { sentBytes: number; totalBytes: number }>();
  const done = new Set<string>();
  const meter = createSpeedMeter();
  const sum = (pick: (each: { sentBytes: number; totalBytes: number }) => number) =>
    [...running.values()].reduce((total, each) => total + pick(each), 0);
  return {
    next(event) {
      if (event.kind === 'upload-started')
        running.set(event.path, { sentBytes: 0, totalBytes: event.totalBytes });
      else if (event.kind === 'upload-bytes') running.set(event.path, event);
      else if (event.kind === 'uploaded') done.add(event.path);
      meter.add(
        sum(({ sentBytes }) => sentBytes),
        monotonicMs(),
      );
    },
    isBusy: () => [...running.keys()].some((path) => !done.has(path)),
    view: () => ({
      receivedBytes: sum(({ sentBytes }) => sentBytes),
      totalBytes: sum(({ totalBytes }) => totalBytes),
      bytesPerSecond: meter.bytesPerSecond(monotonicMs()),
    }),
  };
}

type EventOf<K extends TaskEvent['kind']> = Extract<TaskEvent, { kind: K }>;

interface Download {
  readonly count: number;
  readonly receivedBytes: number;
  readonly totalBytes?: number | undefined;
  readonly meter: SpeedMeter;
}

interface LiveViews {
  /** What to draw after an event: another view, nothing at all, or the same as before. */
  next(event: ReporterEvent): LiveView | 'none' | 'same';
}

/**
 * Which live line stands for which moment: a spinner while sending and queued, a bar once the service tells a share,
 * a bar of bytes while saving. Times go on by the clock between two readings of the task.
 */
function createLiveViews(clock: Clock, theme: Theme): LiveViews {
  let wait: { view: WaitView; atMs: number } | undefined;
  let isShareKnown = false;
  let download: Download = { count: 0, receivedBytes: 0, meter: createSpeedMeter() };

  function currentWait(): WaitView {
    if (wait === undefined) return { status: '', elapsedMs: 0 };
    const sinceMs = clock.monotonicMs() - wait.atMs;
    const { view } = wait;
    const remainingMs = view.remainingMs === undefined ? undefined : view.remainingMs - sinceMs;
    return { ...view, elapsedMs: view.elapsedMs + sinceMs, remainingMs };
  }

  function startWait(view: WaitView): LiveView {
    wait = { view, atMs: clock.monotonicMs() };
    if (isShareKnown)
      return {
        kind: 'bar',
        id: 'wait',
        line: (columns) => formatWaitLine(currentWait(), { columns, theme }),
      };
    return {
      kind: 'spinner',
      label: () => sanitizeServerText(view.status),
      times: () => formatWaitTimes(currentWait()),
    };
  }

  function showProgress({ status, progressPercent, elapsedMs, remainingMs }: EventOf<'progress'>): LiveView {
    // "0 %" of a queued task says nothing; once there is a share, the bar stays.
    isShareKnown ||= (progressPercent ?? 0) > 0 || (progressPercent !== undefined && status !== 'pending');
    return startWait({
      status,
      progressPercent: progressPercent ?? wait?.view.progressPercent,
      elapsedMs,
      remainingMs,
    });
  }

  function startDownload({ resumedFromBytes, totalBytes }: EventOf<'download-started'>): LiveView {
    const meter = createSpeedMeter();
    meter.add(resumedFromBytes, clock.monotonicMs());
    download = { count: download.count + 1, receivedBytes: resumedFromBytes, totalBytes, meter };
    return showDownload();
  }

  function receive({ receivedBytes, totalBytes }: EventOf<'bytes'>): LiveView {
    download.meter.add(receivedBytes, clock.monotonicMs());
    download = { ...download, receivedBytes, totalBytes: totalBytes ?? download.totalBytes };
    return showDownload();
  }

  function showDownload(): LiveView {
    const line = (columns: number): string => {
      const bytesPerSecond = download.meter.bytesPerSecond(clock.monotonicMs());
      return formatBytesLine({ ...download, bytesPerSecond }, { columns, theme });
    };
    return { kind: 'bar', id: `download ${download.count}`, line };
  }

  const uploads = createUploadMeter(() => clock.monotonicMs());

  function showUploads(event: MediaEvent): LiveView | 'none' | 'same' {
    if (event.kind === 'media') return 'same';
    uploads.next(event);
    if (!uploads.isBusy()) return 'none';
    const line = (columns: number): string =>
      formatBytesLine({ ...uploads.view(), verb: 'uploading' }, { columns, theme });
    return { kind: 'bar', id: 'uploads', line };
  }

  return {
    next(event) {
      if (isMediaEvent(event)) return showUploads(event);
      switch (event.kind) {
        case 'submitting':
          return startWait({ status: 'submitting', elapsedMs: 0 });
        case 'attached':
          return startWait({ status: 'asking for the task', elapsedMs: 0 });
        case 'accepted': {
          const remainingMs =
            event.estimatedSeconds === undefined ? undefined : event.estimatedSeconds * 1000;
          return startWait({ status: 'accepted', elapsedMs: 0, remainingMs });
        }
        case 'progress':
          return showProgress(event);
        case 'download-started':
          return startDownload(event);
        case 'bytes':
          return receive(event);
        case 'completed':
        case 'saved':
          return 'none';
        default:
          return 'same';
      }
    },
  };
}

/** Loads the drawing libraries. Below the lines, one live line for what is going on. */
export async function loadTaskDisplay({ io, clock, theme, guard }: DisplayContext): Promise<Display> {
  const screen = await loadScreen(io.stderr, theme, guard);
  const views = createLiveViews(clock, theme);
  let isClosed = false;
  return {
    print: screen.print,
    event(event) {
      if (isClosed) return;
      const view = views.next(event);
      if (view === 'none') screen.hide();
      else if (view !== 'same') screen.show(view);
    },
    /** Nothing may be drawn over the result. */
    close() {
      isClosed = true;
      screen.hide();
    },
  };
}
