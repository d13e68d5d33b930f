import { resolve } from 'node:path';
import { toDotPath } from 'zod/v4/core';
import { EvolinkError } from '../errors.ts';
import type { CreditFacts, JobError, JobReport, RunReport } from '../jobs/run-report.ts';
import {
  type JobDocument,
  REPORT_KIND,
  type ReportDocument,
  reportDocumentSchema,
} from './report-document.ts';

export interface ReportSource {
  /** The file as the person named it. */
  readonly label: string;
  /** Absolute path of its folder: relative paths of clips start there, as report and clips may have moved together. */
  readonly folder: string;
}

const MAX_PROBLEMS = 5;

/**
 * Reads a JSON report back into the run that it tells of.
 * @throws EvolinkError `usage`: no JSON, no report of a run, or one of another version
 */
export function readReport(text: string, { label, folder }: ReportSource): RunReport {
  const refuse = (reason: string, details: readonly string[] = []): EvolinkError =>
    new EvolinkError('usage', `"${label}" is no JSON report of a run: ${reason}`, {
      details,
      hint: 'name files that were written by: evolink run … --report report.json',
      charged: 'no',
    });
  const document = parseJson(text, refuse);
  if (!isReport(document)) throw refuse(`"kind" must be "${REPORT_KIND}"`);
  const parsed = reportDocumentSchema.safeParse(document);
  if (parsed.success) return toReport(parsed.data, folder);
  const problems = parsed.error.issues.map(({ path, message }) => `${toDotPath(path)}: ${message}`);
  throw refuse('its form is not the expected one', problems.slice(0, MAX_PROBLEMS));
}

function parseJson(text: string, refuse: (reason: string) => EvolinkError): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw refuse('it is not valid JSON');
  }
}

function isReport(document: unknown): boolean {
  return (
    typeof document === 'object' && document !== null && 'kind' in document && document.kind === REPORT_KIND
  );
}

function toReport(document: ReportDocument, folder: string): RunReport {
  const { up_to_date, ...totals } = document.totals;
  return {
    schemaVersion: 1,
    toolVersion: document.tool_version,
    isDryRun: document.dry_run,
    isSandbox: document.sandbox,
    isStopped: document.stopped,
    files: document.files,
    shard: document.shard ?? undefined,
    startedAtMs: Date.parse(document.started_at),
    endedAtMs: Date.parse(document.ended_at),
    totals: { ...totals, upToDate: up_to_date },
    credits: toCredits(document.credits),
    balance: document.balance ?? undefined,
    priceListDate: document.price_list_date ?? undefined,
    error: toError(document),
    warnings: document.warnings,
    jobs: document.jobs.map((job) => toJob(job, folder)),
  };
}

function toJob(job: JobDocument, folder: string): JobReport {
  const { relative_path: near, path: far } = job;
  return {
    name: job.name,
    group: job.group,
    file: job.file,
    line: job.line,
    column: job.column,
    variables: job.variables,
    state: job.state,
    action: job.action,
    settings: toSettings(job),
    prompt: job.prompt ?? undefined,
    references: toReferences(job),
    request: job.request ?? undefined,
    outputPath: near === null ? (far ?? undefined) : resolve(folder, near),
    isOutside: job.outside_folder ? true : undefined,
    movedFrom: job.moved_from ?? undefined,
    sizeBytes: job.size_bytes ?? undefined,
    sha256: job.sha256 ?? undefined,
    media: toMedia(job),
    credits: toCredits(job.credits),
    taskId: job.task_id ?? undefined,
    localId: job.local_id ?? undefined,
    durationMs: job.duration_ms ?? undefined,
    warnings: job.warnings,
    error: toError(job),
  };
}

function toReferences({ references }: JobDocument): JobReport['references'] {
  if (references.length === 0) return undefined;
  return references.map(({ name, role, label, facts, local }) => {
    return { name, role: role ?? undefined, label, facts: facts ?? undefined, isLocal: local };
  });
}

function toSettings({ settings }: JobDocument): JobReport['settings'] {
  if (settings === null) return undefined;
  return {
    operation: settings.operation,
    model: settings.model,
    tier: settings.tier ?? undefined,
    durationSeconds: settings.duration_seconds,
    quality: settings.quality,
    aspectRatio: settings.aspect_ratio,
    generateAudio: settings.generate_audio,
    contentFilter: settings.content_filter,
    webSearch: settings.web_search ?? undefined,
  };
}

function toMedia({ media }: JobDocument): JobReport['media'] {
  if (media === null) return undefined;
  return {
    durationSeconds: media.duration_seconds,
    widthPx: media.width_px ?? undefined,
    heightPx: media.height_px ?? undefined,
    hasAudio: media.has_audio,
  };
}

function toError({ error }: Pick<JobDocument, 'error'>): JobError | undefined {
  if (error === null) return undefined;
  return {
    kind: error.code,
    code: error.service_code ?? undefined,
    message: error.message,
    details: error.details,
    hint: error.hint ?? undefined,
    retryable: error.retryable,
    charged: error.charged ?? undefined,
  };
}

function toCredits({ estimated, reserved, used }: ReportDocument['credits']): CreditFacts {
  return { estimated: estimated ?? undefined, reserved: reserved ?? undefined, used: used ?? undefined };
}
