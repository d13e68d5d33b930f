import { redactRequest } from '../request/public-url.ts';
import { toMediaDocument } from '../ui/documents.ts';
import { toIsoTime } from '../ui/json.ts';
import type { JobDocument, ReportDocument } from './document.ts';
import type { CreditFacts, JobReport, RunReport, RunTotals } from './run-report.ts';
import { type ReportPlace, relativePath } from './words.ts';

/** What `JSON.stringify` leaves bare although it can't be seen or reorders its neighbours; line feeds are layout here. */
const BARE_CONTROLS = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** The JSON report as text, indented, in the form of `reportDocumentSchema`. */
export function formatJsonReport(report: RunReport, place: Pick<ReportPlace, 'folder'>): string {
  const text = JSON.stringify(toReportDocument(report, place), null, 2);
  return `${text.replace(BARE_CONTROLS, escapeUnits)}\n`;
}

/** The JSON report as plain data. Pure. */
export function toReportDocument(report: RunReport, { folder }: Pick<ReportPlace, 'folder'>): ReportDocument {
  return {
    schema_version: 1,
    kind: 'evolink.run-report',
    tool_version: report.toolVersion,
    dry_run: report.isDryRun,
    sandbox: report.isSandbox,
    stopped: report.isStopped,
    folder: report.folder ?? null,
    files: [...report.files],
    shard: report.shard === undefined ? null : { index: report.shard.index, count: report.shard.count },
    started_at: toMoment(report.startedAtMs),
    ended_at: toMoment(report.endedAtMs),
    totals: toTotals(report.totals),
    credits: toCredits(report.credits),
    balance: report.balance ?? null,
    price_list_date: report.priceListDate ?? null,
    error: toError(report),
    warnings: [...report.warnings],
    missing_shards: [...(report.missingShards ?? [])],
    jobs: report.jobs.map((job) => toJobDocument(job, folder)),
  };
}

/** One job of the JSON report as plain data. Pure. */
export function toJobDocument(job: JobReport, folder: string): JobDocument {
  return {
    name: job.name,
    group: job.group,
    file: job.file,
    line: job.line,
    column: job.column,
    variables: { ...job.variables },
    state: job.state,
    action: job.action,
    settings: toSettings(job),
    prompt: job.prompt ?? null,
    references: (job.references ?? []).map(({ name, role, label, facts, isLocal }) => {
      return { name, role: role ?? null, label, facts: facts ?? null, local: isLocal };
    }),
    request: toRequest(job),
    path: job.outputPath ?? null,
    relative_path: job.outputPath === undefined ? null : (relativePath(folder, job.outputPath) ?? null),
    outside_folder: job.isOutside === true,
    moved_from: job.movedFrom ?? null,
    size_bytes: job.sizeBytes ?? null,
    sha256: job.sha256 ?? null,
    media: toMediaDocument(job.media),
    credits: toCredits(job.credits),
    task_id: job.taskId ?? null,
    local_id: job.localId ?? null,
    duration_ms: job.durationMs ?? null,
    warnings: [...job.warnings],
    error: toError(job),
  };
}

function toSettings({ settings }: JobReport): JobDocument['settings'] {
  if (settings === undefined) return null;
  return {
    operation: settings.operation,
    model: settings.model,
    tier: settings.tier ?? null,
    duration_seconds: settings.durationSeconds,
    quality: settings.quality,
    aspect_ratio: settings.aspectRatio,
    generate_audio: settings.generateAudio,
    content_filter: settings.contentFilter,
    web_search: settings.webSearch ?? null,
  };
}

function toRequest({ request }: JobReport): JobDocument['request'] {
  if (request === undefined) return null;
  const { image_urls, video_urls, audio_urls, ...rest } = redactRequest(request);
  return {
    ...rest,
    ...(image_urls === undefined ? {} : { image_urls: [...image_urls] }),
    ...(video_urls === undefined ? {} : { video_urls: [...video_urls] }),
    ...(audio_urls === undefined ? {} : { audio_urls: [...audio_urls] }),
  };
}

function toError({ error }: Pick<JobReport, 'error'>): JobDocument['error'] {
  if (error === undefined) return null;
  return {
    code: error.kind,
    service_code: error.code ?? null,
    message: error.message,
    details: [...error.details],
    hint: error.hint ?? null,
    retryable: error.retryable,
    charged: error.charged ?? null,
  };
}

function toTotals({ upToDate, ...totals }: RunTotals): ReportDocument['totals'] {
  return { ...totals, up_to_date: upToDate };
}

function toCredits({ estimated, reserved, used }: CreditFacts): ReportDocument['credits'] {
  return { estimated: estimated ?? null, reserved: reserved ?? null, used: used ?? null };
}

/** A moment that makes no sense becomes the epoch: the document needs one. */
function toMoment(atMs: number): string {
  return toIsoTime(atMs) ?? new Date(0).toISOString();
}

function escapeUnits(text: string): string {
  return text
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');
}
