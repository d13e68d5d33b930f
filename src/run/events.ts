import type { JobReport, RunReport } from '../report/run-report.ts';
import type { TaskEvent } from '../task/events.ts';

/** What happens in a run, in the order in which it happens. Reporters turn these into text. */
export type RunEvent =
  | {
      readonly kind: 'run-planned';
      readonly report: RunReport;
      readonly toRun: number;
      readonly fromProject: readonly string[];
    }
  | { readonly kind: 'job-started'; readonly job: string; readonly expectedSeconds: number }
  /** What happens to the task of a job. */
  | { readonly kind: 'task'; readonly job: string; readonly event: TaskEvent }
  | { readonly kind: 'job-ended'; readonly report: JobReport }
  /** Tasks that may run at the same time from now on. */
  | { readonly kind: 'concurrency'; readonly limit: number }
  /** No further request is sent. */
  | { readonly kind: 'run-stopping'; readonly reason: string };

export type EmitRunEvent = (event: RunEvent) => void;
