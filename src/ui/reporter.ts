import type { EvolinkError, StoppedError } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { toHumanPath, toIsoTime } from '../platform/text.ts';
import { isDone } from '../report/facts.ts';
import { type RunReport, toJobDocument } from '../report/run-report.ts';
import { SCHEMA_VERSION } from '../report/states.ts';
import type { TaskResult } from '../task/events.ts';
import {
  type DocumentBody,
  type DocumentName,
  toErrorDocument,
  toEventDocument,
  toResultDocument,
  toStoppedDocument,
} from './documents.ts';
import { formatError, formatStopped, type StopFacts } from './errors.ts';
import { toJsonText } from './format.ts';
import { createLines, type ReporterEvent, type Verbosity } from './lines.ts';
import {
  formatPlanSummary,
  formatPlanTable,
  formatResult,
  formatRunSummary,
  type NextCommand,
  planWarnings,
} from './summary.ts';
import { wrapToWidth } from './table.ts';
import { createTerminal } from './terminal.ts';
import { createTheme, loadTheme } from './theme.ts';

type OutputForm = 'human' | 'json' | 'events';

export interface ReporterOptions extends Pick<Context, 'io' | 'clock' | 'cwd' | 'env' | 'host' | 'platform'> {
  readonly form: OutputForm;
  readonly verbosity: Verbosity;
  /** False after `--no-progress`, for CI, and where the terminal can't draw (`TERM=dumb`). */
  readonly hasProgress: boolean;
  /** Says so when something that took long has ended. */
  readonly notifies?: boolean | undefined;
  /** Several tasks at a time. */
  readonly isRun?: boolean | undefined;
  /** Gets what went wrong while something was shown. */
  readonly onFault?: ((message: string) => void) | undefined;
}

export type Reporter = Awaited<ReturnType<typeof createReporter>>;

/**
 * Turns what happens into text: the only thing that writes while a command works. stdout holds the result (for people,
 * as one JSON document, or as the last line of NDJSON), stderr all else. The drawing libraries are loaded only where
 * something is drawn.
 */
