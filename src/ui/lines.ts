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
import { byteFacts, createSpeedMeter, timeFacts } from './progress.ts';
import { formatPlanSummary, planWarnings, shortReason } from './summary.ts';
import type { Theme } from './theme.ts';

/** `quiet`: errors and warnings about trust; `verbose`: also what is only of interest when something is wrong. */
export type Verbosity = 'quiet' | 'normal' | 'verbose';

export type ReporterEvent = TaskEvent | RunEvent;

type EventOf<K extends TaskEvent['kind']> = Extract<TaskEvent, { kind: K }>;

/** While nothing changes, and while the same trouble goes on, a line is due so often. */
const REPEAT_AFTER_MS = 30_000;

const TROUBLE = {
  'upload-retry': 'the upload was interrupted',
  'submit-retry': 'not submitted yet',
  'poll-trouble': 'reading the task failed',
  'download-retry': 'the download was interrupted',
  'download-restarted': 'the download starts from the beginning',
} as const;

/** An event as a line; undefined for one that is shown in another way. */
function lineOf(
  event: TaskEvent,
  bytesPerSecond: number | undefined,
): readonly [label: string, text: string] | undefined {
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
      const state = stateWord(recordWord(event.state));
      return ['attached', `${event.taskId ?? event.localId} is ${state} already; nothing was resubmitted`];
    }
    case 'submitting':
      return ['submitting', `request ${event.localId}`];
    case 'accepted': {
      const { taskId, estimatedCredits: estimated = null, reservedCredits: reserved = null } = event;
      const credits = formatCreditsSpent({ estimated, reserved, used: null });
      return ['accepted', `${taskId}${credits === undefined ? '' : ` (${credits})`}`];
    }
    case 'progress': {
      const { status, progressPercent: percent } = event;
      const share = percent === undefined ? [] : [formatPercent(percent)];
      return [status, [...share, ...timeFacts(event)].join(', ')];
    }
    // What it cost is said with the result.
    case 'completed':
      return ['completed', `after ${formatDuration(event.elapsedMs)}`];
    case 'download-started': {
      const { totalBytes, resumedFromBytes: from } = event;
      const size = totalBytes === undefined ? 'unknown size' : formatBytes(totalBytes);
      return ['downloading', `${size}${from === 0 ? '' : `, continuing at ${formatBytes(from)}`}`];
    }
    case 'bytes':
      return ['downloading', byteFacts({ ...event, bytesPerSecond }).join(', ')];
    case 'upload-retry':
    case 'submit-retry':
    case 'poll-trouble':
    case 'download-retry':
    case 'download-restarted': {
      const what = event.kind === 'upload-retry' ? `${nameOf(event)}: ` : '';
      const delayMs = 'retryInMs' in event ? event.retryInMs : 'delayMs' in event ? event.delayMs : undefined;
      const next =
        delayMs === undefined ? '' : `; next try in ${formatDuration(Math.ceil(delayMs / 1000) * 1000)}`;
      return ['retry', `${what}${TROUBLE[event.kind]} (${event.reason})${next}`];
    }
    default:
      return undefined;
  }
}

function describePlan(event: EventOf<'planned'>): string {
  const { model, durationSeconds, quality, aspectRatio, estimatedCredits, estimatedUsd } = event;
  const { fromProject = [], costOrigin = 'no list price' } = event;
  const usd = estimatedUsd === undefined ? '' : `${formatUsd(estimatedUsd)}, `;
  const cost =
    estimatedCredits === undefined
      ? `cost unknown (${costOrigin})`
      : `about ${formatCredits(estimatedCredits)} credits (${usd}${costOrigin})`;
  const origin = fromProject.length === 0 ? '' : ` (from .evolinkrc: ${fromProject.join(', ')})`;
  const duration = durationSeconds && formatSeconds(durationSeconds);
  return [model, duration, quality, aspectRatio, cost + origin].filter(Boolean).join(', ');
}

