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
export function createRunLines(context: ReporterContext, { print, isLive }: RunLinesOptions) {
  const { theme, verbosity, clock } = context;
  const passesGate = createRepeatGate(() => clock.monotonicMs());
  const isQuiet = verbosity === 'quiet';

  function printTask(job: string, event: TaskEvent): void {
    if (event.kind === 'warning') print(`${theme.warning(`${job}:`)} ${sanitizeServerText(event.message)}\n`);
    if (isQuiet || event.kind === 'warning') return;
    const isTrouble = TROUBLE.includes(event.kind);
    const isLogged = isTrouble || (!isLive && LOGGED.includes(event.kind)) || verbosity === 'verbose';
    const line = isLogged ? formatEvent(event) : undefined;
    if (line === undefined || (isTrouble && verbosity !== 'verbose' && !passesGate(event.kind))) return;
    print(`${theme.dim(`${job}:`)} ${line.label} ${line.text}\n`);
  }

  function printEnd(report: JobReport): void {
    const { name, error, state } = report;
    if (state === 'failed') {
      print(`${theme.error(`${name}:`)} ${sanitizeServerText(error?.message ?? 'failed')}\n`);
      if (error?.hint !== undefined && verbosity === 'verbose') print(`  ${toHumanPath(error.hint)}\n`);
    } else if (!isQuiet && state === 'saved')
      print(`${theme.success(`${name}:`)} ${describeSaved(report)}\n`);
    else if (!isQuiet && state === 'submitted')
      print(`${theme.warning(`${name}:`)} still running (${report.taskId})\n`);
    else if (verbosity === 'verbose') print(`${theme.dim(`${name}:`)} ${state}\n`);
  }

  return {
    event(event: RunEvent): void {
      switch (event.kind) {
        case 'run-planned':
          if (!isQuiet) print(formatPlanSummary(event.report));
          for (const warning of planWarnings(event.report))
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

function describeSaved({ outputPath, credits, durationMs }: JobReport): string {
  const spent = credits.used ?? credits.reserved;
  const facts = [
    ...(spent === undefined ? [] : [`${formatCredits(spent)} credits`]),
    ...(durationMs === undefined ? [] : [formatDuration(durationMs)]),
  ].join(', ');
  return `saved ${toHumanPath(outputPath ?? '')}${facts === '' ? '' : ` (${facts})`}`;
}
