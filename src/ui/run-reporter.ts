import type { EvolinkError } from '../errors.ts';
import { quoteCommand, toHumanPath } from '../platform/command-text.ts';
import type { OutputStream } from '../platform/io.ts';
import { sanitizeServerText } from '../platform/text.ts';
import { toJobDocument, toReportDocument } from '../report/json.ts';
import { type JobReport, type RunReport, sumHeldCredits } from '../report/run-report.ts';
import type { RunEvent } from '../run/events.ts';
import type { TaskEvent } from '../task/events.ts';
import { formatError } from './errors.ts';
import { createRepeatGate, describeMedia, formatEvent } from './event-lines.ts';
import { toRunEventDocument } from './events.ts';
import { formatCount, formatCredits, formatDuration } from './format.ts';
import { toErrorDocument, toIsoTime, toJsonText } from './json.ts';
import type { ReporterContext } from './reporter.ts';
import type { ReporterOptions } from './reporters.ts';
import { formatTable } from './table.ts';
import { createTheme, type Theme } from './theme.ts';

const MAX_WARNINGS = 10;
const MAX_MEDIA = 20;

/** The plan in two or three lines, ending in a newline. */
function formatPlanSummary(report: RunReport): string {
  const { totals, credits, balance, shard } = report;
  const counts = listCounts({
    new: totals.new,
    changed: totals.changed,
    'made again': totals.forced,
    continued: totals.attached,
    'up to date': totals.upToDate,
    renamed: totals.renamed,
    adopted: totals.adopted,
    invalid: totals.invalid,
  });
  const part = shard === undefined ? '' : ` (shard ${shard.index} of ${shard.count})`;
  const cost =
    credits.estimated === undefined
      ? ''
      : `, about ${formatCredits(credits.estimated)} credits${balance === undefined ? '' : ` of ${formatCredits(balance)}`}`;
  const { uploads = 0 } = report;
  const files = uploads === 0 ? '' : `, ${formatCount(uploads, 'local file')} to upload`;
  const paid = paidJobs(report);
  const unknown = paid.filter((job) => job.credits.estimated === undefined).length;
  const open = unknown === 0 ? '' : `, ${unknown} of unknown price`;
  const lines = [`plan: ${formatCount(totals.planned, 'job')}${part}: ${counts || 'nothing'}`];
  if (paid.length > 0)
    lines.push(
      `cost: ${formatCount(paid.length, 'clip')}, ${report.billedSeconds ?? 0} s billed${files}${cost}${open}`,
    );
  return `${[...lines, ...mediaLines(paid)].join('\n')}\n`;
}

/** `media: image 1 = style.png, 1600×1200 (12 jobs)`: what the names in the prompts stand for, each once, and where. */
function mediaLines(jobs: readonly JobReport[]): readonly string[] {
  const users = new Map<string, string[]>();
  for (const { name: job, references = [] } of jobs) {
    for (const { name, role, label, facts } of references) {
      const line = describeMedia({ name, role, label, facts });
      const known = users.get(line);
      if (known === undefined) users.set(line, [job]);
      else known.push(job);
    }
  }
  const lines = [...users].map(([text, [job = '', ...others]]) => {
    if (others.length > 0) return `${text} (${others.length + 1} jobs)`;
    return jobs.length > 1 ? `${text} (${toHumanPath(job)})` : text;
  });
  const more = lines.length - MAX_MEDIA;
  const shown =
    more > 0 ? [...lines.slice(0, MAX_MEDIA), `and ${more} more (--dry-run --json names all)`] : lines;
  return shown.map((line) => `media: ${line}`);
}

function countedLines(counts: ReadonlyMap<string, number>): readonly string[] {
  return [...counts].map(([text, times]) => (times === 1 ? text : `${text} (${times} jobs)`));
}

