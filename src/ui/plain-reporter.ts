import type { TaskEvent } from '../generate/events.ts';
import { sanitizeServerText } from '../platform/server-text.ts';
import { formatPercent } from './format.ts';
import { formatError, formatStopped } from './format-error.ts';
import { describeBytes, formatWaitTimes } from './format-progress.ts';
import { formatResult, formatResultForScripts } from './format-result.ts';
import { createLinePrinter } from './line-printer.ts';
import type { Reporter } from './reporter.ts';
import type { ReporterContext } from './reporter-context.ts';
import { createSpeedMeter } from './speed-meter.ts';

const QUIET_SPAN_MS = 30_000;

/**
 * For logs and pipes: one line a change of state, at most one in 30 s while a state lasts, no escape sequences. The
 * theme is expected to be without colour.
 */
export function createPlainReporter(context: ReporterContext): Reporter {
  const { io, clock, theme, verbosity } = context;
  const printer = createLinePrinter(context, { write: (text) => void io.stderr.write(text) });
  const meter = createSpeedMeter();
  let last: { state: string; atMs: number } | undefined;

  function isDue(state: string): boolean {
    const nowMs = clock.monotonicMs();
    if (verbosity !== 'verbose' && last?.state === state && nowMs - last.atMs < QUIET_SPAN_MS) return false;
    last = { state, atMs: nowMs };
    return true;
  }

  function printProgress(event: Extract<TaskEvent, { kind: 'progress' }>): void {
    if (!isDue(event.status)) return;
    const percent = event.progressPercent === undefined ? [] : [formatPercent(event.progressPercent)];
    printer.printLine(sanitizeServerText(event.status), [...percent, formatWaitTimes(event)].join(', '));
  }

  function printBytes(event: Extract<TaskEvent, { kind: 'bytes' }>): void {
    const nowMs = clock.monotonicMs();
    meter.add(event.receivedBytes, nowMs);
    if (isDue('downloading'))
      printer.printLine(
        'downloading',
        describeBytes({ ...event, bytesPerSecond: meter.bytesPerSecond(nowMs) }),
      );
  }

  return {
    event(event) {
      if (event.kind === 'progress') return printProgress(event);
      if (event.kind === 'bytes') return printBytes(event);
      // The line that opens the download counts as its first: the next one is due in 30 s.
      if (event.kind === 'download-started') isDue('downloading');
      printer.printEvent(event);
    },
    async result(result) {
      printer.printWarnings(result);
      if (verbosity !== 'quiet') {
        await io.stderr.write(formatResult(result, { theme, nowMs: clock.now() }));
      }
      await io.stdout.write(formatResultForScripts(result));
    },
    error: (error) => io.stderr.write(formatError(error, theme)),
    stopped: (error, facts) => io.stderr.write(formatStopped(error, facts, { theme })),
    close() {},
  };
}
