import { basename, dirname, isAbsolute, join } from 'node:path';
import { EvolinkError } from '../errors.ts';
import { describePlanFacts, formatNumber } from '../media/facts.ts';
import type { JobError, JobReport } from '../report/run-report.ts';
import type { JobState } from '../report/states.ts';
import type { GenerationRequest } from '../request/fields.ts';
import type { Problem } from '../request/models.ts';
import { formatProblem } from '../request/problems.ts';
import { redactAddress, redactRequest } from '../request/public-url.ts';
import { mediaSchema, type TaskResult } from '../task/events.ts';
import type { PreparedMedia } from '../task/prepare-media.ts';
import type { taskFacts } from '../task/record.ts';
import { distinctProblems } from './check-jobs.ts';
import type { JobEntry } from './expand.ts';
import type { Job } from './job.ts';

/** Thousands of jobs may share their media, and are described several times. */
const DESCRIBED = new WeakMap<PreparedMedia, ReturnType<typeof describe>>();

/** What a report says of the reference media of a job: names, roles, facts and doubts. */
export function describeMedia(media: PreparedMedia): ReturnType<typeof describe> {
  const known = DESCRIBED.get(media) ?? describe(media);
  DESCRIBED.set(media, known);
  return known;
}

function describe({ reviews }: PreparedMedia): {
  references: JobReport['references'];
  warnings: readonly string[];
} {
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

/** What became of a job: its task as far as that came, and warnings on top of those of the plan. */
interface Ending {
  readonly task?: ReturnType<typeof taskFacts> | TaskResult | undefined;
  readonly error?: JobError | undefined;
  readonly durationMs?: number;
  readonly warnings?: readonly string[];
}

/**
 * The report of a job, with what became of it; `job` is absent where the rules refuse it. Every key is written out, in one
 * order: the engine keeps objects that are put together by spreading in a form several times as large, and there are
 * thousands of these.
 */
function report(
  entry: Pick<JobEntry, 'name' | 'group' | 'file' | 'line' | 'column' | 'variables'>,
  job: Job | undefined,
  state: JobState,
  { task, error, durationMs, warnings }: Ending,
): JobReport {
  // A clip that is going to be replaced is not what the job has made.
  const clip = state === 'up_to_date' || state === 'copied' ? job?.clip : undefined;
  const isPaidAlready = state === 'not_sent' && job?.isPaid === false;
  const result = task !== undefined && 'sha256' in task ? task : undefined;
  const { record } = job ?? {};
  return {
    name: entry.name,
    group: entry.group,
    file: entry.file,
    line: entry.line,
    column: entry.column,
    variables: entry.variables,
    state,
    action: job === undefined ? 'invalid' : job.action === 'forced' ? 'changed' : job.action,
    reason: job?.action === 'forced' ? '--force' : null,
    settings: job === undefined ? null : settingsOf(job.request),
    prompt: job?.request.body.prompt ?? null,
    references: job === undefined ? [] : describeMedia(job.media).references,
    request: job === undefined ? null : redactRequest(job.request.body),
    path: result?.path ?? job?.outputPath ?? null,
    outside_folder: job?.isOutside ?? false,
    moved_from: job?.movedFrom ?? null,
    kept_as: job?.movedAside?.wantedAt === undefined ? (job?.movedAside?.keptAs ?? null) : null,
    size_bytes: result?.size_bytes ?? clip?.file.size_bytes ?? null,
    sha256: result?.sha256 ?? clip?.file.sha256 ?? null,
    media: result?.media ?? (clip && mediaSchema.safeParse(clip.file).data) ?? null,
    credits: task?.credits ?? {
      estimated: isPaidAlready ? null : (job?.estimate.credits ?? null),
      reserved: record?.reservedCredits ?? clip?.credits?.reserved ?? null,
      used: record?.usedCredits ?? clip?.credits?.used ?? null,
    },
    task_id: task?.task_id ?? record?.taskId ?? clip?.task_id ?? null,
    local_id: task?.local_id ?? record?.localId ?? clip?.local_id ?? null,
    duration_ms: durationMs ?? null,
    warnings: job === undefined ? NO_WARNINGS : warningsOf(job, state, warnings),
    error: error ?? null,
  };
}

const NO_WARNINGS: string[] = [];

/** The report of a planned job, with what became of it. */
export function toJobReport(job: Job, state: JobState, ending: Ending = {}): JobReport {
  return report(job.entry, job, state, ending);
}

function settingsOf({ operation, tier, body }: GenerationRequest): JobReport['settings'] {
  return {
    operation,
    model: body.model,
    tier: tier ?? null,
    duration_seconds: body.duration ?? null,
    quality: body.quality ?? null,
    aspect_ratio: body.aspect_ratio ?? null,
    generate_audio: body.generate_audio ?? null,
    content_filter: body.content_filter ?? null,
    web_search: body.model_params?.web_search ?? null,
  };
}

function warningsOf(job: Job, state: JobState, warnings: readonly string[] = []): string[] {
  const all = [
    ...job.warnings,
    ...describeMedia(job.media).warnings,
    ...(state === 'not_sent' ? priceWarnings(job) : NO_WARNINGS),
    ...warnings,
  ];
  return all.length === 0 ? NO_WARNINGS : [...new Set(all)];
}

/** A price that is not known is missing in all sums. */
function priceWarnings({ estimate, isPaid }: Job): readonly string[] {
  const { reason, credits, atLeast, atMost } = estimate;
  if (credits !== undefined || reason === undefined || !isPaid) return [];
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
}: {
  readonly entry: Parameters<typeof report>[0];
  readonly problems: readonly Problem[];
}): JobReport {
  const [first = 'is not valid', ...details] = distinctProblems(problems).map(formatProblem);
  const error = new EvolinkError('usage', first, { details, charged: 'no', retryable: false });
  return report(entry, undefined, 'invalid', { error: toJobError(error) });
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
  const byPlace = new Map<string, Parameters<typeof toInvalidReport>[0]>();
  for (const problem of problems) {
    const place = problem.place ?? { file: files[0] ?? problem.source, line: 1, column: 1 };
    const name = `${place.file}:${place.line}`;
    const entry = { name, group: place.file, ...place, variables: {} };
    byPlace.set(name, { entry, problems: [...(byPlace.get(name)?.problems ?? []), problem] });
  }
  return [...byPlace.values()].map(toInvalidReport);
}
