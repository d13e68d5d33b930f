import { basename, dirname, isAbsolute, join } from 'node:path';
import { EvolinkError } from '../errors.ts';
import { describePlanFacts, formatNumber } from '../media/facts.ts';
import type { JobError, JobReport, ReferenceReport } from '../report/run-report.ts';
import type { FilePlace, Problem } from '../request/models.ts';
import { formatProblem } from '../request/problems.ts';
import { redactAddress, redactRequest } from '../request/public-url.ts';
import { mediaSchema } from '../task/events.ts';
import type { PreparedMedia } from '../task/prepare-media.ts';
import { needsSubmit } from './budget.ts';
import { distinctProblems, type InvalidJob } from './check-jobs.ts';
import type { JobPlace, PlannedJob } from './plan.ts';

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
    warnings: reviews.flatMap(({ item, remarks }) => {
      const label = item.isLocal ? item.label : redactAddress(item.label);
      return remarks.map((text) => `${item.name} "${label}" ${text}`);
    }),
  };
}

/** Folders tell `A/front.png` from `B/front.png`; of a file outside the working folder its own is enough. */
function pathLabel(label: string): string {
  return isAbsolute(label) ? join(basename(dirname(label)), basename(label)) : label;
}

/** What became of a job. Warnings come on top of those of the plan. */
type Ending = Pick<JobReport, 'state'> & Partial<JobReport>;
const NO_WARNINGS: string[] = [];

/**
 * The report of a job, with what became of it. Every key is written out, in one order: the engine keeps objects that are
 * put together by spreading in a form several times as large, and there are thousands of these.
 * @param job absent where the rules refuse it
 */
function report(entry: Omit<JobPlace, 'baseFolder'>, job: PlannedJob | undefined, ending: Ending): JobReport {
  const { record } = job ?? {};
  // A clip that is going to be replaced is not what the job has made.
  const known = ending.state === 'up_to_date' || ending.state === 'copied' ? job?.clip : undefined;
  const isPaidAlready = ending.state === 'not_sent' && job !== undefined && !needsSubmit(job);
  return {
    name: entry.name,
    group: entry.group,
    file: entry.file,
    line: entry.line,
    column: entry.column,
    variables: entry.variables,
    state: ending.state,
    action: job === undefined ? 'invalid' : job.action === 'forced' ? 'changed' : job.action,
    reason: job?.action === 'forced' ? '--force' : null,
    settings: job === undefined ? null : settingsOf(job),
    prompt: job?.request.prompt ?? null,
    references: job === undefined ? [] : describeMedia(job.media).references,
    request: job === undefined ? null : { ...redactRequest(job.body) },
    path: ending.path ?? job?.outputPath ?? null,
    outside_folder: job?.isOutside ?? false,
    moved_from: job?.movedFrom ?? null,
    kept_as: job?.movedAside?.isWanted === false ? job.movedAside.keptAs : null,
    size_bytes: ending.size_bytes ?? known?.file.size_bytes ?? null,
    sha256: ending.sha256 ?? known?.file.sha256 ?? null,
    media: ending.media ?? mediaSchema.safeParse(known?.file).data ?? null,
    credits: ending.credits ?? {
      estimated: isPaidAlready ? null : (job?.estimate.credits ?? null),
      reserved: record?.reservedCredits ?? known?.credits?.reserved ?? null,
      used: record?.usedCredits ?? known?.credits?.used ?? null,
    },
    task_id: ending.task_id ?? record?.taskId ?? known?.task_id ?? null,
    local_id: ending.local_id ?? record?.localId ?? known?.local_id ?? null,
    duration_ms: ending.duration_ms ?? null,
    warnings: job === undefined ? NO_WARNINGS : warningsOf(job, ending),
    error: ending.error ?? null,
  };
}

/** The report of a planned job, with what became of it. */
export function toJobReport(job: PlannedJob, ending: Ending): JobReport {
  return report(job.entry, job, ending);
}

function settingsOf({ request }: PlannedJob): JobReport['settings'] {
  return {
    operation: request.operation,
    model: request.model,
    tier: request.tier ?? null,
    duration_seconds: request.durationSeconds ?? null,
    quality: request.quality ?? null,
    aspect_ratio: request.aspectRatio ?? null,
    generate_audio: request.generateAudio ?? null,
    content_filter: request.contentFilter ?? null,
    web_search: request.webSearch ?? null,
  };
}

function warningsOf(job: PlannedJob, { state, warnings = NO_WARNINGS }: Ending): string[] {
  const all = [
    ...job.warnings,
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
}: Pick<InvalidJob, 'problems'> & { readonly entry: Omit<JobPlace, 'baseFolder'> }): JobReport {
  const [first = 'is not valid', ...details] = distinctProblems(problems).map(formatProblem);
  const error = new EvolinkError('usage', first, { details, charged: 'no', retryable: false });
  return report(entry, undefined, { state: 'invalid', error: toJobError(error) });
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
    const known = byName.get(name) ?? { place, problems: [] };
    byName.set(name, known);
    known.problems.push(problem);
  }
  return [...byName].map(([name, { place, problems: found }]) =>
    toInvalidReport({ entry: { name, group: place.file, ...place, variables: {} }, problems: found }),
  );
}
