import { basename, dirname } from 'node:path';
import { toSafeName } from '../download/file-name.ts';
import { fillPattern } from '../download/fill-pattern.ts';
import { escapePattern } from '../download/pattern.ts';
import { DEFAULT_PATTERN, planOutput } from '../download/plan-output.ts';
import { OUTPUT_FIELDS, type OutputPlan } from '../download/types.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import type { PreparedMedia } from '../generate/prepare-media.ts';
import { draftFromBody } from '../request/draft-from-body.ts';
import { mergeDrafts } from '../request/merge-drafts.ts';
import { resolveRequest } from '../request/resolve-request.ts';
import type { GenerationRequest, Operation, Problem, RequestDraft } from '../request/types.ts';
import { mediaProblems, mediaSources, type ReadMedia, withAbsolutePaths } from './job-media.ts';
import type { FileJobEntry } from './read-job-files.ts';

export type FileOutput = Extract<OutputPlan, { kind: 'file' }>;

export interface ResolveJobOptions {
  /** What the configuration says for an operation; a job wins over it. */
  readonly settingsOf: (operation: Operation) => RequestDraft;
  readonly allowLoopback: boolean;
  readonly readMedia: ReadMedia;
  readonly isFolder: (path: string) => Promise<boolean>;
  /** The output of jobs that name none, from the configuration; counted from the working folder. */
  readonly output?: { readonly pattern: string; readonly folder: string } | undefined;
  readonly nowMs: number;
}

/** A job that may be sent: checked, with the one path that its clip has today and tomorrow. */
export interface ResolvedJob {
  readonly entry: FileJobEntry;
  readonly request: GenerationRequest;
  readonly output: FileOutput;
  /** Absolute. */
  readonly outputPath: string;
  readonly warnings: readonly Problem[];
  /** Reference media, looked at; local files are hashed. */
  readonly media: PreparedMedia;
  /** Where the job names each of them: `first (job.yaml:6:5)`; a plan does without. */
  readonly mediaSources?: readonly string[] | undefined;
}

export interface JobResolution {
  readonly job?: ResolvedJob | undefined;
  readonly problems: readonly Problem[];
}

/** The fields whose values are known before the task exists, and the same at each run of a day. */
const FIELDS = OUTPUT_FIELDS.filter((field) => field !== 'id' && field !== 'time');

/** Checks one job against every rule of the API, and finds out where its clip goes. Never throws for a wrong job. */
export async function resolveJob(entry: FileJobEntry, options: ResolveJobOptions): Promise<JobResolution> {
  const body = draftFromBody(entry.value, { describe: entry.describe });
  // Keys are checked against the whole list of a job already, and once for all jobs that share them.
  const problems = [...entry.problems, ...body.problems];
  if (body.draft === undefined) return { problems };
  const draft = mergeDrafts(body.draft, options.settingsOf(body.draft.operation));
  const resolved = resolveRequest(draft, {
    allowLoopback: options.allowLoopback,
    allowLocalMedia: true,
  });
  // A key whose variable is not known holds nothing: that it is missing or wrong is no further fault.
  const unfilled = new Set(entry.problems.map(({ source }) => source));
  const found = resolved.problems.map((problem) => placed(problem, entry));
  problems.push(...found.filter(({ source }) => !unfilled.has(source)));
  if (resolved.request === undefined || problems.length > 0) return { problems };
  const request = withAbsolutePaths(resolved.request, entry.baseFolder);
  const media = await options.readMedia(request);
  const sources = mediaSources(draft);
  problems.push(...mediaProblems(media.reviews, sources));
  if (problems.length > 0) return { problems };
  try {
    const output = await outputOf(entry, request, options);
    return {
      job: {
        entry,
        request,
        ...output,
        media,
        mediaSources: sources,
        warnings: resolved.warnings.map((warning) => placed(warning, entry)),
      },
      problems,
    };
  } catch (error) {
    if (!isEvolinkError(error)) throw error;
    const hint = error.facts.hint === undefined ? '' : ` (${error.facts.hint})`;
    return {
      problems: [...problems, { source: entry.describe(['output']), message: `${error.message}${hint}` }],
    };
  }
}

/** What is missing has no place of its own: the place of the job is given instead. */
export function placed(problem: Problem, { describe }: Pick<FileJobEntry, 'describe'>): Problem {
  if (problem.source.includes(':')) return problem;
  return { ...problem, source: describe([problem.source]) };
}

async function outputOf(
  entry: FileJobEntry,
  request: GenerationRequest,
  { isFolder, output, nowMs }: ResolveJobOptions,
): Promise<{ readonly output: FileOutput; readonly outputPath: string }> {
  const own = entry.output?.value;
  const fallback = output === undefined ? undefined : { output: output.pattern, cwd: output.folder };
  const wanted =
    own === undefined && fallback !== undefined ? fallback : { output: own, cwd: entry.baseFolder };
  const plan = await planOutput({ ...wanted, onExisting: 'refuse', isFolder, fields: FIELDS });
  if (plan.kind === 'stdout') {
    throw new EvolinkError('usage', 'a run saves files; standard output is for single clips', {
      hint: 'name a folder or a pattern: out/{job}.mp4',
    });
  }
  const pattern = `${plan.pattern.slice(0, -DEFAULT_PATTERN.length)}${defaultName(entry)}`;
  const named = plan.pattern.endsWith(DEFAULT_PATTERN) ? { ...plan, pattern } : plan;
  const outputPath = fillPattern(named, fieldsOf(entry, request, nowMs));
  return { output: toLiteral(outputPath), outputPath };
}

/** The name of a clip that nobody named: the name of its job, which is the same at each run. */
function defaultName({ name }: FileJobEntry): string {
  return `${escapePattern(toSafeName(name.replaceAll('/', '-')))}.mp4`;
}

function fieldsOf(entry: FileJobEntry, request: GenerationRequest, nowMs: number) {
  return {
    slug: request.prompt,
    date: new Date(nowMs).toISOString().slice(0, 10),
    job: entry.label,
    index: String(entry.index),
    operation: request.operation,
    model: request.model,
    tier: request.tier ?? request.model,
    ratio: request.aspectRatio,
    quality: request.quality,
    duration: String(request.durationSeconds),
  };
}

/** The path with nothing left open, so that the same job means the same record at the next run. */
export function toLiteral(path: string): FileOutput {
  return {
    kind: 'file',
    folder: dirname(path),
    pattern: escapePattern(basename(path)),
    onExisting: 'refuse',
  };
}
