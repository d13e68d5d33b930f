import type { RunEvent } from '../jobs/run-events.ts';
import type { JobReport } from '../jobs/run-report.ts';
import { heldCredits } from '../jobs/run-totals.ts';
import { toEventDocument } from './event-document.ts';
import { SCHEMA_VERSION, toIsoTime } from './json-document.ts';

/** One line of the `--events` stream of a run: events of tasks carry the name of their `job`. */
export function toRunEventDocument(event: RunEvent, atMs: number): Record<string, unknown> {
  if (event.kind === 'task') {
    const { schema_version, event: name, ...rest } = toEventDocument(event.event, atMs);
    return { schema_version, event: name, job: event.job, ...rest };
  }
  return { schema_version: SCHEMA_VERSION, event: event.kind, time: toIsoTime(atMs), ...toFields(event) };
}

function toFields(event: Exclude<RunEvent, { kind: 'task' }>): Record<string, unknown> {
  switch (event.kind) {
    case 'run-planned': {
      const { totals, credits, balance } = event.report;
      return {
        planned: totals.planned,
        to_run: event.toRun,
        up_to_date: totals.upToDate,
        attached: totals.attached,
        estimated_credits: credits.estimated ?? null,
        balance: balance ?? null,
      };
    }
    case 'job-started':
      return { job: event.job, expected_seconds: Math.round(event.expectedSeconds) };
    case 'job-ended':
      return jobFields(event.report);
    case 'concurrency':
      return { limit: event.limit };
    case 'run-stopping':
      return { reason: event.reason };
  }
}

function jobFields(report: JobReport): Record<string, unknown> {
  return {
    job: report.name,
    state: report.state,
    action: report.action,
    path: report.outputPath ?? null,
    task_id: report.taskId ?? null,
    credits: report.credits.used ?? heldCredits(report) ?? null,
    duration_ms: report.durationMs ?? null,
    error: report.error === undefined ? null : { code: report.error.kind, message: report.error.message },
  };
}
