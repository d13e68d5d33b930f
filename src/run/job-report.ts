import { basename, dirname, isAbsolute, join } from 'node:path';
import type { MediaFacts } from '../download/verify.ts';
import { EvolinkError } from '../errors.ts';
import { describePlanFacts, formatNumber } from '../media/facts.ts';
import type { JobError, JobReport, ReferenceReport } from '../report/run-report.ts';
import type { JobState } from '../report/states.ts';
import type { FilePlace, Problem } from '../request/models.ts';
import { formatProblem } from '../request/problems.ts';
import { redactAddress, redactRequest } from '../request/public-url.ts';
import type { TaskResult } from '../task/events.ts';
import type { PreparedMedia } from '../task/prepare-media.ts';
import { type JobPlace, needsSubmit, type PlannedJob } from './plan.ts';
import { distinctProblems } from './resolve-job.ts';

export interface DescribedMedia {
  readonly references: ReferenceReport[];
  readonly warnings: readonly string[];
}

const NONE: DescribedMedia = { references: [], warnings: [] };
/** Thousands of jobs may share their media, and are described several times. */
const KNOWN = new WeakMap<PreparedMedia, DescribedMedia>();

/** What a report says of the reference media of a job: names, roles, facts and doubts. */
export function describeMedia(media: PreparedMedia): DescribedMedia {
  if (media.reviews.length === 0) return NONE;
  const known = KNOWN.get(media) ?? describe(media);
  KNOWN.set(media, known);
  return known;
}

function describe({ reviews }: PreparedMedia): DescribedMedia {
  return {
    references: reviews.map(({ item, facts }) => ({
      name: item.name,
      role: item.role ?? null,
      label: item.isLocal ? pathLabel(item.label) : redactAddress(item.label),
      facts: facts === undefined ? null : describePlanFacts(facts),
      local: item.isLocal,
    })),
    warnings: reviews.flatMap(({ item, remarks }) =>
      remarks.map(
        (text) => `${item.name} "${item.isLocal ? item.label : redactAddress(item.label)}" ${text}`,
      ),
    ),
  };
}

/** Folders tell `A/front.png` from `B/front.png`; of a file outside the working folder its own is enough. */
function pathLabel(label: string): string {
  return isAbsolute(label) ? join(basename(dirname(label)), basename(label)) : label;
}

/** What became of a job. Warnings come on top of those of the plan. */
type Ending = Pick<JobReport, 'state'> & Partial<JobReport>;

/**
 * The report of a planned job, with what became of it. Every key is written out, in one order: the engine keeps objects
 * that are put together by spreading in a form several times as large, and there are thousands of these.
 */
export function toJobReport(job: PlannedJob, ending: Ending): JobReport {
  const { entry, request, clip, record } = job;
  // A clip that is going to be replaced is not what the job has made.
  const known = ending.state === 'up_to_date' || ending.state === 'copied' ? clip : undefined;
  const isPaidAlready = ending.state === 'not_sent' && !needsSubmit(job);
  return {
    name: entry.name,
    group: entry.group,
    file: entry.file,
    line: entry.line,
    column: entry.column,
    variables: entry.variables,
    state: ending.state,
    action: job.action === 'forced' ? 'changed' : job.action,
    reason: job.action === 'forced' ? '--force' : null,
    settings: {
      operation: request.operation,
      model: request.model,
      tier: request.tier ?? null,
      duration_seconds: request.durationSeconds ?? null,
      quality: request.quality ?? null,
      aspect_ratio: request.aspectRatio ?? null,
      generate_audio: request.generateAudio ?? null,
      content_filter: request.contentFilter ?? null,
      web_search: request.webSearch ?? null,
    },
    prompt: request.prompt,
    references: describeMedia(job.media).references,
    request: { ...redactRequest(job.body) },
    path: ending.path ?? job.outputPath,
    outside_folder: job.isOutside,
    moved_from: job.movedFrom ?? null,
    kept_as: job.movedAside?.isWanted === false ? job.movedAside.keptAs : null,
    size_bytes: ending.size_bytes ?? known?.sizeBytes ?? null,
    sha256: ending.sha256 ?? known?.sha256 ?? null,
    media: ending.media ?? toMedia(known?.media),
    credits: ending.credits ?? {
      estimated: isPaidAlready ? null : (job.estimate.credits ?? null),
      reserved: record?.reservedCredits ?? known?.reservedCredits ?? null,
      used: record?.usedCredits ?? known?.usedCredits ?? null,
    },
    task_id: ending.task_id ?? record?.taskId ?? known?.taskId ?? null,
    local_id: ending.local_id ?? record?.localId ?? known?.localId ?? null,
    duration_ms: ending.duration_ms ?? null,
    warnings: warningsOf(job, ending),
    error: ending.error ?? null,
  };
}

