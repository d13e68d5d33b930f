import type { TaskEvent } from '../generate/events.ts';
import type { RunEvent } from '../jobs/run-events.ts';
import type { JobReport } from '../jobs/run-report.ts';
import { sanitizeServerText } from '../platform/server-text.ts';
import { formatCredits, formatDuration } from './format.ts';
import { formatEvent } from './format-event.ts';
import { toHumanPath } from './human-path.ts';
import { createRepeatGate } from './repeat-gate.ts';
import type { ReporterContext } from './reporter-context.ts';
import { formatPlanSummary, planWarnings } from './run-text.ts';

export interface RunLinesOptions {
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
export function createRunLines(context: ReporterContext, { print, isLive, hasWarnings }: RunLinesOptions) {
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
