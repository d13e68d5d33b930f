import type { EvolinkError, StoppedError } from '../errors.ts';
import type { Clock } from '../platform/clock.ts';
import type { Io } from '../platform/io.ts';
import { toHumanPath } from '../platform/text.ts';
import { isDone } from '../report/facts.ts';
import { type RunReport, toJobDocument } from '../report/run-report.ts';
import { SCHEMA_VERSION } from '../report/states.ts';
import type { TaskResult } from '../task/events.ts';
import type { Display, DisplayOptions, Guard } from './display.ts';
import {
  type DocumentBody,
  type DocumentName,
  toErrorDocument,
  toEventDocument,
  toResultDocument,
  toStoppedDocument,
} from './documents.ts';
import { formatError, formatStopped, type StopFacts } from './errors.ts';
import { toIsoTime, toJsonText } from './format.ts';
import { createLines, type ReporterEvent, type Verbosity } from './lines.ts';
import {
  formatPlanSummary,
  formatPlanTable,
  formatResult,
  formatResultForScripts,
  formatRunSummary,
  type NextCommand,
  planWarnings,
} from './summary.ts';
import { wrapToWidth } from './table.ts';
import { createTheme, loadTheme } from './theme.ts';

export type OutputForm = 'human' | 'json' | 'events';

/**
 * Turns what happens into text: the only thing that writes while a command works. stdout holds the result (for people,
 * as one JSON document, or as the last line of NDJSON), stderr all else.
 */
export interface Reporter {
  /** Never throws: what can't be shown must not end work that is paid for. */
  event(event: ReporterEvent): void;
  result(result: TaskResult): Promise<void>;
  /** The plan as the result of a dry run, with what the run would be refused for. */
  plan(report: RunReport, refusal: EvolinkError | undefined): Promise<void>;
  /** The end of a run that ended by itself. `next`: absent where the same command does what is left. */
  end(report: RunReport, next?: NextCommand): Promise<void>;
  /** The result of any other command, as its document or as text for people; with an `error` where it succeeded in part. */
  print<N extends DocumentName>(
    name: N,
    body: DocumentBody<N>,
    human: string,
    error?: EvolinkError,
  ): Promise<void>;
  /** A line for people on stderr, where they read the result too. */
  note(line: string): void;
  error(error: EvolinkError): Promise<void>;
  stopped(error: StoppedError, facts: StopFacts): Promise<void>;
  /** Ends every bar and spinner and restores the terminal. Safe to call twice. */
  close(): void;
}

export interface ReporterOptions {
  readonly io: Io;
  readonly clock: Clock;
  readonly form: OutputForm;
  readonly verbosity: Verbosity;
  /** False after `--no-progress`, and where the terminal can't draw (`TERM=dumb`). */
  readonly hasProgress: boolean;
  readonly isCi: boolean;
  /** Absolute: relative paths of the document of a run start there. */
  readonly folder: string;
  /** Several tasks at a time. */
  readonly isRun?: boolean | undefined;
  /** Gets what went wrong while something was shown. */
  readonly onFault?: ((message: string) => void) | undefined;
}

