import { basename, dirname, isAbsolute, join } from 'node:path';
import { EvolinkError } from '../errors.ts';
import { describePlanFacts, formatNumber } from '../media/facts.ts';
import type { JobError, JobReport } from '../report/run-report.ts';
import type { JobState } from '../report/states.ts';
import type { CreditEstimate } from '../request/estimate.ts';
import type { GenerationRequest } from '../request/fields.ts';
import type { Problem } from '../request/models.ts';
import { formatProblem } from '../request/problems.ts';
import { redactRequest } from '../request/public-url.ts';
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
    label: item.isLocal ? pathLabel(item.label) : item.label,
    facts: facts === undefined ? null : describePlanFacts(facts),
    local: item.isLocal,
  }));
  const warnings = reviews.flatMap(({ item: { name, label }, remarks }) =>
    remarks.map((text) => `${name} "${label}" ${text}`),
  );
  return { references, warnings };
}

/** Folders tell `A/front.png` from `B/front.png`; of a file outside the working folder its own is enough. */
function pathLabel(label: string): string {
  return isAbsolute(label) ? join(basename(dirname(label)), basename(label)) : label;
}

/** A planned job, or what is known of one that the rules refuse. */
type Reported = Partial<Omit<Job, 'entry'>> & {
  readonly entry: Pick<JobEntry, 'name' | 'group' | 'file' | 'line' | 'column' | 'variables'>;
};

/** What became of a job: its task as far as that came, and warnings on top of those of the plan. */
interface Ending {
  readonly task?: ReturnType<typeof taskFacts> | TaskResult | undefined;
  readonly error?: JobError | undefined;
  readonly durationMs?: number;
  readonly warnings?: readonly string[];
}

/**
 * The report of a job, with what became of it. Every key is written out, in one order: the engine keeps objects that are put
 * together by spreading in a form several times as large, and there are thousands of these.
 */
export function toJobReport(job: Reported, state: JobState, ending: Ending = {}): JobReport {
  const { entry, request, estimate, movedAside } = job;
  const { task, error, durationMs } = ending;
  // A clip that is going to be replaced is not what the job has made.
  const clip = state === 'up_to_date' || state === 'copied' ? job.clip : undefined;
  const result = task !== undefined && 'sha256' in task ? task : undefined;
  const file = result ?? clip?.file;
  const known = task ?? (job.record && taskFacts(job.record)) ?? clip;
  const isPlan = state === 'not_sent';
  const media = describeMedia(job.media ?? { reviews: [], local: [] });
  const warnings = [...(job.warnings ?? []), ...media.warnings, ...(ending.warnings ?? [])];
  if (isPlan && job.isPaid && estimate !== undefined) warnings.push(...priceWarnings(estimate));
  return {
    name: entry.name,
    group: entry.group,
    file: entry.file,
    line: entry.line,
    column: entry.column,
    variables: entry.variables,
    state,
    action: job.action === 'forced' ? 'changed' : (job.action ?? 'invalid'),
    reason: job.action === 'forced' ? '--force' : null,
    settings: request === undefined ? null : settingsOf(request),
    prompt: request?.body.prompt ?? null,
    references: media.references,
    request: request === undefined ? null : redactRequest(request.body),
    path: result?.path ?? job.outputPath ?? null,
    outside_folder: job.isOutside ?? false,
    moved_from: job.movedFrom ?? null,
    kept_as: movedAside?.wantedAt === undefined ? (movedAside?.keptAs ?? null) : null,
    size_bytes: file?.size_bytes ?? null,
    sha256: file?.sha256 ?? null,
    media: result?.media ?? (clip && mediaSchema.safeParse(clip.file).data) ?? null,
    credits: task?.credits ?? {
      estimated: isPlan && !job.isPaid ? null : (estimate?.credits ?? null),
      reserved: known?.credits?.reserved ?? null,
      used: known?.credits?.used ?? null,
    },
    task_id: known?.task_id ?? null,
    local_id: known?.local_id ?? null,
    duration_ms: durationMs ?? null,
    warnings: [...new Set(warnings)],
    error: error ?? null,
  };
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

/** A price that is not known is missing in all sums. */
function priceWarnings({ reason, credits, atLeast, atMost }: CreditEstimate): readonly string[] {
  if (credits !== undefined || reason === undefined) return [];
  const bounds = [atLeast, atMost].flatMap((each) => (each === undefined ? [] : formatNumber(each)));
  return [
    `the price is not known: ${reason}${bounds.length < 2 ? '' : `; it is between ${bounds.join(' and ')} credits`}`,
  ];
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
  readonly entry: Reported['entry'];
  readonly problems: readonly Problem[];
}

/** The report of a job that the rules refuse. */
export function toInvalidReport({ entry, problems }: InvalidJob): JobReport {
  const [first = 'is not valid', ...details] = distinctProblems(problems).map(formatProblem);
  const error = new EvolinkError('usage', first, { details, charged: 'no', retryable: false });
  return toJobReport({ entry }, 'invalid', { error: toJobError(error) });
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
