import type { OutputStream } from '../platform/io.ts';
import { createBarTerminal } from './bar-terminal.ts';
import { createSpinnerStream } from './spinner-stream.ts';
import type { Theme } from './theme.ts';
import { displayWidth, truncateToWidth } from './width.ts';

/** Four redraws a second at most. */
const REDRAWS_PER_SECOND = 4;
const CURSOR_HIDE = '\u001B[?25l';
const CURSOR_SHOW = '\u001B[?25h';

/** What is drawn. The functions are called at each redraw, so that times go on between two readings. */
export type LiveView =
  | { readonly kind: 'spinner'; readonly label: () => string; readonly times: () => string }
  /** A view of another `id` begins a new bar. */
  | { readonly kind: 'bar'; readonly id: string; readonly line: (columns: number) => string };

export interface LiveDisplay {
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
export async function loadLiveDisplay(stream: OutputStream, theme: Theme): Promise<LiveDisplay> {
  const [{ default: ora }, { default: cliProgress }] = await Promise.all([
    import('ora'),
    import('cli-progress'),
  ]);

  function createSpinner(first: Extract<LiveView, { kind: 'spinner' }>): Widget {
    let view = first;
    const room = (): number => Math.max(0, stream.columns() - 3);
    const label = (): string => truncateToWidth(view.label(), room(), theme.symbols.ellipsis);
    const screen = createSpinnerStream(stream);
    const spinner = ora({
      stream: screen,
      text: label(),
      suffixText: () => {
        // Asked at each redraw: the window may have another width by now.
        screen.columns = Math.max(1, stream.columns());
        const text = view.times();
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
      format: () => view.line(stream.columns()),
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
