import { basename } from 'node:path';
import type { Clock } from '../platform/clock.ts';
import { formatBytes, sanitizeServerText, toHumanPath } from '../platform/text.ts';
import { isTrouble } from '../report/facts.ts';
import type { JobReport } from '../report/run-report.ts';
import { recordWord, stateWord } from '../report/states.ts';
import type { RunEvent } from '../run/events.ts';
import type { TaskEvent, TaskResult } from '../task/events.ts';
import {
  formatCredits,
  formatCreditsSpent,
  formatDuration,
  formatMedia,
  formatPercent,
  formatSeconds,
} from './format.ts';
import { createSpeedMeter, describeBytes, formatWaitTimes } from './progress.ts';
import { formatPlanSummary, planWarnings } from './summary.ts';
import type { Theme } from './theme.ts';

/** `quiet`: errors and warnings about trust; `verbose`: also what is only of interest when something is wrong. */
export type Verbosity = 'quiet' | 'normal' | 'verbose';

export type ReporterEvent = TaskEvent | RunEvent;

interface LinesOptions {
  readonly clock: Clock;
  readonly theme: Theme;
  readonly verbosity: Verbosity;
  /** Gets whole lines. */
  readonly print: (text: string) => void;
  /** Breaks long lines at spaces; absent where a line must stay one. */
  readonly wrap?: ((line: string) => string) | undefined;
  /** Progress is drawn, so that it is no line. */
  readonly isLive: boolean;
  /** stdout holds a document, so that stderr has only what a person must know. */
  readonly isMachine: boolean;
}

type EventOf<K extends TaskEvent['kind']> = Extract<TaskEvent, { kind: K }>;

/** What happens to reference media before a request is sent. */
export type MediaEvent = EventOf<'media' | 'upload-started' | 'upload-bytes' | 'upload-retry' | 'uploaded'>;

/** Of a warning that is shown whatever else is not. */
const TRUST_WARNING = 'trust';
/** In a run, whose jobs share one screen, these are worth a line of a log. */
const LOGGED: readonly TaskEvent['kind'][] = ['attached', 'accepted', 'completed'];
/** While nothing changes, and while the same trouble goes on, a line is due so often. */
const REPEAT_AFTER_MS = 30_000;

interface EventLine {
  readonly label: string;
  readonly text: string;
  readonly isWarning?: boolean;
  /** Only with `--verbose`. */
  readonly isDetail?: boolean;
  /** Lines of one key in a row are the same trouble again. */
  readonly repeatKey?: string;
}

