import { basename, dirname, isAbsolute, join } from 'node:path';
import type { EvolinkError } from '../errors.ts';
import { describePlanFacts, formatNumber } from '../media/facts.ts';
import type { JobError, JobReport, ReferenceReport } from '../report/run-report.ts';
import type { Problem } from '../request/models.ts';
import { formatProblem } from '../request/problems.ts';
import { redactAddress } from '../request/public-url.ts';
import type { TaskResult } from '../task/events.ts';
import type { PreparedMedia } from '../task/prepare-media.ts';
import type { TaskRecord } from '../task/record.ts';
import { type JobPlace, needsSubmit, type PlannedJob } from './plan.ts';
import { distinctProblems } from './resolve-job.ts';

export interface DescribedMedia {
  readonly references: readonly ReferenceReport[];
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
      role: item.role,
      label: item.isLocal ? pathLabel(item.label) : redactAddress(item.label),
      facts: facts && describePlanFacts(facts),
      isLocal: item.isLocal,
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
  const isPaidAlready = ending.state === 'planned' && !needsSubmit(job);
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
    keptAs: job.displaced?.isWanted === false ? job.displaced.keptAs : undefined,
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

/**
 * Problems that belong to no job, such as a file that is no YAML, as entries of a report: one for each line of a file, named
 * by it. Pure.
 * @param files the job files as the person named them
 */
export function toProblemReports(
  problems: readonly Problem[],
  files: readonly string[],
): readonly JobReport[] {
  const byName = new Map<string, { readonly place: Place; readonly problems: Problem[] }>();
  for (const problem of problems) {
    const place = placeOfOfFileProblems(problem, files);
    const name = `${place.file}:${place.line}`;
    const known = byName.get(name);
    if (known === undefined) byName.set(name, { place, problems: [problem] });
    else known.problems.push(problem);
  }
  return [...byName].map(([name, { place, problems: found }]) =>
    toInvalidReport({ entry: { name, group: place.file, ...place, variables: {} }, problems: found }),
  );
}

interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Reads back what `Places` writes: `jobs.yaml:3:5` or `jobs.hero (jobs.yaml:3:5)`; a file alone means its start. */
function placeOfOfFileProblems({ source }: Problem, files: readonly string[]): Place {
  const match = /:(\d+):(\d+)\)?$/.exec(source);
  const before = match === null ? source : source.slice(0, match.index);
  const named = [...files]
    .sort((a, b) => b.length - a.length)
    .find((file) => before === file || before.endsWith(`(${file}`));
  const file =
    named ??
    (match === null ? files[0] : undefined) ??
    before.slice(before.lastIndexOf(' (') + 1).replace(/^\(/, '');
  return { file, line: Number(match?.[1] ?? 1), column: Number(match?.[2] ?? 1) };
}
