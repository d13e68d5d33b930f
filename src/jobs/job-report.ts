import type { EvolinkError } from '../errors.ts';
import type { TaskResult } from '../generate/events.ts';
import type { TaskRecord } from '../journal/record.ts';
import { formatProblem } from '../request/format-problem.ts';
import type { InvalidJob } from './check-jobs.ts';
import { distinctProblems } from './check-jobs.ts';
import type { JobPlace, PlannedJob } from './plan-jobs.ts';
import type { JobError, JobReport } from './run-report.ts';

type Ending = Pick<JobReport, 'state'> & Partial<JobReport>;

/** The report of a planned job, with what became of it. */
export function toJobReport(job: PlannedJob, ending: Ending): JobReport {
  const { entry, request, clip, record } = job;
  const isThere = ending.state === 'up-to-date' || ending.state === 'planned';
  const known = isThere ? clip : undefined;
  return {
    ...placeOf(entry),
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
    outputPath: job.outputPath,
    sizeBytes: known?.sizeBytes,
    sha256: known?.sha256,
    media: known?.media,
    credits: {
      estimated: job.estimate.credits,
      reserved: record?.reservedCredits ?? known?.reservedCredits,
      used: record?.usedCredits ?? known?.usedCredits,
    },
    taskId: record?.taskId ?? known?.taskId,
    localId: record?.localId ?? known?.localId,
    warnings: job.warnings.map(formatProblem),
    ...ending,
  };
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
export function toInvalidReport({ entry, problems }: InvalidJob): JobReport {
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

function placeOf({ name, group, file, line, column, variables }: JobPlace) {
  return { name, group, file, line, column, variables };
}