/** Events as lines of `label: text`, in a run as `job: label text`. Trouble that repeats itself is shown once in a while. */
export function createLines(options: LinesOptions) {
  const { theme, verbosity, clock, print, wrap = (line) => line, isLive, isMachine } = options;
  const printBlock = (text: string): void =>
    print(
      text
        .split('\n')
        .map((line) => (line === '' ? '' : wrap(line)))
        .join('\n'),
    );
  const passesGate = createRepeatGate(() => clock.monotonicMs());
  const isDueAgain = createRepeatGate(() => clock.monotonicMs());
  const shownWarnings = new Set<string>();
  const meter = createSpeedMeter();
  const isQuiet = verbosity === 'quiet';
  const isVerbose = verbosity === 'verbose';
  const showsAll = !isQuiet && (!isMachine || isVerbose);

  function printLine(paint: (text: string) => string, label: string, text: string): void {
    const wrapped = wrap(`${label} ${text}`);
    // Coloured after measuring.
    print(`${paint(label)}${wrapped.slice(label.length)}\n`);
  }

  function printWarning(message: string, { code = '', job = '' } = {}): void {
    const key = `${job}:${message}`;
    if (shownWarnings.has(key) || (isQuiet && code !== TRUST_WARNING)) return;
    shownWarnings.add(key);
    printLine(theme.warning, job === '' ? 'warning:' : labelOf(job), sanitizeServerText(message));
  }

  function printTask(event: TaskEvent, job?: string): void {
    if (event.kind === 'warning') printWarning(event.message, { code: event.code, job });
    if (event.kind === 'warning' || !showsAll) return;
    if (event.kind === 'progress' || event.kind === 'bytes') {
      if (job === undefined && !isLive) printProgress(event);
      return;
    }
    // The line that opens the download counts as its first.
    if (event.kind === 'download-started') isDueAgain('downloading');
    const line = formatEvent(event);
    if (line === undefined || !isDue(line, event, job)) return;
    const paint = line.isWarning === true ? theme.warning : theme.dim;
    if (job === undefined) printLine(paint, `${line.label}:`, line.text);
    else printLine(theme.dim, labelOf(job), `${line.label} ${line.text}`);
  }

  function isDue({ isDetail, isWarning, repeatKey }: EventLine, event: TaskEvent, job?: string): boolean {
    if (isVerbose) return true;
    if (isDetail === true) return false;
    if (job !== undefined && isWarning !== true) return !isLive && LOGGED.includes(event.kind);
    // A bar of bytes says it too.
    if (isLive && event.kind === 'download-started') return event.resumedFromBytes > 0;
    return repeatKey === undefined || passesGate(job === undefined ? repeatKey : event.kind);
  }

  function printProgress(event: EventOf<'progress' | 'bytes'>): void {
    const nowMs = clock.monotonicMs();
    if (event.kind === 'bytes') meter.add(event.receivedBytes, nowMs);
    const label = event.kind === 'bytes' ? 'downloading' : event.status;
    if (!isDueAgain(label) && !isVerbose) return;
    if (event.kind === 'bytes') {
      const bytesPerSecond = meter.bytesPerSecond(nowMs);
      printLine(theme.dim, 'downloading:', describeBytes({ ...event, bytesPerSecond }));
      return;
    }
    const percent = event.progressPercent === undefined ? [] : [formatPercent(event.progressPercent)];
    printLine(
      theme.dim,
      `${sanitizeServerText(event.status)}:`,
      [...percent, formatWaitTimes(event)].join(', '),
    );
  }

  function printEnd(report: JobReport): void {
    const { error, state } = report;
    const label = labelOf(report.name);
    if (isTrouble(report)) {
      printBlock(`${theme.error(label)} ${sanitizeServerText(error?.message ?? stateWord(state))}\n`);
      // Only a person can decide what becomes of it, and the details name the commands.
      const details = error?.code === 'unknown' ? error.details : [];
      for (const detail of details) printBlock(`  - ${toHumanPath(detail)}\n`);
      if (typeof error?.hint === 'string' && isVerbose) printBlock(`  ${toHumanPath(error.hint)}\n`);
    } else if (showsAll && state === 'saved')
      printBlock(`${theme.success(label)} ${describeSaved(report)}\n`);
    else if (showsAll && state === 'running')
      printBlock(`${theme.warning(label)} running (${sanitizeServerText(report.task_id ?? '')})\n`);
    else if (showsAll && isVerbose) printBlock(`${theme.dim(label)} ${stateWord(state)}\n`);
  }

  return {
    event(event: ReporterEvent): void {
      switch (event.kind) {
        case 'run-planned':
          if (showsAll) printBlock(formatPlanSummary(event.report, event.fromProject));
          for (const warning of isQuiet ? [] : planWarnings(event.report)) printWarning(warning);
          return;
        case 'task':
          printTask(event.event, event.job);
          return;
        case 'job-ended':
          printEnd(event.report);
          return;
        case 'concurrency':
          if (showsAll && (isVerbose || passesGate('concurrency')))
            printBlock(`${theme.dim('run:')} ${event.limit} at a time from now on, as the service allows\n`);
          return;
        case 'run-stopping':
          printBlock(`${theme.warning('run:')} nothing more is sent: ${sanitizeServerText(event.reason)}\n`);
          return;
        case 'job-started':
          return;
        default:
          printTask(event);
      }
    },
    /** Warnings of a result that no event brought before. */
    warnings: ({ warnings }: TaskResult) => {
      for (const warning of warnings) printWarning(warning);
    },
  };
}

/** Lets a line through that differs from the one before, or half a minute later, so that trouble does not flood. */
function createRepeatGate(monotonicMs: () => number): (line: string) => boolean {
  let last: { line: string; atMs: number } | undefined;
  return (line) => {
    const atMs = monotonicMs();
    if (last !== undefined && last.line === line && atMs - last.atMs < REPEAT_AFTER_MS) return false;
    last = { line, atMs };
    return true;
  };
}

