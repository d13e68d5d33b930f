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
import { taskFacts } from '../task/record.ts';
import { distinctProblems } from './check-jobs.ts';
import type { JobEntry } from './expand.ts';
import type { Job } from './job.ts';

/** What a report says of the reference media of a job: names, roles, facts and doubts. */
export function describeMedia({ reviews }: PreparedMedia) {
  const references: JobReport['references'] = reviews.map(({ item, facts }) => ({
    name: item.name,
    role: item.role ?? null,
    label: item.isLocal ? pathLabel(item.label) : redactAddress(item.label),
    facts: facts === undefined ? null : describePlanFacts(facts),
    local: item.isLocal,
  }));
  const warnings = reviews.flatMap(({ item: { name, isLocal, label }, remarks }) =>
    remarks.map((text) => `${name} "${isLocal ? label : redactAddress(label)}" ${text}`),
  );
  return { references, warnings };
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
  { task, error, durationMs, warnings = [] }: Ending,
): JobReport {
  // A clip that is going to be replaced is not what the job has made.
  const clip = state === 'up_to_date' || state === 'copied' ? job?.clip : undefined;
  const result = task !== undefined && 'sha256' in task ? task : undefined;
  const file = result ?? clip?.file;
  const known = task ?? (job?.record && taskFacts(job.record)) ?? clip;
  const isPaidAlready = state === 'not_sent' && job?.isPaid === false;
  const { movedAside } = job ?? {};
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
    kept_as: movedAside?.wantedAt === undefined ? (movedAside?.keptAs ?? null) : null,
    size_bytes: file?.size_bytes ?? null,
    sha256: file?.sha256 ?? null,
    media: result?.media ?? (clip && mediaSchema.safeParse(clip.file).data) ?? null,
    credits: task?.credits ?? {
      estimated: isPaidAlready ? null : (job?.estimate.credits ?? null),
      reserved: known?.credits?.reserved ?? null,
      used: known?.credits?.used ?? null,
    },
    task_id: known?.task_id ?? null,
    local_id: known?.local_id ?? null,
    duration_ms: durationMs ?? null,
    warnings: job === undefined ? [] : warningsOf(job, state, warnings),
    error: error ?? null,
  };
}

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

function warningsOf(job: Job, state: JobState, warnings: readonly string[]): string[] {
  const { reason, credits, atLeast, atMost } = job.estimate;
  const all = [...job.warnings, ...describeMedia(job.media).warnings, ...warnings];
  // A price that is not known is missing in all sums.
  if (state === 'not_sent' && job.isPaid && credits === undefined && reason !== undefined) {
    const bounds = [atLeast, atMost].flatMap((each) => (each === undefined ? [] : formatNumber(each)));
    const between = bounds.length < 2 ? '' : `; it is between ${bounds.join(' and ')} credits`;
    all.push(`the price is not known: ${reason}${between}`);
  }
  return [...new Set(all)];
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

interface InvalidJob {
  readonly entry: Parameters<typeof report>[0];
  readonly problems: readonly Problem[];
}

/** The report of a job that the rules refuse. */
export function toInvalidReport({ entry, problems }: InvalidJob): JobReport {
  const [first = 'is not valid', ...details] = distinctProblems(problems).map(formatProblem);
  const error = new EvolinkError('usage', first, { details, charged: 'no', retryable: false });
  return report(entry, undefined, 'invalid', { error: toJobError(error) });
}

/**
 * Problems that belong to no job, such as a file that is no YAML, as entries of a report: one for each line of a file, named
 * by it. Pure.
 * @param files the job files as the person named them
 */
export function toProblemReports(problems: readonly Problem[], files: readonly string[]): JobReport[] {
  const byPlace = new Map<string, InvalidJob>();
  for (const problem of problems) {
    const place = problem.place ?? { file: files[0] ?? problem.source, line: 1, column: 1 };
    const name = `${place.file}:${place.line}`;
    const entry = { name, group: place.file, ...place, variables: {} };
    byPlace.set(name, { entry, problems: [...(byPlace.get(name)?.problems ?? []), problem] });
  }
  return [...byPlace.values()].map(toInvalidReport);
}
