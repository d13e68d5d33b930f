import type { TaskEvent } from '../generate/events.ts';
import { formatError, formatStopped } from './format-error.ts';
import { formatResult, formatResultForScripts } from './format-result.ts';
import { toHumanPath } from './human-path.ts';
import { createLinePrinter } from './line-printer.ts';
import { loadLiveDisplay } from './live-display.ts';
import { createLiveViews } from './live-views.ts';
import { loadTheme } from './load-theme.ts';
import type { Reporter } from './reporter.ts';
import type { ReporterContext } from './reporter-context.ts';
import { wrapToWidth } from './width.ts';

/**
 * For a person at a terminal: lines for what happened, and below them one live line for what is going on. stderr must
 * be a terminal. Loads chalk, ora and cli-progress.
 */
export async function createTerminalReporter(context: Omit<ReporterContext, 'theme'>): Promise<Reporter> {
  const { io, clock, verbosity } = context;
  const theme = await loadTheme(io.stderr, io.isUnicode);
  const wrap = (line: string) => wrapToWidth(line, io.stderr.columns());
  const display = await loadLiveDisplay(io.stderr, theme);
  const views = createLiveViews(clock, theme);
  const printer = createLinePrinter({ ...context, theme }, { write: display.print, wrap });
  let isClosed = false;

  /** Ends the drawing before the last words: nothing may be drawn over them. */
  function close(): void {
    isClosed = true;
    display.hide();
  }

  function draw(event: TaskEvent): void {
    const view = views.next(event);
    if (view === 'none') display.hide();
    else if (view !== 'same') display.show(view);
  }

  return {
    close,
    event(event) {
      // The bar of bytes says the same.
      if (event.kind !== 'download-started' || event.resumedFromBytes > 0) printer.printEvent(event);
      if (!isClosed && verbosity !== 'quiet') draw(event);
    },
    async result(result) {
      display.hide();
      printer.printWarnings(result);
      const screen = { wrap, showsPath: !io.stdout.isTty };
      if (verbosity !== 'quiet')
        await io.stderr.write(formatResult(result, { theme, nowMs: clock.now(), screen }));
      const line = formatResultForScripts(result);
      // On a screen even a path of one's own must not move the cursor; to a script it goes as it is.
      await io.stdout.write(io.stdout.isTty && line !== '' ? `${toHumanPath(line.slice(0, -1))}\n` : line);
    },
    async error(error) {
      close();
      await io.stderr.write(formatError(error, theme, wrap));
    },
    async stopped(error, facts) {
      close();
      await io.stderr.write(formatStopped(error, facts, { theme, wrap }));
    },
  };
}
