import type { EvolinkError, StoppedError } from '../errors.ts';
import type { Clock } from '../platform/clock.ts';
import type { Io } from '../platform/io.ts';
import { toHumanPath } from '../platform/text.ts';
import { isDone } from '../report/facts.ts';
import { type JobReport, type RunReport, toJobDocument } from '../report/run-report.ts';
import { SCHEMA_VERSION } from '../report/states.ts';
import type { TaskResult } from '../task/events.ts';
import type { Guard } from './display.ts';
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
  plan(report: RunReport, refusal: EvolinkError | undefined, fromProject: readonly string[]): Promise<void>;
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
  const isRun = options.isRun === true;
  const display = isLive
    ? await (await import('./display.ts')).loadDisplay({ io, clock, theme, guard, isRun })
    : undefined;
  const wrap = isLive ? (line: string) => wrapToWidth(line, io.stderr.columns()) : undefined;
  const print = (text: string): void => {
    if (display === undefined) void io.stderr.write(text);
    else guard('a line', undefined, () => display.print(text));
  };
  const lines = createLines({ ...options, theme, print, wrap, isLive, isMachine: !isHuman });
  const close = (): void => guard('the end', undefined, () => display?.close());
  const write = (document: object): Promise<void> => io.stdout.write(`${toJsonText(document)}\n`);
  /** The last document: of `--json` the only one, of `--events` the last line. */
  const asLast = <D extends { readonly ok: boolean }>(document: D): object =>
    form === 'json'
      ? document
      : {
          ...{ schema_version: SCHEMA_VERSION, event: document.ok ? 'result' : 'error' },
          ...{ time: toIsoTime(clock.now()), ...document },
        };
  const writeLast = async (document: { readonly ok: boolean }): Promise<void> => {
    if (!isHuman) await write(asLast(document));
  };
  /** Never throws either: the work is done by now. */
  const say = (what: string, text: () => string): Promise<void> => io.stderr.write(guard(what, '', text));

  async function writeRun(report: RunReport, refusal?: EvolinkError): Promise<void> {
    const { schema_version, error: _error, jobs, ...rest } = report;
    // What a plan would do is no failure.
    const ok = jobs.every((job) => isDone(job) || (report.dry_run && job.state === 'not_sent'));
    const head = refusal === undefined ? { schema_version, ok } : toErrorDocument(refusal);
    await writeInPieces(io.stdout, { head: asLast({ ...head, ...rest, jobs: [] }), jobs, folder });
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
      const context = { theme, nowMs: clock.now(), wrap, showsPath };
      if (!isQuiet) await say('the result', () => formatResult(result, context));
      const line = formatResultForScripts(result);
      // On a screen even a path of one's own must not move the cursor; to a script it goes as it is.
      await io.stdout.write(io.stdout.isTty && line !== '' ? `${toHumanPath(line.slice(0, -1))}\n` : line);
    },
    async plan(report, refusal, fromProject) {
      if (isHuman && !isQuiet) {
        const warnings = planWarnings(report).map((warning) => `warning: ${warning}\n`);
        await io.stderr.write(formatPlanSummary(report, fromProject) + warnings.join(''));
      }
      if (isHuman) await io.stdout.write(formatPlanTable(report));
      if (refusal !== undefined) await io.stderr.write(formatError(refusal, theme, wrap));
      if (!isHuman) await writeRun(report, refusal);
    },
    async end(report, next) {
      close();
      if (!isHuman) return writeRun(report);
      const options = { theme, nowMs: clock.now(), next, wrap };
      if (!isQuiet) await say('the end', () => formatRunSummary(report, options));
    },
    async print(_name, body, human, error) {
      close();
      if (isHuman) await io.stdout.write(human);
      if (error !== undefined) await io.stderr.write(formatError(error, theme, wrap));
      const head =
        error === undefined ? { schema_version: SCHEMA_VERSION, ok: true } : toErrorDocument(error);
      await writeLast({ ...head, ...body });
    },
    note(line) {
      if (isHuman && !isQuiet) print(`${line}\n`);
    },
    async error(error) {
      close();
      await io.stderr.write(formatError(error, theme, wrap));
      await writeLast(toErrorDocument(error));
    },
    async stopped(error, facts) {
      close();
      await io.stderr.write(formatStopped(error, facts, { theme, wrap }));
      await writeLast(toStoppedDocument(error, facts));
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
  { head, jobs, folder }: { head: object; jobs: readonly JobReport[]; folder: string },
): Promise<void> {
  await stream.write(toJsonText(head).slice(0, -EMPTY_END.length));
  for (let at = 0; at < jobs.length; at += JOBS_A_PIECE) {
    const piece = jobs.slice(at, at + JOBS_A_PIECE).map((job) => toJsonText(toJobDocument(job, folder)));
    await stream.write(`${at === 0 ? '' : ','}${piece.join(',')}`);
  }
  await stream.write(`${EMPTY_END}\n`);
}