/** The events that are moments; `progress`, `bytes` and `saved` are shown in other ways. */
function formatEvent(event: TaskEvent): EventLine | undefined {
  switch (event.kind) {
    case 'planned':
      return { label: 'plan', text: describePlan(event) };
    case 'media':
      return { label: 'media', text: formatMedia(event) };
    case 'upload-started':
      return { label: 'uploading', text: `${nameOf(event)}, ${formatBytes(event.totalBytes)}` };
    case 'upload-retry':
      return retry(`the upload of ${nameOf(event)} was interrupted`, event.reason, event.delayMs);
    case 'uploaded': {
      const note = event.isReused ? ' (from an earlier upload)' : '';
      return { label: 'uploaded', text: `${nameOf(event)}${note}` };
    }
    case 'attached': {
      const id = sanitizeServerText(event.taskId ?? event.localId);
      return {
        label: 'attached',
        text: `${id} is ${stateWord(recordWord(event.state))} already; nothing was resubmitted`,
      };
    }
    case 'submitting':
      return { label: 'submitting', text: `request ${event.localId}`, isDetail: true };
    case 'submit-retry':
      return retry('not submitted yet', event.reason, event.delayMs);
    case 'accepted': {
      const credits = formatCreditsSpent(event);
      const id = sanitizeServerText(event.taskId);
      return { label: 'accepted', text: credits === undefined ? id : `${id} (${credits})` };
    }
    case 'poll-trouble':
      return retry('reading the task failed', event.reason, event.retryInMs);
    // What it cost is said with the result.
    case 'completed':
      return { label: 'completed', text: `after ${formatDuration(event.elapsedMs)}` };
    case 'download-started': {
      const total = event.totalBytes === undefined ? 'unknown size' : formatBytes(event.totalBytes);
      const from =
        event.resumedFromBytes === 0 ? '' : `, continuing at ${formatBytes(event.resumedFromBytes)}`;
      return { label: 'downloading', text: `${total}${from}` };
    }
    case 'download-retry':
      return retry('the download was interrupted', event.reason, event.delayMs);
    case 'download-restarted': {
      const text = `the download starts from the beginning (${sanitizeServerText(event.reason)})`;
      return { label: 'warning', text, isWarning: true };
    }
    case 'warning':
    case 'upload-bytes':
    case 'progress':
    case 'bytes':
    case 'saved':
      return undefined;
  }
}

function describePlan(event: EventOf<'planned'>): string {
  const cost =
    event.estimatedCredits === undefined
      ? `cost unknown (${event.costReason ?? 'no list price'})`
      : `about ${formatCredits(event.estimatedCredits)} credits (list prices of ${event.priceListDate})`;
  const { durationSeconds } = event;
  const duration = durationSeconds === undefined ? undefined : formatSeconds(durationSeconds);
  const settings = [event.model, duration, event.quality, event.aspectRatio].filter(
    (part) => part !== undefined,
  );
  const project = event.fromProject ?? [];
  const origin = project.length === 0 ? '' : ` (from .evolinkrc: ${sanitizeServerText(project.join(', '))})`;
  return `${[...settings.map((part) => sanitizeServerText(part)), cost].join(', ')}${origin}`;
}

function nameOf({ name, path }: { readonly name: string; readonly path: string }): string {
  const file = sanitizeServerText(basename(path));
  // A file on its own is called by its path.
  return path.endsWith(name) ? sanitizeServerText(name) : `${name} (${file})`;
}

function retry(what: string, reason: string, delayMs: number): EventLine {
  const trouble = `${what} (${sanitizeServerText(reason)})`;
  const delay = formatDuration(Math.ceil(delayMs / 1000) * 1000);
  return { label: 'retry', text: `${trouble}; next try in ${delay}`, isWarning: true, repeatKey: trouble };
}

/** The name of a job may come from a table that others wrote. With its colon, as `::` at a start is a command to CI runners. */
function labelOf(job: string): string {
  return toHumanPath(`${job}:`);
}

function describeSaved({ path, credits, duration_ms: durationMs }: JobReport): string {
  const spent = credits.used ?? credits.reserved;
  const facts = [
    ...(spent === null ? [] : [`${formatCredits(spent)} credits`]),
    ...(durationMs === null ? [] : [formatDuration(durationMs)]),
  ].join(', ');
  return `saved ${toHumanPath(path ?? '')}${facts === '' ? '' : ` (${facts})`}`;
}