export async function createReporter(options: ReporterOptions) {
  const { io, clock, form, verbosity, cwd, isRun = false, onFault = () => undefined } = options;
  const isHuman = form === 'human';
  const isQuiet = verbosity === 'quiet';
  const isLive = isHuman && io.stderr.isTty && options.hasProgress && !isQuiet;
  const theme = isLive ? await loadTheme(io.stderr, io.isUnicode) : createTheme({ isUnicode: io.isUnicode });
  const terminal = createTerminal(io.stderr, options);
  const link = (path: string): string => {
    const text = toHumanPath(path);
    return isLive ? guard('a link', text, () => terminal.link(path, text)) : text;
  };
  const wrap = isLive ? (line: string) => wrapToWidth(line, io.stderr.columns()) : (line: string) => line;

  /** The one guard of all that is shown: what can't be shown must not end work that is paid for. */
  function guard<T>(what: string, fallback: T, show: () => T): T {
    try {
      return show();
    } catch (error) {
      onFault(`could not show ${what}: ${error instanceof Error ? error.message : 'unknown fault'}`);
      return fallback;
    }
  }

  const display = isLive
    ? await (await import('./display.ts')).loadDisplay({ io, clock, theme, terminal, guard, isRun })
    : undefined;
  const print = (text: string): void => {
    if (display === undefined) void io.stderr.write(text);
    else guard('a line', undefined, () => display.print(text));
  };
  const lines = createLines({ clock, verbosity, theme, link, print, wrap, isLive, isMachine: !isHuman });
  const sayError = (error: EvolinkError) => io.stderr.write(formatError(error, theme, wrap));

  /** The last document: of `--json` the only one, of `--events` the last line. */
  const asLast = <D extends { readonly ok: boolean }>(document: D): object => {
    if (form === 'json') return document;
    const event = document.ok ? 'result' : 'error';
    return { schema_version: SCHEMA_VERSION, event, time: toIsoTime(clock.now()), ...document };
  };
  const write = (document: object): Promise<void> => io.stdout.write(`${toJsonText(document)}\n`);
  const writeLast = async (document: { readonly ok: boolean }): Promise<void> => {
    if (!isHuman) await write(asLast(document));
  };

  /** As one line, a piece at a time: of thousands of jobs the document would be the largest thing in memory. */
  async function writeRun(report: RunReport, refusal?: EvolinkError): Promise<void> {
    const { schema_version, error: _error, jobs, ...rest } = report;
    // What a plan would do is no failure.
    const ok = jobs.every((job) => isDone(job) || (report.dry_run && job.state === 'not_sent'));
    const head = refusal === undefined ? { schema_version, ok } : toErrorDocument(refusal);
    // The jobs are the last member.
    let text = toJsonText(asLast({ ...head, ...rest, jobs: [] })).slice(0, -']}'.length);
    for (const [at, job] of jobs.entries()) {
      text += `${at === 0 ? '' : ','}${toJsonText(toJobDocument(job, cwd))}`;
      if (text.length < PIECE_LENGTH) continue;
      await io.stdout.write(text);
      text = '';
    }
    await io.stdout.write(`${text}]}\n`);
  }

  /** Ends every bar and spinner and restores the terminal. Safe to call twice. */
  const close = (): void => guard('the end', undefined, () => display?.close());
  const startedMs = options.notifies === true ? clock.monotonicMs() : undefined;

  /** Writes the last of a command, and calls whoever looked away. */
  async function finish(what: 'done' | 'failed', writeEnd: () => Promise<void>): Promise<void> {
    close();
    await writeEnd();
    const isDue = startedMs !== undefined && clock.monotonicMs() - startedMs >= LONG_WAIT_MS;
    if (isDue) await terminal.notify(what);
  }

  return {
    close,
    /** Never throws. */
    event(event: ReporterEvent): void {
      guard(event.kind, undefined, () => {
        lines.event(event);
        display?.event(event);
        if (form === 'events') void write(toEventDocument(event, clock.now()));
      });
      if (event.kind !== 'job-ended' || !isHuman) return;
      const { state, path } = event.report;
      // On a screen the line above says it already.
      if (state === 'saved' && path !== null && (!io.stdout.isTty || isQuiet))
        void io.stdout.write(`${path}\n`);
    },
    result: (result: TaskResult) =>
      finish('done', async () => {
        if (isHuman || verbosity === 'verbose') guard('warnings', undefined, () => lines.warnings(result));
        if (!isHuman) return write(asLast(toResultDocument(result)));
        const isShown = isLive && io.stdout.isTty;
        const context = { theme, link, nowMs: clock.now(), wrap, isLive, showsPath: !isShown };
        if (!isQuiet) await io.stderr.write(guard('the result', '', () => formatResult(result, context)));
        // For a script: absent where the video itself went there.
        const value = result.state === 'pending' ? (result.task_id ?? result.local_id) : result.path;
        if (value === null) return;
        // On a screen even a path of one's own must not move the cursor; to a script it goes as it is.
        const shown = result.state === 'pending' ? toHumanPath(value) : link(value);
        await io.stdout.write(`${io.stdout.isTty ? shown : value}\n`);
      }),
    /** The plan as the result of a dry run, with what the run would be refused for. */
    async plan(report: RunReport, refusal: EvolinkError | undefined, fromProject: readonly string[]) {
      if (isHuman && !isQuiet) {
        const warnings = planWarnings(report).map((warning) => `warning: ${warning}\n`);
        await io.stderr.write(formatPlanSummary(report, fromProject) + warnings.join(''));
      }
      if (isHuman) await io.stdout.write(formatPlanTable(report, io.stdout.isTty ? cwd : undefined));
      if (refusal !== undefined) await sayError(refusal);
      if (!isHuman) await writeRun(report, refusal);
    },
    /** The end of a run that ended by itself. `next`: absent where the same command does what is left. */
    end: (report: RunReport, next?: NextCommand) =>
      finish(report.jobs.every(isDone) ? 'done' : 'failed', async () => {
        if (!isHuman) return writeRun(report);
        const summary = () => formatRunSummary(report, next, { theme, wrap });
        if (!isQuiet) await io.stderr.write(guard('the end', '', summary));
        // Without a job file it is a command of takes: like that of one clip, it names those that were there already.
        if (report.files.length > 0) return;
        for (const { state, path } of report.jobs)
          if ((state === 'up_to_date' || state === 'copied') && path !== null)
            await io.stdout.write(`${io.stdout.isTty ? link(path) : path}\n`);
      }),
    /** The result of any other command, as its document or as text for people; with an `error` where it succeeded in part. */
    print: <N extends DocumentName>(_name: N, body: DocumentBody<N>, human: string, error?: EvolinkError) =>
      finish(error === undefined ? 'done' : 'failed', async () => {
        if (isHuman) await io.stdout.write(human);
        if (error !== undefined) await sayError(error);
        const head =
          error === undefined ? { schema_version: SCHEMA_VERSION, ok: true } : toErrorDocument(error);
        await writeLast({ ...head, ...body });
      }),
    /** A line for people on stderr, where they read the result too. */
    note(line: string): void {
      if (isHuman && !isQuiet) print(`${line.split('\n').map(wrap).join('\n')}\n`);
    },
    /** What failed while others go on. */
    failed: sayError,
    error: (error: EvolinkError) =>
      finish('failed', async () => {
        await sayError(error);
        await writeLast(toErrorDocument(error));
      }),
    async stopped(error: StoppedError, facts: StopFacts): Promise<void> {
      close();
      await io.stderr.write(formatStopped(error, facts, { theme, wrap }));
      await writeLast(toStoppedDocument(error, facts));
    },
  };
}

/** Nobody looks away for less. */
const LONG_WAIT_MS = 30_000;
/** Text that is made before it is written. UTF-16 units. */
const PIECE_LENGTH = 100_000;
