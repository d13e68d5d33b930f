import type { EvolinkError } from '../errors.ts';
import type { RunEvent } from '../jobs/run-events.ts';
import type { RunReport } from '../jobs/run-report.ts';
import type { OutputStream } from '../platform/io.ts';
import { toJobDocument, toReportDocument } from '../report/json-report.ts';
import { formatError } from './format-error.ts';
import { toErrorDocument, toIsoTime } from './json-document.ts';
import { toJsonText } from './json-text.ts';
import type { ReporterOptions } from './pick-reporter.ts';
import type { ReporterContext } from './reporter-context.ts';
import { toRunEventDocument } from './run-event-document.ts';
import { createRunLines } from './run-lines.ts';
import {
  formatPlanSummary,
  formatPlanTable,
  formatRunSummary,
  type NextCommand,
  planWarnings,
} from './run-text.ts';
import { createTheme } from './theme.ts';

/** Turns what happens in a run into text. stdout: saved paths, a document, or events; all else goes to stderr. */
export interface RunReporter {
  event(event: RunEvent): void;
  /** The plan as the result of `--dry-run`, with what a run would be refused for. */
  plan(report: RunReport, refusal: EvolinkError | undefined): Promise<void>;
  /** The last words of a run that ended by itself. `next`: absent where the same command does what is left. */
  end(report: RunReport, next?: NextCommand): Promise<void>;
  /** Ends every bar and restores the terminal. Safe to call twice. */
  close(): void;
}

export interface RunReporterOptions extends ReporterOptions {
  /** Absolute: relative paths of the JSON document start there. */
  readonly folder: string;
}

/** The `--json` document of a run: the JSON report, with `ok`, and with `error` where nothing may be sent. */
export function toRunDocument(report: RunReport, folder: string, refusal?: EvolinkError) {
  const { schema_version, error: _refusal, ...rest } = toReportDocument(report, { folder });
  if (refusal !== undefined) return { ...toErrorDocument(refusal), ...rest };
  const { failed, invalid, skipped, submitted } = report.totals;
  return { schema_version, ok: failed + invalid + skipped + submitted === 0, ...rest };
}

/** The reporter of this run. Bars are drawn on a terminal only; the drawing library is loaded for them only. */
export async function createRunReporter(options: RunReporterOptions): Promise<RunReporter> {
  const { io, clock, form, verbosity, hasProgress, isCi } = options;
  const context: ReporterContext = { io, clock, verbosity, theme: createTheme({ isUnicode: io.isUnicode }) };
  if (form === 'json') return createDocumentReporter(context, options.folder);
  if (form === 'events') return createRunEvents(context, options.folder);
  const isLive = io.stderr.isTty && hasProgress && !isCi && verbosity !== 'quiet';
  if (!isLive) return createHumanReporter(context, undefined);
  const { loadRunBars } = await import('./run-bars.ts');
  return createHumanReporter(context, await loadRunBars(context));
}

/** What draws the running jobs; absent where nothing can be drawn. */
export interface RunBars {
  event(event: RunEvent): void;
  /** Writes whole lines above the bars. */
  print(text: string): void;
  close(): void;
}

function createHumanReporter(context: ReporterContext, bars: RunBars | undefined): RunReporter {
  const { io, verbosity, theme, clock } = context;
  const print = (text: string): void => {
    if (bars === undefined) void io.stderr.write(text);
    else bars.print(text);
  };
  const lines = createRunLines(context, {
    print,
    isLive: bars !== undefined,
    hasWarnings: verbosity !== 'quiet',
  });
  return {
    event(event) {
      lines.event(event);
      bars?.event(event);
      if (
        event.kind === 'job-ended' &&
        event.report.state === 'saved' &&
        event.report.outputPath !== undefined
      ) {
        // On a screen the line above says it already.
        if (!io.stdout.isTty || verbosity === 'quiet') void io.stdout.write(`${event.report.outputPath}\n`);
      }
    },
    async plan(report, refusal) {
      if (verbosity !== 'quiet') {
        await io.stderr.write(formatPlanSummary(report));
        for (const warning of planWarnings(report)) await io.stderr.write(`warning: ${warning}\n`);
      }
      await io.stdout.write(formatPlanTable(report));
      if (refusal === undefined) return;
      const { wrapToWidth } = await import('./width.ts');
      const wrap = (line: string) => wrapToWidth(line, io.stderr.columns());
      await io.stderr.write(formatError(refusal, theme, io.stderr.isTty ? wrap : undefined));
    },
    async end(report, next) {
      bars?.close();
      if (verbosity !== 'quiet')
        await io.stderr.write(formatRunSummary(report, { theme, nowMs: clock.now(), next }));
    },
    close: () => bars?.close(),
  };
}