/** What a plan makes a person aware of: each warning once, with how often it occurs, fit for a screen. */
function planWarnings(report: RunReport): readonly string[] {
  const counts = new Map<string, number>();
  for (const warning of [...report.warnings, ...report.jobs.flatMap(({ warnings }) => warnings)]) {
    const line = toHumanPath(warning);
    counts.set(line, (counts.get(line) ?? 0) + 1);
  }
  const lines = countedLines(counts);
  const more = lines.length - MAX_WARNINGS;
  return more > 0 ? [...lines.slice(0, MAX_WARNINGS), `and ${more} more warnings`] : lines;
}

/** All jobs of a plan as a table, ending in a newline. */
function formatPlanTable(report: RunReport): string {
  if (report.jobs.length === 0) return '';
  const columns = [
    { header: 'JOB' },
    { header: 'PLAN' },
    { header: 'SECONDS', align: 'right' as const },
    { header: 'CREDITS', align: 'right' as const },
    { header: 'OUTPUT' },
    ...(report.jobs.some((job) => noteOf(job) !== '') ? [{ header: 'NOTE' }] : []),
  ];
  const rows = report.jobs.map((job) => [
    job.name,
    job.action,
    isPaid(job) ? String(job.settings?.durationSeconds ?? '') : '',
    isPaid(job) ? creditsOf(job) : '',
    job.outputPath ?? '',
    noteOf(job),
  ]);
  return `${formatTable(columns, rows)}\n`;
}

/** What makes the jobs that a run has left, where the same command again would not. */
interface NextCommand {
  readonly words: readonly string[];
  readonly note?: string | undefined;
}

interface SummaryOptions {
  readonly theme: Theme;
  readonly nowMs: number;
  readonly next?: NextCommand | undefined;
}

/** The last words of a run, ending in a newline. */
function formatRunSummary(report: RunReport, { theme, nowMs, next }: SummaryOptions): string {
  const { totals, credits } = report;
  const counts = listCounts({
    saved: totals.saved,
    'up to date': totals.upToDate,
    adopted: totals.adopted,
    'still running': totals.submitted,
    failed: totals.failed,
    'not started': totals.skipped,
  });
  const held = sumHeldCredits(report.jobs);
  const cost = [
    ...(credits.used === undefined ? [] : [`, ${formatCredits(credits.used)} credits used`]),
    ...(held === undefined ? [] : [`, ${formatCredits(held)} credits reserved`]),
  ].join('');
  const time = formatDuration(nowMs - report.startedAtMs);
  const line = `${counts || 'nothing to do'}${cost}, in ${time}`;
  const isFine = totals.failed + totals.submitted + totals.skipped === 0;
  const head = isFine ? theme.success(`${theme.symbols.success} done:`) : theme.warning('done in part:');
  return `${head} ${line}\n${isFine ? '' : describeNext(next)}`;
}

function describeNext(next: NextCommand | undefined): string {
  if (next === undefined) return 'the same command again takes up what is left\n';
  const note = next.note === undefined ? '' : `${next.note}\n`;
  return `${note}continue with: ${toHumanPath(quoteCommand(next.words))}\n`;
}

function noteOf({ action, movedFrom, isOutside }: JobReport): string {
  const notes = [
    ...(isOutside === true ? ['outside'] : []),
    ...(movedFrom === undefined ? [] : [action === 'renamed' ? `is ${movedFrom}` : `from ${movedFrom}`]),
  ];
  return notes.join(', ');
}

function creditsOf({ credits }: JobReport): string {
  return credits.estimated === undefined ? 'unknown' : formatCredits(credits.estimated);
}

/** What is continued has been bought, but for a request that was never sent: only that has an estimate in a plan. */
function isPaid({ action, state, credits }: JobReport): boolean {
  if (action === 'attached') return state === 'planned' && credits.estimated !== undefined;
  return action === 'new' || action === 'changed' || action === 'forced';
}

function paidJobs(report: RunReport): readonly JobReport[] {
  return report.jobs.filter(isPaid);
}

/** `2 new, 1 changed`: what there is none of is left out. */
function listCounts(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .filter(([, number]) => number > 0)
    .map(([what, number]) => `${number} ${what}`)
    .join(', ');
}

interface RunLinesOptions {
  /** Gets whole lines. */
  readonly print: (text: string) => void;
  /** Bars show what runs: only what a person must know is a line. */
  readonly isLive: boolean;
  /** False: failures only. */
  readonly hasWarnings: boolean;
}

