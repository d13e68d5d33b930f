import { basename } from 'node:path';
import type { Clock } from '../platform/clock.ts';
import { formatBytes, sanitizeServerText, toHumanPath } from '../platform/text.ts';
import { creditWords, isTrouble } from '../report/facts.ts';
import type { JobReport } from '../report/run-report.ts';
import { recordWord, stateWord } from '../report/states.ts';
import type { RunEvent } from '../run/execute.ts';
import type { TaskEvent, TaskResult } from '../task/events.ts';
import {
  formatCredits,
  formatCreditsSpent,
  formatDuration,
  formatMedia,
  formatPercent,
  formatSeconds,
  formatUsd,
} from './format.ts';
import { createSpeedMeter, describeBytes, formatWaitTimes } from './progress.ts';
import { formatPlanSummary, planWarnings, shortReason } from './summary.ts';
import type { Theme } from './theme.ts';

/** `quiet`: errors and warnings about trust; `verbose`: also what is only of interest when something is wrong. */
export type Verbosity = 'quiet' | 'normal' | 'verbose';

export type ReporterEvent = TaskEvent | RunEvent;

type EventOf<K extends TaskEvent['kind']> = Extract<TaskEvent, { kind: K }>;

/** While nothing changes, and while the same trouble goes on, a line is due so often. */
const REPEAT_AFTER_MS = 30_000;

/** An event that is a moment as a line; others are shown in other ways. */
function lineOf(event: TaskEvent): readonly [label: string, text: string] | undefined {
  switch (event.kind) {
    case 'planned':
      return ['plan', describePlan(event)];
    case 'media':
      return ['media', formatMedia(event)];
    case 'upload-started':
      return ['uploading', `${nameOf(event)}, ${formatBytes(event.totalBytes)}`];
    case 'uploaded':
      return ['uploaded', `${nameOf(event)}${event.isReused === true ? ' (from an earlier upload)' : ''}`];
    case 'attached': {
      const id = sanitizeServerText(event.taskId ?? event.localId);
      return ['attached', `${id} is ${stateWord(recordWord(event.state))} already; nothing was resubmitted`];
    }
    case 'submitting':
      return ['submitting', `request ${event.localId}`];
    case 'accepted': {
      const { taskId, estimatedCredits: estimated = null, reservedCredits: reserved = null } = event;
      const credits = formatCreditsSpent({ estimated, reserved, used: null });
      return ['accepted', `${sanitizeServerText(taskId)}${credits === undefined ? '' : ` (${credits})`}`];
    }
    // What it cost is said with the result.
    case 'completed':
      return ['completed', `after ${formatDuration(event.elapsedMs)}`];
    case 'download-started': {
      const { totalBytes, resumedFromBytes: from } = event;
      const size = totalBytes === undefined ? 'unknown size' : formatBytes(totalBytes);
      return ['downloading', `${size}${from === 0 ? '' : `, continuing at ${formatBytes(from)}`}`];
    }
    case 'download-restarted':
      return ['warning', `the download starts from the beginning (${sanitizeServerText(event.reason)})`];
    case 'upload-retry':
    case 'submit-retry':
    case 'poll-trouble':
    case 'download-retry': {
      const delayMs = event.kind === 'poll-trouble' ? event.retryInMs : event.delayMs;
      const delay = formatDuration(Math.ceil(delayMs / 1000) * 1000);
      return ['retry', `${whatFailed(event)} (${sanitizeServerText(event.reason)}); next try in ${delay}`];
    }
    default:
      return undefined;
  }
}

function whatFailed(event: EventOf<'upload-retry' | 'submit-retry' | 'poll-trouble' | 'download-retry'>) {
  if (event.kind === 'upload-retry') return `the upload of ${nameOf(event)} was interrupted`;
  if (event.kind === 'submit-retry') return 'not submitted yet';
  return event.kind === 'poll-trouble' ? 'reading the task failed' : 'the download was interrupted';
}

