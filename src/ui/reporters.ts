import type { Clock } from '../platform/clock.ts';
import type { Io } from '../platform/io.ts';
import { sanitizeServerText } from '../platform/text.ts';
import type { TaskEvent } from '../task/events.ts';
import { formatError, formatStopped } from './errors.ts';
import { createLinePrinter } from './event-lines.ts';
import { toEventDocument } from './events.ts';
import { formatPercent } from './format.ts';
import { toErrorDocument, toIsoTime, toJsonText, toResultDocument, toStoppedDocument } from './json.ts';
import { createSpeedMeter, describeBytes, formatWaitTimes } from './progress.ts';
import type { Reporter, ReporterContext, Verbosity } from './reporter.ts';
import { formatResult, formatResultForScripts } from './result.ts';
import { createTheme } from './theme.ts';

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

/**
 * One JSON document on stdout, whatever the end. stderr keeps what a person needs: errors and warnings, and with
 * `verbose` the lines of the plain form.
 */
export function createJsonReporter(context: ReporterContext): Reporter {
  const { io, verbosity } = context;
  const people = createPlainReporter(context);
  const print = (document: unknown): Promise<void> => io.stdout.write(`${toJsonText(document)}\n`);
  return {
    event(event) {
      if (event.kind === 'warning' || verbosity === 'verbose') people.event(event);
    },
    result: (result) => print(toResultDocument(result)),
    async error(error) {
      await people.error(error);
      await print(toErrorDocument(error));
    },
    async stopped(error, facts) {
      await people.stopped(error, facts);
      await print(toStoppedDocument(error, facts));
    },
    close() {},
  };
}

/**
 * One JSON object a line on stdout as things happen. The last line is `result` or `error`, with the keys of the
 * `--json` document. Errors and warnings stand on stderr too, for people.
 */
export function createEventsReporter(context: ReporterContext): Reporter {
  const { io, clock } = context;
  const people = createPlainReporter(context);
  const print = (document: unknown): Promise<void> => io.stdout.write(`${toJsonText(document)}\n`);
  const printLast = ({ schema_version, ...rest }: { schema_version: number; ok: boolean }): Promise<void> =>
    print({ schema_version, event: rest.ok ? 'result' : 'error', time: toIsoTime(clock.now()), ...rest });
  return {
    event(event) {
      if (event.kind === 'warning') people.event(event);
      void print(toEventDocument(event, clock.now()));
    },
    result: (result) => printLast(toResultDocument(result)),
    async error(error) {
      await people.error(error);
      await printLast(toErrorDocument(error));
    },
    async stopped(error, facts) {
      await people.stopped(error, facts);
      await printLast(toStoppedDocument(error, facts));
    },
    close() {},
  };
}

export type OutputForm = 'human' | 'json' | 'events';

export interface ReporterOptions {
  readonly io: Io;
  readonly clock: Clock;
  readonly form: OutputForm;
  readonly verbosity: Verbosity;
  /** False after `--no-progress`, and where the terminal cannot draw (`TERM=dumb`). */
  readonly hasProgress: boolean;
  readonly isCi: boolean;
  /** Hears which form was chosen, and what went wrong while showing something. */
  readonly onDebug?: ((message: string) => void) | undefined;
}

/**
 * The reporter of this run: `json` and `events` as asked; for people the live one on a terminal, else plain lines.
 * The drawing libraries are loaded for the live one only.
 */
export async function createReporter(options: ReporterOptions): Promise<Reporter> {
  const { onDebug = () => {} } = options;
  const name = pickForm(options);
  onDebug(`output form: ${name}`);
  return guardEvents(await create(name, options), onDebug);
}

function pickForm({
  form,
  io,
  verbosity,
  hasProgress,
  isCi,
}: ReporterOptions): 'terminal' | 'plain' | 'json' | 'events' {
  if (form !== 'human') return form;
  return io.stderr.isTty && hasProgress && !isCi && verbosity !== 'quiet' ? 'terminal' : 'plain';
}

async function create(
  name: ReturnType<typeof pickForm>,
  { io, clock, verbosity }: ReporterOptions,
): Promise<Reporter> {
  const context = { io, clock, verbosity, theme: createTheme({ isUnicode: io.isUnicode }) };
  switch (name) {
    case 'terminal': {
      const { createTerminalReporter } = await import('./terminal.ts');
      return createTerminalReporter(context);
    }
    case 'plain':
      return createPlainReporter(context);
    case 'json':
      return createJsonReporter(context);
    case 'events':
      return createEventsReporter(context);
  }
}

/** A fault in showing an event must not end the work that it is about: a clip may be paid for. */
function guardEvents(reporter: Reporter, onDebug: (message: string) => void): Reporter {
  return {
    ...reporter,
    event(event) {
      try {
        reporter.event(event);
      } catch (error) {
        onDebug(
          `could not show "${event.kind}": ${error instanceof Error ? error.message : 'unknown fault'}`,
        );
      }
    },
  };
}