/** Moments of a task that are worth a line of a log. */
const LOGGED: readonly TaskEvent['kind'][] = ['attached', 'accepted', 'completed'];
const TROUBLE: readonly TaskEvent['kind'][] = [
  'submit-retry',
  'poll-trouble',
  'download-retry',
  'download-restarted',
];

/** Events of a run as lines of `job: text`. Trouble that repeats itself, in whichever job, is told once in a while. */
function createRunLines(context: ReporterContext, { print, isLive, hasWarnings }: RunLinesOptions) {
  const { theme, verbosity, clock } = context;
  const passesGate = createRepeatGate(() => clock.monotonicMs());
  const isQuiet = verbosity === 'quiet';

  function printTask(job: string, event: TaskEvent): void {
    if (event.kind === 'warning' && hasWarnings)
      print(`${theme.warning(labelOf(job))} ${sanitizeServerText(event.message)}\n`);
    if (isQuiet || event.kind === 'warning') return;
    const isTrouble = TROUBLE.includes(event.kind);
    const isLogged = isTrouble || (!isLive && LOGGED.includes(event.kind)) || verbosity === 'verbose';
    const line = isLogged ? formatEvent(event) : undefined;
    if (line === undefined || (isTrouble && verbosity !== 'verbose' && !passesGate(event.kind))) return;
    print(`${theme.dim(labelOf(job))} ${line.label} ${line.text}\n`);
  }

  function printEnd(report: JobReport): void {
    const { error, state } = report;
    const label = labelOf(report.name);
    if (state === 'failed') {
      print(`${theme.error(label)} ${sanitizeServerText(error?.message ?? 'failed')}\n`);
      // Only a person can decide what becomes of it, and the details name the commands.
      const details = error?.kind === 'unknown' ? error.details : [];
      for (const detail of details) print(`  - ${toHumanPath(detail)}\n`);
      if (error?.hint !== undefined && verbosity === 'verbose') print(`  ${toHumanPath(error.hint)}\n`);
    } else if (!isQuiet && state === 'saved') print(`${theme.success(label)} ${describeSaved(report)}\n`);
    else if (!isQuiet && state === 'submitted')
      print(`${theme.warning(label)} still running (${sanitizeServerText(report.taskId ?? '')})\n`);
    else if (verbosity === 'verbose') print(`${theme.dim(label)} ${state}\n`);
  }

  return {
    event(event: RunEvent): void {
      switch (event.kind) {
        case 'run-planned':
          if (!isQuiet) print(formatPlanSummary(event.report));
          for (const warning of hasWarnings ? planWarnings(event.report) : [])
            print(`${theme.warning('warning:')} ${warning}\n`);
          return;
        case 'task':
          printTask(event.job, event.event);
          return;
        case 'job-ended':
          printEnd(event.report);
          return;
        case 'concurrency':
          if (!isQuiet && (verbosity === 'verbose' || passesGate('concurrency')))
            print(`${theme.dim('run:')} ${event.limit} at a time from now on, as the service takes them\n`);
          return;
        case 'run-stopping':
          print(`${theme.warning('run:')} nothing more is sent: ${sanitizeServerText(event.reason)}\n`);
          return;
        case 'job-started':
          return;
      }
    },
  };
}

/** The name of a job may come from a table that others wrote. With its colon, as `::` at a start is a command to CI runners. */
function labelOf(job: string): string {
  return toHumanPath(`${job}:`);
}

function describeSaved({ outputPath, credits, durationMs }: JobReport): string {
  const spent = credits.used ?? credits.reserved;
  const facts = [
    ...(spent === undefined ? [] : [`${formatCredits(spent)} credits`]),
    ...(durationMs === undefined ? [] : [formatDuration(durationMs)]),
  ].join(', ');
  return `saved ${toHumanPath(outputPath ?? '')}${facts === '' ? '' : ` (${facts})`}`;
}

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
      const { wrapToWidth } = await import('./table.ts');
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
