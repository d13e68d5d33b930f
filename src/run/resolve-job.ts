import { basename, dirname, resolve } from 'node:path';
import {
  DEFAULT_PATTERN,
  escapePattern,
  fillPattern,
  OUTPUT_FIELDS,
  type OutputPlan,
  planOutput,
  toSafeName,
} from '../config/output.ts';
import { type ProjectChoice, projectChoices } from '../config/trust.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import { describeFacts } from '../media/facts.ts';
import type { MediaReview } from '../media/judge.ts';
import { quoteCommand } from '../platform/text.ts';
import { draftFromBody } from '../request/body.ts';
import type { GenerationRequest, RequestDraft } from '../request/fields.ts';
import type { Operation, Problem } from '../request/models.ts';
import { mergeDrafts, resolveRequest } from '../request/resolve.ts';
import { isLocalEntry, type MediaLists, type PreparedMedia, prepareMedia } from '../task/prepare-media.ts';
import type { JobEntry } from './expand.ts';

/** Looks at the media of a request: types, limits, hashes of local files. URLs are not looked at. */
type ReadMedia = (lists: MediaLists) => Promise<PreparedMedia>;

const NO_MEDIA: PreparedMedia = { reviews: [], local: [] };

/** Reads each set of media once, however many jobs share it. */
export function createMediaReader(workingFolder: string): ReadMedia {
  const read = memoized((lists: MediaLists) => prepareMedia(lists, { workingFolder }));
  return async ({ operation, images, videos, audios }) =>
    images.length + videos.length + audios.length === 0
      ? NO_MEDIA
      : read({ operation, images, videos, audios });
}

/** The request with local paths counted from the folder of its job file. Pure. */
function withAbsolutePaths(request: GenerationRequest, folder: string): GenerationRequest {
  const absolute = (list: readonly string[]): readonly string[] =>
    list.map((entry) => (isLocalEntry(entry) ? resolve(folder, entry) : entry));
  return {
    ...request,
    images: absolute(request.images),
    videos: absolute(request.videos),
    audios: absolute(request.audios),
  };
}

/** Where each medium of a draft was named, in the order of the reviews: images, videos, audios. Pure. */
export function mediaSources({ images, videos, audios }: RequestDraft): readonly string[] {
  return [images, videos, audios].flatMap((list) => (list ?? []).map(({ source }) => source));
}

/** What is wrong with media, under the keys that name them, with what they are and the command that fixes them. Pure. */
export function mediaProblems(
  reviews: readonly MediaReview[],
  sources: readonly string[],
): readonly Problem[] {
  return reviews.flatMap(({ item, facts, problems, fix }, position): Problem[] =>
    problems.map(({ is, allowed }, index) => {
      const known = facts === undefined || facts.sizeBytes === 0 ? '' : ` (it is ${describeFacts(facts)})`;
      const isLast = index === problems.length - 1;
      const fixing = fix === undefined || !isLast ? '' : `\nto fix it: ${quoteCommand(fix)}`;
      return {
        source: sources[position] ?? item.name,
        value: item.label,
        message: `${is}: ${allowed}${known}${fixing}`,
      };
    }),
  );
}

type FileOutput = Extract<OutputPlan, { kind: 'file' }>;

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

interface ResolveOptions extends ResolveJobOptions {
  readonly planPattern: (output: string | undefined, cwd: string) => Promise<OutputPlan>;
  readonly date: string;
}

/** A job that may be sent: checked, with the one path that its clip has today and tomorrow. */
export interface ResolvedJob {
  readonly entry: JobEntry;
  readonly request: GenerationRequest;
  readonly output: FileOutput;
  /** Absolute. */
  readonly outputPath: string;
  /** The output holds the date. */
  readonly isDated: boolean;
  readonly warnings: readonly Problem[];
  /** Reference media, looked at; local files are hashed. */
  readonly media: PreparedMedia;
  /** Where the job names each of them: `first (job.yaml:6:5)`; a plan does without. */
  readonly mediaSources?: readonly string[] | undefined;
  /** What a project file makes dearer, or lets somebody know. */
  readonly projectChoices?: readonly ProjectChoice[] | undefined;
}

interface JobResolution {
  readonly job?: ResolvedJob | undefined;
  readonly problems: readonly Problem[];
}

/** The fields whose values are known before the task exists, and the same at each run of a day. */
const FIELDS = OUTPUT_FIELDS.filter((field) => field !== 'id' && field !== 'time');