/** In a run, whose jobs share one screen, they are worth a line of a log. */
const LOGGED: readonly string[] = ['attached', 'accepted', 'completed'];

function describePlan(event: EventOf<'planned'>): string {
  const { durationSeconds, estimatedCredits, estimatedUsd, fromProject = [] } = event;
  const { costOrigin = 'no list price' } = event;
  const settings = [
    event.model,
    durationSeconds === undefined ? undefined : formatSeconds(durationSeconds),
    event.quality,
    event.aspectRatio,
  ].filter((part) => part !== undefined);
  const usd = estimatedUsd === undefined ? '' : `${formatUsd(estimatedUsd)}, `;
  const cost =
    estimatedCredits === undefined
      ? `cost unknown (${costOrigin})`
      : `about ${formatCredits(estimatedCredits)} credits (${usd}${costOrigin})`;
  const origin = fromProject.length === 0 ? '' : ` (from .evolinkrc: ${fromProject.join(', ')})`;
  return [...settings.map((part) => sanitizeServerText(part)), cost + sanitizeServerText(origin)].join(', ');
}

function nameOf({ name, path }: { readonly name: string; readonly path: string }): string {
  const file = sanitizeServerText(basename(path));
  // A file on its own is called by its path.
  return path.endsWith(name) ? sanitizeServerText(name) : `${name} (${file})`;
}

interface LinesOptions {
  readonly clock: Clock;
  readonly theme: Theme;
  readonly verbosity: Verbosity;
  /** A path as it is shown. */
  readonly link: (path: string) => string;
  /** Gets whole lines. */
  readonly print: (text: string) => void;
  /** Breaks a line at spaces where it is for a screen. */
  readonly wrap: (line: string) => string;
  /** Progress is drawn, so that it is no line. */
  readonly isLive: boolean;
  /** stdout holds a document, so that stderr has only what a person must know. */
  readonly isMachine: boolean;
}