/** A file on its own is called by its path. */
function nameOf({ name, path }: { readonly name: string; readonly path: string }): string {
  return path.endsWith(name) ? name : `${name} (${basename(path)})`;
}

/** In a run, whose jobs share one screen, they are worth a line of a log. */
const LOGGED: readonly string[] = ['attached', 'accepted', 'completed'];

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
  const shownAtMs = new Map<string, number>();
  const shownWarnings = new Set<string>();
  const meter = createSpeedMeter();
  const isQuiet = verbosity === 'quiet';
  const isVerbose = verbosity === 'verbose';
  const showsAll = !isQuiet && (!isMachine || isVerbose);

  /** Lets the same through only once in half a minute, so that trouble does not flood. */
  function isNew(line: string): boolean {
    const nowMs = clock.monotonicMs();
    if (nowMs - (shownAtMs.get(line) ?? Number.NEGATIVE_INFINITY) < REPEAT_AFTER_MS) return false;
    shownAtMs.set(line, nowMs);
    return true;
  }

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
    const nowMs = clock.monotonicMs();
    if (event.kind === 'bytes') meter.add(event.receivedBytes, nowMs);
    const [label, said = ''] = (showsAll && lineOf(event, meter.bytesPerSecond(nowMs))) || [];
    if (label === undefined || !isDue(event, label, job)) return;
    const text = sanitizeServerText(said);
    const paint = label === 'retry' ? theme.warning : theme.dim;
    if (job === undefined) printLine(paint, `${sanitizeServerText(label)}:`, text);
    else printLine(theme.dim, labelOf(job), `${label} ${text}`);
  }

  function isDue(event: TaskEvent, label: string, job?: string): boolean {
    if (event.kind === 'progress' || event.kind === 'bytes')
      return job === undefined && !isLive && (isNew(label) || isVerbose);
    // The line that opens the download counts as its first.
    if (event.kind === 'download-started') isNew(label);
    if (isVerbose) return true;
    if (label === 'retry')
      return isNew(job === undefined && 'reason' in event ? `${event.kind} ${event.reason}` : event.kind);
    if (job !== undefined) return !isLive && LOGGED.includes(label);
    // A bar of bytes says it too.
    if (event.kind === 'download-started') return !isLive || event.resumedFromBytes > 0;
    return label !== 'submitting';
  }

  function printEnd(report: JobReport): void {
    const { error, state, name, task_id: id } = report;
    const label = labelOf(name);
    if (isTrouble(report)) {
      printLine(theme.error, label, sanitizeServerText(shortReason(report) ?? stateWord(state)));
      // Only a person can decide what becomes of it, and the details name the commands.
      const details = error?.code === 'unknown' ? error.details : [];
      for (const detail of details) print(`${wrap(`  - ${toHumanPath(detail)}`)}\n`);
    } else if (showsAll && state === 'saved') {
      const took = report.duration_ms === null ? undefined : formatDuration(report.duration_ms);
      const facts = [creditWords(report), took].filter(Boolean).join(', ');
      printLine(theme.success, label, `saved ${link(report.path ?? '')}${facts && ` (${facts})`}`);
    } else if (showsAll && (state === 'running' || isVerbose))
      printLine(theme.dim, label, sanitizeServerText(stateWord(state) + (id === null ? '' : ` (${id})`)));
  }

  return {
    event(event: ReporterEvent) {
      switch (event.kind) {
        case 'run-planned': {
          const { report, fromProject } = event;
          if (showsAll) print(formatPlanSummary(report, fromProject).split('\n').map(wrap).join('\n'));
          for (const warning of planWarnings(report)) printWarning(warning);
          return;
        }
        case 'task':
          return printTask(event.event, event.job);
        case 'job-ended':
          return printEnd(event.report);
        case 'concurrency':
          if (showsAll && (isVerbose || isNew(event.kind)))
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

/** The name of a job may come from a table that others wrote. With its colon, as `::` at a start is a command to CI runners. */
function labelOf(job: string): string {
  return toHumanPath(`${job}:`);
}
