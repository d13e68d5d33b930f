import { heldCredits, type JobReport } from '../report/run-report.ts';
import type { RunEvent } from '../run/events.ts';
import type { TaskEvent } from '../task/events.ts';
import { isMediaEvent, toMediaFields } from './event-lines.ts';
import { SCHEMA_VERSION, toIsoTime, toMediaDocument } from './json.ts';

/** One line of the `--events` stream. Keys that an event has are always there; what is not known is null. */
export function toEventDocument(event: TaskEvent, atMs: number) {
  return { schema_version: SCHEMA_VERSION, event: event.kind, time: toIsoTime(atMs), ...toFields(event) };
}

function toFields(event: TaskEvent): Record<string, unknown> {
  if (isMediaEvent(event)) return toMediaFields(event);
  switch (event.kind) {
    case 'warning':
      return { code: event.code, message: event.message };
    case 'planned':
      return {
        operation: event.operation,
        model: event.model,
        duration_seconds: event.durationSeconds,
        quality: event.quality,
        aspect_ratio: event.aspectRatio,
        estimated_credits: event.estimatedCredits ?? null,
        price_list_date: event.priceListDate,
      };
    case 'attached':
      return { local_id: event.localId, task_id: event.taskId ?? null, state: event.state };
    case 'submitting':
      return { local_id: event.localId };
    case 'submit-retry':
      return { reason: event.reason, delay_ms: event.delayMs };
    case 'accepted':
      return {
        local_id: event.localId,
        task_id: event.taskId,
        reserved_credits: event.reservedCredits ?? null,
        estimated_credits: event.estimatedCredits ?? null,
        estimated_seconds: event.estimatedSeconds ?? null,
      };
    case 'progress':
      return {
        task_id: event.taskId,
        status: event.status,
        progress_percent: event.progressPercent ?? null,
        elapsed_ms: event.elapsedMs,
        remaining_ms: event.remainingMs ?? null,
      };
    case 'poll-trouble':
      return { task_id: event.taskId, reason: event.reason, retry_in_ms: event.retryInMs };
    case 'completed':
      return {
        task_id: event.taskId,
        elapsed_ms: event.elapsedMs,
        used_credits: event.usedCredits ?? null,
        link_expires_at: toIsoTime(event.linkExpiresAtMs),
      };
    default:
      return toDownloadFields(event);
  }
}

type DownloadEvent = Extract<
  TaskEvent,
  { kind: 'download-started' | 'bytes' | 'download-retry' | 'download-restarted' | 'saved' }
>;

function toDownloadFields(event: DownloadEvent): Record<string, unknown> {
  switch (event.kind) {
    case 'download-started':
      return {
        task_id: event.taskId,
        total_bytes: event.totalBytes ?? null,
        resumed_from_bytes: event.resumedFromBytes,
      };
    case 'bytes':
      return {
        task_id: event.taskId,
        received_bytes: event.receivedBytes,
        total_bytes: event.totalBytes ?? null,
      };
    case 'download-retry':
      return { task_id: event.taskId, reason: event.reason, delay_ms: event.delayMs };
    case 'download-restarted':
      return { task_id: event.taskId, reason: event.reason };
    case 'saved':
      return {
        task_id: event.taskId,
        path: event.path ?? null,
        size_bytes: event.sizeBytes,
        sha256: event.sha256,
        media: toMediaDocument(event.media),
        credits: event.credits ?? null,
        link_expires_at: toIsoTime(event.linkExpiresAtMs),
        skipped: event.isSkipped ?? false,
      };
  }
}

/** One line of the `--events` stream of a run: events of tasks carry the name of their `job`. */
export function toRunEventDocument(event: RunEvent, atMs: number): Record<string, unknown> {
  if (event.kind === 'task') {
    const { schema_version, event: name, ...rest } = toEventDocument(event.event, atMs);
    return { schema_version, event: name, job: event.job, ...rest };
  }
  return {
    schema_version: SCHEMA_VERSION,
    event: event.kind,
    time: toIsoTime(atMs),
    ...toFieldsOfRunEventDocument(event),
  };
}

function toFieldsOfRunEventDocument(event: Exclude<RunEvent, { kind: 'task' }>): Record<string, unknown> {
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