/** Events as lines of `label: text`, in a run as `job: label text`. Trouble that repeats itself is shown once in a while. */
export function createLines({ theme, link, verbosity, clock, print, wrap, isLive, isMachine }: LinesOptions) {
  const passesGate = createRepeatGate(clock);
  const isDueAgain = createRepeatGate(clock);
  const shownWarnings = new Set<string>();
  const meter = createSpeedMeter();
  const isQuiet = verbosity === 'quiet';
  const isVerbose = verbosity === 'verbose';
  const showsAll = !isQuiet && (!isMachine || isVerbose);

  function printLine(paint: (text: string) => string, label: string, text: string): void {
    // Coloured after measuring.
    print(`${paint(label)}${wrap(`${label} ${text}`).slice(label.length)}\n`);
  }

  function printWarning(message: string, { code = '', job = '' } = {}): void {
    const key = `${job}:${message}`;
    if (shownWarnings.has(key) || (isQuiet && code !== 'trust')) return;
    shownWarnings.add(key);
    printLine(theme.warning, job === '' ? 'warning:' : labelOf(job), sanitizeServerText(message));
  }

  function printTask(event: TaskEvent, job?: string): void {
    if (event.kind === 'warning') printWarning(event.message, { code: event.code, job });
    if (!showsAll) return;
    if (event.kind === 'progress' || event.kind === 'bytes') {
      if (job === undefined && !isLive) printProgress(event);
      return;
    }
    // The line that opens the download counts as its first.
    if (event.kind === 'download-started') isDueAgain('downloading');
    const line = lineOf(event);
    if (line === undefined) return;
    const [label, text] = line;
    if (!isVerbose && !isDue(event, label, job)) return;
    if (job !== undefined) printLine(theme.dim, labelOf(job), `${label} ${text}`);
    else printLine(label === 'retry' || label === 'warning' ? theme.warning : theme.dim, `${label}:`, text);
  }

  function isDue(event: TaskEvent, label: string, job?: string): boolean {
    if (label === 'retry')
      return passesGate(
        job === undefined && 'reason' in event ? `${event.kind} ${event.reason}` : event.kind,
      );
    if (label === 'warning') return true;
    if (job !== undefined) return !isLive && LOGGED.includes(label);
    // A bar of bytes says it too.
    if (isLive && event.kind === 'download-started') return event.resumedFromBytes > 0;
    return label !== 'submitting';
  }

  function printProgress(event: EventOf<'progress' | 'bytes'>) {
    const nowMs = clock.monotonicMs();
    if (event.kind === 'bytes') meter.add(event.receivedBytes, nowMs);
    const label = event.kind === 'bytes' ? 'downloading' : sanitizeServerText(event.status);
    if (!isDueAgain(label) && !isVerbose) return;
    if (event.kind === 'bytes') {
      const bytesPerSecond = meter.bytesPerSecond(nowMs);
      return printLine(theme.dim, `${label}:`, describeBytes({ ...event, bytesPerSecond }));
    }
    const { progressPercent } = event;
    const percent = progressPercent === undefined ? '' : `${formatPercent(progressPercent)}, `;
    printLine(theme.dim, `${label}:`, percent + formatWaitTimes(event));
  }

  function printEnd(report: JobReport): void {
    const { error, state } = report;
    const label = labelOf(report.name);
    if (isTrouble(report)) {
      printLine(theme.error, label, sanitizeServerText(shortReason(report) ?? stateWord(state)));
      // Only a person can decide what becomes of it, and the details name the commands.
      const details = error?.code === 'unknown' ? error.details : [];
      for (const detail of details) print(`${wrap(`  - ${toHumanPath(detail)}`)}\n`);
      if (typeof error?.hint === 'string' && isVerbose) print(`${wrap(`  ${toHumanPath(error.hint)}`)}\n`);
    } else if (showsAll && state === 'saved') printLine(theme.success, label, describeSaved(report, link));
    else if (showsAll && state === 'running')
      printLine(theme.warning, label, `running (${sanitizeServerText(report.task_id ?? '')})`);
    else if (showsAll && isVerbose) printLine(theme.dim, label, stateWord(state));
  }

  return {
    event(event: ReporterEvent) {
      switch (event.kind) {
        case 'run-planned':
          for (const line of showsAll
            ? formatPlanSummary(event.report, event.fromProject).split(/(?<=\n)/)
            : [])
            print(wrap(line));
          for (const warning of planWarnings(event.report)) printWarning(warning);
          return;
        case 'task':
          return printTask(event.event, event.job);
        case 'job-ended':
          return printEnd(event.report);
        case 'concurrency':
          if (showsAll && (isVerbose || passesGate('concurrency')))
            printLine(theme.dim, 'run:', `${event.limit} at a time from now on, as the service allows`);
          return;
        case 'run-stopping':
          return printLine(
            theme.warning,
            'run:',
            `nothing more is sent: ${sanitizeServerText(event.reason)}`,
          );
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
function createRepeatGate(clock: Clock): (line: string) => boolean {
  let last: { line: string; atMs: number } | undefined;
  return (line) => {
    const atMs = clock.monotonicMs();
    if (last !== undefined && last.line === line && atMs - last.atMs < REPEAT_AFTER_MS) return false;
    last = { line, atMs };
    return true;
  };
}

/** The name of a job may come from a table that others wrote. With its colon, as `::` at a start is a command to CI runners. */
function labelOf(job: string): string {
  return toHumanPath(`${job}:`);
}

function describeSaved(job: JobReport, link: LinesOptions['link']): string {
  const took = job.duration_ms === null ? undefined : formatDuration(job.duration_ms);
  const facts = [creditWords(job), took].filter((part) => part !== undefined).join(', ');
  return `saved ${link(job.path ?? '')}${facts && ` (${facts})`}`;
}
