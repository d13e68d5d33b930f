import type { EvolinkError } from '../errors.ts';
import type { TaskResult } from '../generate/events.ts';
import type { TaskRecord } from '../journal/record.ts';
import { formatNumber } from '../media/describe-facts.ts';
import { formatProblem } from '../request/format-problem.ts';
import type { Problem } from '../request/types.ts';
import { distinctProblems } from './check-jobs.ts';
import { describeMedia } from './describe-media.ts';
import { type JobPlace, needsSubmit, type PlannedJob } from './plan-jobs.ts';
import type { JobError, JobReport } from './run-report.ts';

/** What became of a job. Warnings are told besides those of the plan. */
type Ending = Pick<JobReport, 'state'> & Partial<JobReport>;

/**
 * The report of a planned job, with what became of it. Every key is written out, in one order: the engine keeps objects
 * that are put together by spreading in a form several times as large, and there are thousands of these.
 */
export function toJobReport(job: PlannedJob, ending: Ending): JobReport {
  const { entry, request, clip, record } = job;
  // A clip that is going to be replaced is not what the job has made.
  const known = ending.state === 'up-to-date' ? clip : undefined;
  const isPaidAlready = ending.state === 'planned' && job.action === 'attached' && !needsSubmit(job);
  const { references } = describeMedia(job.media);
  return {
    name: entry.name,
    group: entry.group,
    file: entry.file,
    line: entry.line,
    column: entry.column,
    variables: entry.variables,
    state: ending.state,
    action: job.action,
    request: job.body,
    settings: {
      operation: request.operation,
      model: request.model,
      tier: request.tier,
      durationSeconds: request.durationSeconds,
      quality: request.quality,
      aspectRatio: request.aspectRatio,
      generateAudio: request.generateAudio,
      contentFilter: request.contentFilter,
      webSearch: request.webSearch,
    },
    prompt: request.prompt,
    references: references.length === 0 ? undefined : references,
    outputPath: ending.outputPath ?? job.outputPath,
    isOutside: job.isOutside ? true : undefined,
    movedFrom: job.movedFrom,
    sizeBytes: ending.sizeBytes ?? known?.sizeBytes,
    sha256: ending.sha256 ?? known?.sha256,
    media: ending.media ?? known?.media,
    credits: ending.credits ?? {
      estimated: isPaidAlready ? undefined : job.estimate.credits,
      reserved: record?.reservedCredits ?? known?.reservedCredits,
      used: record?.usedCredits ?? known?.usedCredits,
    },
    taskId: ending.taskId ?? record?.taskId ?? known?.taskId,
    localId: ending.localId ?? record?.localId ?? known?.localId,
    durationMs: ending.durationMs,
    warnings: warningsOf(job, ending),
    error: ending.error,
  };
}

const NO_WARNINGS: readonly string[] = [];

function warningsOf(job: PlannedJob, { state, warnings = NO_WARNINGS }: Ending): readonly string[] {
  const all = [
    ...job.warnings.map(formatProblem),
    ...describeMedia(job.media).warnings,
    ...(state === 'planned' ? priceWarnings(job) : NO_WARNINGS),
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
    outputPath: result.path,
    sizeBytes: result.sizeBytes,
    sha256: result.sha256,
    media: result.media,
    credits: {
      estimated: result.estimatedCredits,
      reserved: result.reservedCredits,
      used: result.usedCredits,
    },
    taskId: result.taskId,
    localId: result.localId,
  };
}

/** What the record of an unfinished task adds. */
export function recordFactsOf(record: TaskRecord | undefined): Partial<JobReport> {
  if (record === undefined) return {};
  return {
    taskId: record.taskId,
    localId: record.localId,
    credits: {
      estimated: record.estimatedCredits,
      reserved: record.reservedCredits,
      used: record.usedCredits,
    },
  };
}

/** The error of a job as plain data. */
export function toJobError(error: EvolinkError): JobError {
  const { facts } = error;
  return {
    kind: error.kind,
    code: facts.serviceCode,
    message: error.message,
    details: facts.details ?? [],
    hint: facts.hint,
    retryable: error.isRetryable,
    charged: facts.charged,
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
  const [first, ...others] = distinctProblems(problems).map(formatProblem);
  return {
    ...placeOf(entry),
    state: 'invalid',
    action: 'invalid',
    credits: {},
    warnings: [],
    error: {
      kind: 'usage',
      message: first ?? 'is not valid',
      details: others,
      retryable: false,
      charged: 'no',
    },
  };
}

function placeOf({ name, group, file, line, column, variables }: Omit<JobPlace, 'baseFolder'>) {
  return { name, group, file, line, column, variables };
}