/** Jobs whose text is made at once. */
const JOBS_A_PIECE = 100;
/** How a document ends whose last member is an empty list. */
const EMPTY_END = ']}';

/**
 * Writes the document of a run as one line. The jobs, its last member, are turned into text a hundred at a time, each
 * written before the next is made: of thousands the document would be the largest thing in memory. It comes last, so
 * nothing else is written in between.
 */
async function writeInPieces(
  stream: OutputStream,
  report: RunReport,
  {
    folder,
    toHead,
  }: {
    readonly folder: string;
    readonly toHead: (report: RunReport) => { readonly jobs: readonly unknown[] };
  },
): Promise<void> {
  const { jobs } = report;
  const head = toJsonText(toHead({ ...report, jobs: [] }));
  await stream.write(head.slice(0, -EMPTY_END.length));
  for (let at = 0; at < jobs.length; at += JOBS_A_PIECE) {
    const piece = jobs.slice(at, at + JOBS_A_PIECE).map((job) => toJsonText(toJobDocument(job, folder)));
    await stream.write(`${at === 0 ? '' : ','}${piece.join(',')}`);
  }
  await stream.write(`${EMPTY_END}\n`);
}

/** `--json`: one document at the end; people still see warnings and failures on stderr. */
function createDocumentReporter(context: ReporterContext, folder: string): RunReporter {
  const { io } = context;
  const lines = createRunLines(
    { ...context, verbosity: 'quiet' },
    {
      print: (text) => void io.stderr.write(text),
      isLive: false,
      hasWarnings: context.verbosity !== 'quiet',
    },
  );
  const write = async (report: RunReport, refusal?: EvolinkError): Promise<void> => {
    if (refusal !== undefined) await io.stderr.write(formatError(refusal, context.theme));
    await writeInPieces(io.stdout, report, {
      folder,
      toHead: (head) => toRunDocument(head, folder, refusal),
    });
  };
  return { event: lines.event, plan: write, end: (report) => write(report), close: () => undefined };
}

/** `--events`: a line an event, and the document of `--json` at the end, as the event `result`. */
function createRunEvents(context: ReporterContext, folder: string): RunReporter {
  const { io, clock } = context;
  const people = createRunLines(
    { ...context, verbosity: 'quiet' },
    {
      print: (text) => void io.stderr.write(text),
      isLive: false,
      hasWarnings: context.verbosity !== 'quiet',
    },
  );
  const last = async (report: RunReport, refusal?: EvolinkError): Promise<void> => {
    if (refusal !== undefined) await io.stderr.write(formatError(refusal, context.theme));
    const toHead = (head: RunReport) => {
      const { schema_version, ...rest } = toRunDocument(head, folder, refusal);
      const event = refusal === undefined ? 'result' : 'error';
      return { schema_version, event, time: toIsoTime(clock.now()), ...rest };
    };
    await writeInPieces(io.stdout, report, { folder, toHead });
  };
  return {
    event(event) {
      people.event(event);
      void io.stdout.write(`${toJsonText(toRunEventDocument(event, clock.now()))}\n`);
    },
    plan: last,
    end: (report) => last(report),
    close: () => undefined,
  };
}
