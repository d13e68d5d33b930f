import { basename, dirname } from 'node:path';
import {
  DEFAULT_PATTERN,
  escapePattern,
  type FilePlan,
  fillPattern,
  OUTPUT_FIELDS,
  type OutputPlan,
  planOutput,
  toSafeName,
} from '../config/output.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import type { GenerationRequest } from '../request/fields.ts';
import type { Problem } from '../request/models.ts';
import type { JobEntry } from './expand.ts';
import { mediaProblems, memoized, type PricedJob, type PriceOptions, priceJob } from './resolve-job.ts';

/** A job of a run that may be sent, with the one path that its clip has today and tomorrow. */
export interface ResolvedJob extends PricedJob {
  readonly output: FilePlan;
  /** Absolute. */
  readonly outputPath: string;
  /** The output holds the date: each day is another clip. */
  readonly isDated: boolean;
}

export interface ResolveOptions extends PriceOptions {
  readonly isFolder: (path: string) => Promise<boolean>;
  /** The output of jobs that name none, from the configuration; counted from the working folder. */
  readonly output?: { readonly pattern: string; readonly folder: string } | undefined;
  readonly nowMs: number;
}

export interface InvalidJob {
  readonly entry: JobEntry;
  readonly problems: readonly Problem[];
}

export interface CheckedJobs {
  readonly jobs: readonly ResolvedJob[];
  readonly invalid: readonly InvalidJob[];
  /** Problems of several jobs together. */
  readonly problems: readonly Problem[];
}

/** The fields whose values are known before the task exists, and the same at each run of a day. */
const FIELDS = OUTPUT_FIELDS.filter((field) => field !== 'id' && field !== 'time');

/** Checks every job by itself, and all of them together: two clips can't have one path. */
export async function checkJobs(entries: readonly JobEntry[], options: ResolveOptions): Promise<CheckedJobs> {
  const planPattern = memoized((output: string | undefined, cwd: string) =>
    planOutput({ output, cwd, onExisting: 'refuse', isFolder: options.isFolder, fields: FIELDS }),
  );
  const shared = { ...options, settingsOf: memoized(options.settingsOf) };
  const date = new Date(options.nowMs).toISOString().slice(0, 10);
  const jobs: ResolvedJob[] = [];
  const invalid: InvalidJob[] = [];
  for (const entry of entries) {
    const { job, problems, broken, mediaSources: sources } = await priceJob(entry, shared);
    if (job === undefined) {
      invalid.push({ entry, problems: [...problems, ...mediaProblems(broken, sources)] });
      continue;
    }
    try {
      const outputPath = await placeOf(job, { ...options, planPattern, date });
      const { output = options.output?.pattern ?? '' } = entry;
      // Not spread: that would make its fingerprint.
      const place = { output: toLiteral(outputPath), outputPath, isDated: output.includes('{date}') };
      jobs.push(Object.assign(job, place));
    } catch (error) {
      if (!isEvolinkError(error)) throw error;
      const hint = error.facts.hint === undefined ? '' : ` (${error.facts.hint})`;
      invalid.push({
        entry,
        problems: [{ ...entry.locate(['output']), message: `${error.message}${hint}` }],
      });
    }
  }
  return { jobs, invalid, problems: findCollisions(jobs) };
}

interface Placing extends ResolveOptions {
  readonly planPattern: (output: string | undefined, cwd: string) => Promise<OutputPlan>;
  readonly date: string;
}

async function placeOf({ entry, request }: PricedJob, options: Placing): Promise<string> {
  const { output: configured, planPattern, date } = options;
  const plan = await (entry.output === undefined && configured !== undefined
    ? planPattern(configured.pattern, configured.folder)
    : planPattern(entry.output, entry.baseFolder));
  if (plan.kind === 'stdout') {
    throw new EvolinkError('usage', 'a run saves files; standard output is for single clips', {
      hint: 'name a folder or a pattern: out/{job}.mp4',
    });
  }
  // A clip that nobody named has the name of its job, which is the same at each run.
  const ownName = (): string => `${escapePattern(toSafeName(entry.name.replaceAll('/', '-')))}.mp4`;
  const pattern = plan.pattern.endsWith(DEFAULT_PATTERN)
    ? `${plan.pattern.slice(0, -DEFAULT_PATTERN.length)}${ownName()}`
    : plan.pattern;
  return fillPattern({ ...plan, pattern }, fieldsOf(entry, request, date));
}

function fieldsOf(entry: JobEntry, request: GenerationRequest, date: string) {
  return {
    slug: request.prompt,
    date,
    job: entry.label,
    index: String(entry.index),
    operation: request.operation,
    model: request.model,
    tier: request.tier ?? request.model,
    ...(request.aspectRatio === undefined ? {} : { ratio: request.aspectRatio }),
    ...(request.quality === undefined ? {} : { quality: request.quality }),
    ...(request.durationSeconds === undefined ? {} : { duration: String(request.durationSeconds) }),
  };
}

/** The path with nothing left open, so that the same job means the same record at the next run. */
function toLiteral(path: string): FilePlan {
  const pattern = escapePattern(basename(path));
  return { kind: 'file', folder: dirname(path), pattern, onExisting: 'refuse' };
}

/** Paths that differ in case only are one file on macOS and Windows, where the same job file may run tomorrow. */
function findCollisions(jobs: readonly ResolvedJob[]): readonly Problem[] {
  const owners = new Map<string, ResolvedJob>();
  return jobs.flatMap((job): Problem[] => {
    const { entry, outputPath } = job;
    const key = outputPath.normalize('NFC').toLowerCase();
    const owner = owners.get(key);
    if (owner === undefined) {
      owners.set(key, job);
      return [];
    }
    const same = owner.outputPath === outputPath ? 'is' : 'differs in case only from';
    const message = `job ${entry.name}: ${same} the output of job ${owner.entry.name}; tell them apart with {job}, {index}, {ratio} or a {{variable}}`;
    return [{ ...entry.locate(['output']), value: outputPath, message }];
  });
}

/** Problems as they are told: jobs of one matrix share lines, and what is wrong there is said once. */
export function distinctProblems(problems: readonly Problem[]): readonly Problem[] {
  const distinct = new Map(
    problems.map((problem) => [JSON.stringify([problem.source, problem.value, problem.message]), problem]),
  );
  return [...distinct.values()];
}