/** Checks one job against every rule of the API, and finds out where its clip goes. Never throws for a wrong job. */
async function resolveJob(entry: JobEntry, options: ResolveOptions): Promise<JobResolution> {
  const body = draftFromBody(entry.value, { locate: entry.locate });
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
        isDated: (entry.output ?? options.output?.pattern ?? '').includes('{date}'),
        media,
        mediaSources: sources,
        projectChoices: projectChoices(draft),
        warnings: resolved.warnings.map((warning) => placed(warning, entry)),
      },
      problems,
    };
  } catch (error) {
    if (!isEvolinkError(error)) throw error;
    const hint = error.facts.hint === undefined ? '' : ` (${error.facts.hint})`;
    return {
      problems: [...problems, { ...entry.locate(['output']), message: `${error.message}${hint}` }],
    };
  }
}

/** What is missing has no place of its own: the place of the job is given instead. */
export function placed(problem: Problem, { locate }: Pick<JobEntry, 'locate'>): Problem {
  return problem.value === undefined && problem.place === undefined
    ? { ...problem, ...locate([problem.source]) }
    : problem;
}

async function outputOf(
  entry: JobEntry,
  request: GenerationRequest,
  { planPattern, output, date }: ResolveOptions,
): Promise<{ readonly output: FileOutput; readonly outputPath: string }> {
  const own = entry.output;
  const isConfigured = own === undefined && output !== undefined;
  const plan = await planPattern(
    isConfigured ? output.pattern : own,
    isConfigured ? output.folder : entry.baseFolder,
  );
  if (plan.kind === 'stdout') {
    throw new EvolinkError('usage', 'a run saves files; standard output is for single clips', {
      hint: 'name a folder or a pattern: out/{job}.mp4',
    });
  }
  const pattern = `${plan.pattern.slice(0, -DEFAULT_PATTERN.length)}${defaultName(entry)}`;
  const named = plan.pattern.endsWith(DEFAULT_PATTERN) ? { ...plan, pattern } : plan;
  const outputPath = fillPattern(named, fieldsOf(entry, request, date));
  return { output: toLiteral(outputPath), outputPath };
}

/** The name of a clip that nobody named: the name of its job, which is the same at each run. */
function defaultName({ name }: JobEntry): string {
  return `${escapePattern(toSafeName(name.replaceAll('/', '-')))}.mp4`;
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
function toLiteral(path: string): FileOutput {
  return {
    kind: 'file',
    folder: dirname(path),
    pattern: escapePattern(basename(path)),
    onExisting: 'refuse',
  };
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

/** Thousands of jobs ask the same. */
function memoized<A extends readonly unknown[], R>(find: (...given: A) => R): (...given: A) => R {
  const known = new Map<string, R>();
  return (...given) => {
    const key = JSON.stringify(given);
    const found = known.get(key) ?? find(...given);
    known.set(key, found);
    return found;
  };
}

/** Checks every job by itself, and all of them together: two clips can't have one path. */
export async function checkJobs(
  entries: readonly JobEntry[],
  options: ResolveJobOptions,
): Promise<CheckedJobs> {
  const planPattern = memoized((output: string | undefined, cwd: string) =>
    planOutput({ output, cwd, onExisting: 'refuse', isFolder: options.isFolder, fields: FIELDS }),
  );
  const settingsOf = memoized(options.settingsOf);
  const date = new Date(options.nowMs).toISOString().slice(0, 10);
  const jobs: ResolvedJob[] = [];
  const invalid: InvalidJob[] = [];
  for (const entry of entries) {
    const { job, problems } = await resolveJob(entry, { ...options, settingsOf, planPattern, date });
    if (job === undefined) invalid.push({ entry, problems });
    else jobs.push(job);
  }
  return { jobs, invalid, problems: findCollisions(jobs) };
}

/** Paths that differ in case only are one file on macOS and Windows, where the same job file may run tomorrow. */
function findCollisions(jobs: readonly ResolvedJob[]): readonly Problem[] {
  const owners = new Map<string, ResolvedJob>();
  return jobs.flatMap((job): Problem[] => {
    const key = job.outputPath.normalize('NFC').toLowerCase();
    const owner = owners.get(key);
    if (owner === undefined) {
      owners.set(key, job);
      return [];
    }
    const { entry, outputPath } = job;
    const same = owner.outputPath === outputPath ? 'is' : 'differs in case only from';
    return [
      {
        ...entry.locate(['output']),
        value: outputPath,
        message: `job ${entry.name}: ${same} the output of job ${owner.entry.name}; tell them apart with {job}, {index}, {ratio} or a {{variable}}`,
      },
    ];
  });
}

/** Problems as they are told: jobs of one matrix share lines, and what is wrong there is said once. */
export function distinctProblems(problems: readonly Problem[]): readonly Problem[] {
  const seen = new Set<string>();
  return problems.filter(({ source, value, message }) => {
    const key = JSON.stringify([source, value, message]);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}