function toMedia(media: MediaFacts | undefined): JobReport['media'] {
  return media === undefined
    ? null
    : {
        duration_seconds: media.durationSeconds,
        width_px: media.widthPx ?? null,
        height_px: media.heightPx ?? null,
        has_audio: media.hasAudio,
      };
}

/** What a job that ended with this error has come to. */
export function failedState({ kind, facts }: EvolinkError): JobState {
  if (kind === 'unknown') return 'uncertain';
  if (kind === 'expired') return 'expired';
  if (kind === 'download') return 'completed';
  return facts.serviceCode === 'request_cancelled' ? 'cancelled' : 'failed';
}

const NO_WARNINGS: string[] = [];

function warningsOf(job: PlannedJob, { state, warnings = NO_WARNINGS }: Ending): string[] {
  const all = [
    ...job.warnings.map(formatProblem),
    ...describeMedia(job.media).warnings,
    ...(state === 'not_sent' ? priceWarnings(job) : NO_WARNINGS),
    ...warnings,
  ];
  return all.length === 0 ? NO_WARNINGS : [...new Set(all)];
}

/** A price that is not known is missing in all sums. */
function priceWarnings(job: PlannedJob): readonly string[] {
  const { reason, credits, atLeast, atMost } = job.estimate;
  if (credits !== undefined || reason === undefined || !needsSubmit(job)) return [];
  const bounds =
    atLeast === undefined || atMost === undefined
      ? ''
      : `; it is between ${formatNumber(atLeast)} and ${formatNumber(atMost)} credits`;
  return [`the price is not known: ${reason}${bounds}`];
}

/** What a finished task adds. */
export function resultFacts(result: TaskResult): Partial<JobReport> {
  return {
    ...recordFactsOf(result),
    path: result.path ?? null,
    size_bytes: result.sizeBytes ?? null,
    sha256: result.sha256 ?? null,
    media: toMedia(result.media),
  };
}

/** What the record of an unfinished task adds. */
export function recordFactsOf(
  record: Pick<TaskResult, 'taskId' | 'localId' | `${'estimated' | 'reserved' | 'used'}Credits`> | undefined,
): Partial<JobReport> {
  if (record === undefined) return {};
  return {
    task_id: record.taskId ?? null,
    local_id: record.localId ?? null,
    credits: {
      estimated: record.estimatedCredits ?? null,
      reserved: record.reservedCredits ?? null,
      used: record.usedCredits ?? null,
    },
  };
}

/** The error of a job as plain data. */
export function toJobError({ kind, message, facts, isRetryable }: EvolinkError): JobError {
  return {
    code: kind,
    service_code: facts.serviceCode ?? null,
    message,
    details: [...(facts.details ?? [])],
    hint: facts.hint ?? null,
    retryable: isRetryable,
    charged: facts.charged ?? null,
  };
}

/** The report of a job that the rules refuse. */
export function toInvalidReport({
  entry,
  problems,
}: {
  readonly entry: Omit<JobPlace, 'baseFolder'>;
  readonly problems: readonly Problem[];
}): JobReport {
  const [first = 'is not valid', ...details] = distinctProblems(problems).map(formatProblem);
  const { name, group, file, line, column, variables } = entry;
  return {
    name,
    group,
    file,
    line,
    column,
    variables,
    state: 'invalid',
    action: 'invalid',
    reason: null,
    settings: null,
    prompt: null,
    references: [],
    request: null,
    path: null,
    outside_folder: false,
    moved_from: null,
    kept_as: null,
    size_bytes: null,
    sha256: null,
    media: null,
    credits: { estimated: null, reserved: null, used: null },
    task_id: null,
    local_id: null,
    duration_ms: null,
    warnings: [],
    error: toJobError(new EvolinkError('usage', first, { details, charged: 'no', retryable: false })),
  };
}

/**
 * Problems that belong to no job, such as a file that is no YAML, as entries of a report: one for each line of a file, named
 * by it. Pure.
 * @param files the job files as the person named them
 */
export function toProblemReports(
  problems: readonly Problem[],
  files: readonly string[],
): readonly JobReport[] {
  const byName = new Map<string, { readonly place: FilePlace; readonly problems: Problem[] }>();
  for (const problem of problems) {
    const place = problem.place ?? { file: files[0] ?? problem.source, line: 1, column: 1 };
    const name = `${place.file}:${place.line}`;
    const known = byName.get(name);
    if (known === undefined) byName.set(name, { place, problems: [problem] });
    else known.problems.push(problem);
  }
  return [...byName].map(([name, { place, problems: found }]) =>
    toInvalidReport({ entry: { name, group: place.file, ...place, variables: {} }, problems: found }),
  );
}