/** The drawing libraries are loaded only where something is drawn. */
export async function createReporter(options: ReporterOptions): Promise<Reporter> {
  const { io, clock, form, verbosity, folder, onFault = () => undefined } = options;
  const isHuman = form === 'human';
  const isQuiet = verbosity === 'quiet';
  const isLive = isHuman && io.stderr.isTty && options.hasProgress && !options.isCi && !isQuiet;
  const theme = isLive ? await loadTheme(io.stderr, io.isUnicode) : createTheme({ isUnicode: io.isUnicode });
  const guard = createGuard(onFault);
  const display = isLive ? await loadDisplay({ ...options, theme, guard }) : undefined;
  const wrap = isLive ? (line: string) => wrapToWidth(line, io.stderr.columns()) : undefined;
  const print = (text: string): void => {
    if (display === undefined) void io.stderr.write(text);
    else guard('a line', undefined, () => display.print(text));
  };
  const lines = createLines({ ...options, theme, print, wrap, isLive, isMachine: !isHuman });
  const close = (): void => guard('the end', undefined, () => display?.close());
  const write = (document: object): Promise<void> => io.stdout.write(`${toJsonText(document)}\n`);
  const asLast = <D extends { readonly ok: boolean }>(document: D): object =>
    form === 'events' ? toLastEvent(document, clock.now()) : document;

  async function writeRun(report: RunReport, refusal?: EvolinkError): Promise<void> {
    if (refusal !== undefined) await io.stderr.write(formatError(refusal, theme));
    // What a plan would do is no failure.
    const isOk = report.jobs.every((job) => isDone(job) || (report.dry_run && job.state === 'not_sent'));
    await writeInPieces(io.stdout, report, {
      folder,
      toHead: (head) => asLast(toRunDocument(head, isOk, refusal)),
    });
  }

  return {
    close,
    event(event) {
      guard(event.kind, undefined, () => lines.event(event));
      guard(event.kind, undefined, () => display?.event(event));
      if (form === 'events')
        guard(event.kind, undefined, () => void write(toEventDocument(event, clock.now())));
      if (event.kind !== 'job-ended' || !isHuman) return;
      const { state, path } = event.report;
      // On a screen the line above says it already.
      if (state === 'saved' && path !== null && (!io.stdout.isTty || isQuiet))
        void io.stdout.write(`${path}\n`);
    },
    async result(result) {
      close();
      if (isHuman || verbosity === 'verbose') guard('warnings', undefined, () => lines.warnings(result));
      if (!isHuman) return write(asLast(toResultDocument(result)));
      const showsPath = wrap === undefined || !io.stdout.isTty;
      if (!isQuiet)
        await io.stderr.write(formatResult(result, { theme, nowMs: clock.now(), wrap, showsPath }));
      const line = formatResultForScripts(result);
      // On a screen even a path of one's own must not move the cursor; to a script it goes as it is.
      await io.stdout.write(io.stdout.isTty && line !== '' ? `${toHumanPath(line.slice(0, -1))}\n` : line);
    },
    async plan(report, refusal) {
      if (!isHuman) return writeRun(report, refusal);
      if (!isQuiet) {
        await io.stderr.write(formatPlanSummary(report));
        for (const warning of planWarnings(report)) await io.stderr.write(`warning: ${warning}\n`);
      }
      await io.stdout.write(formatPlanTable(report));
      if (refusal !== undefined) await io.stderr.write(formatError(refusal, theme, wrap));
    },
    async end(report, next) {
      close();
      if (!isHuman) return writeRun(report);
      if (!isQuiet)
        await io.stderr.write(formatRunSummary(report, { theme, nowMs: clock.now(), next, wrap }));
    },
    async print(_name, body, human, error) {
      close();
      if (isHuman) await io.stdout.write(human);
      if (error !== undefined) await io.stderr.write(formatError(error, theme, wrap));
      const head =
        error === undefined ? { schema_version: SCHEMA_VERSION, ok: true } : toErrorDocument(error);
      if (!isHuman) await write(asLast({ ...head, ...body }));
    },
    note(line) {
      if (isHuman && !isQuiet) print(`${line}\n`);
    },
    async error(error) {
      close();
      await io.stderr.write(formatError(error, theme, wrap));
      if (!isHuman) await write(asLast(toErrorDocument(error)));
    },
    async stopped(error, facts) {
      close();
      await io.stderr.write(formatStopped(error, facts, { theme, wrap }));
      if (!isHuman) await write(asLast(toStoppedDocument(error, facts)));
    },
  };
}

function createGuard(onFault: (message: string) => void): Guard {
  return (what, fallback, show) => {
    try {
      return show();
    } catch (error) {
      onFault(`could not show ${what}: ${error instanceof Error ? error.message : 'unknown fault'}`);
      return fallback;
    }
  };
}

async function loadDisplay(
  options: Omit<DisplayOptions, 'isRun'> & { isRun?: boolean | undefined },
): Promise<Display> {
  const { loadDisplay: load } = await import('./display.ts');
  return load({ ...options, isRun: options.isRun === true });
}

function toLastEvent<D extends { readonly ok: boolean }>(document: D, atMs: number): object {
  const event = document.ok ? 'result' : 'error';
  return { schema_version: SCHEMA_VERSION, event, time: toIsoTime(atMs), ...document };
}

/** The document of a run: its JSON report, with `ok`, and with `error` where nothing may be sent. */
function toRunDocument(report: RunReport, isOk: boolean, refusal?: EvolinkError) {
  const { schema_version, error: _refusal, jobs, ...rest } = report;
  if (refusal !== undefined) return { ...toErrorDocument(refusal), ...rest, jobs };
  return { schema_version, ok: isOk, ...rest, jobs };
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
  stream: Io['stdout'],
  report: RunReport,
  { folder, toHead }: { readonly folder: string; readonly toHead: (report: RunReport) => object },
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
