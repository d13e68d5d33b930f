import { isAbsolute } from 'node:path';
import { draftFromSettings } from '../config/request-settings.ts';
import { planOutput } from '../download/plan-output.ts';
import { type OnExisting, OUTPUT_FIELDS, type OutputPlan } from '../download/types.ts';
import { EvolinkError } from '../errors.ts';
import type { FileJob } from '../jobs/read-job-file.ts';
import { isFolder } from '../platform/is-folder.ts';
import { draftFromBody } from '../request/draft-from-body.ts';
import { type CreditEstimate, estimateCredits } from '../request/estimate.ts';
import { formatProblem } from '../request/format-problem.ts';
import { listError } from '../request/list-error.ts';
import { mergeDrafts } from '../request/merge-drafts.ts';
import { resolveRequest } from '../request/resolve-request.ts';
import type { GenerationRequest, Operation, Problem, RequestDraft } from '../request/types.ts';
import type { Context } from './context.ts';
import { draftFromFlags, type RequestOptions } from './draft-from-flags.ts';
import { outputWarnings, uploadWarnings } from './file-warnings.ts';
import { type JobMedia, prepareJobMedia, toMediaLists, withAbsoluteMedia } from './job-media.ts';
import { keepInsideProject } from './keep-inside-project.ts';
import { mediaProblemLine } from './media-report.ts';
import { plannedFields } from './planned-fields.ts';
import { readPrompt } from './read-prompt.ts';
import type { Session } from './session.ts';

export interface OutputOptions {
  readonly output?: string;
  readonly overwrite?: boolean;
  readonly skipExisting?: boolean;
}

export interface JobInput {
  readonly operation: Operation;
  readonly prompt: string | undefined;
  readonly options: RequestOptions & OutputOptions & { readonly checkUrls?: boolean };
}

/** A request that may be sent: checked, priced, with a place for its clip. */
export interface PreparedJob {
  readonly request: GenerationRequest;
  readonly output: OutputPlan;
  readonly estimate: CreditEstimate;
  readonly media: JobMedia;
  readonly warnings: readonly string[];
}

/** The fields of a pattern that a single request has: those of a job file's jobs are not among them. */
export const SINGLE_FIELDS = OUTPUT_FIELDS.filter((field) => field !== 'job' && field !== 'index');

/**
 * Flags over job file over settings over built-in values: merged, checked, estimated. Nothing is sent or written.
 * @throws EvolinkError `usage` with every problem at once
 */
export async function prepareJob(context: Context, session: Session, input: JobInput): Promise<PreparedJob> {
  const { operation, options } = input;
  const prompt = await readPrompt(context, {
    positional: input.prompt,
    prompt: options.prompt,
    promptFile: options.promptFile,
  });
  const file = await readFile(context, options);
  const body =
    file.job === undefined
      ? undefined
      : draftFromBody(file.job.value, { operation, describe: file.job.describe });
  const problems: Problem[] = [...file.problems, ...(body?.problems ?? []), ...frameProblems(options)];
  const flags = withAbsoluteMedia(draftFromFlags(operation, options, prompt), context.cwd);
  const settings = draftFromSettings(operation, session.settings);
  const bodyDraft = body?.draft && withAbsoluteMedia(body.draft, file.job?.baseFolder ?? context.cwd);
  const draft = mergeDrafts(bodyDraft === undefined ? flags : mergeDrafts(flags, bodyDraft), settings);
  const resolved = resolveRequest(draft, { allowLoopback: session.isLoopbackApi, allowLocalMedia: true });
  problems.push(...resolved.problems);
  const isChecking = options.checkUrls === true && problems.length === 0;
  const media = await prepareJobMedia(context, session, { draft, isCheckingUrls: isChecking });
  const broken = media.reviews.filter((review) => review.problems.length > 0);
  if (resolved.request === undefined || problems.length + broken.length > 0)
    throw problemsError(operation, problems, broken.map(mediaProblemLine));
  const { request } = resolved;
  const output = await outputOf(context, session, { options, job: file.job, request });
  const outside = await outsideWarnings(context, {
    options,
    job: file.job,
    request,
    output,
    draft,
    bodyDraft,
  });
  return {
    request,
    output,
    media,
    estimate: estimateCredits(request, {
      overrides: session.settings.prices.value,
      inputVideoSeconds: media.inputVideoSeconds,
    }),
    warnings: [...resolved.warnings.map(formatProblem), ...media.warnings, ...outside],
  };
}

async function readFile(
  context: Context,
  options: RequestOptions,
): Promise<{ job?: FileJob | undefined; problems: readonly Problem[] }> {
  if (options.file === undefined) {
    if (options.job === undefined) return { problems: [] };
    return {
      problems: [
        { source: '--job', value: options.job, message: 'needs the file that has the job: -f job.yaml' },
      ],
    };
  }
  const { loadJobFile } = await import('../jobs/load-job-file.ts');
  return loadJobFile({ path: options.file, cwd: context.cwd, jobName: options.job });
}

function frameProblems({ first, last }: RequestOptions): Problem[] {
  if (last === undefined || first !== undefined) return [];
  return [{ source: '--last', value: last, message: 'needs a first frame as well: --first' }];
}

/** All problems of a request and its media as one error. */
export function problemsError(
  operation: Operation,
  problems: readonly Problem[],
  mediaLines: readonly string[] = [],
): EvolinkError {
  const lines = [...problems.map(formatProblem), ...mediaLines];
  const hint = `evolink ${operation} --help`;
  const summary = `the request has ${lines.length === 1 ? 'a problem' : `${lines.length} problems`}; nothing was sent`;
  if (mediaLines.length === 0) return listError(lines, { summary, hint });
  // What is wrong with a file takes several lines: too many for the message itself.
  return new EvolinkError('usage', summary, { details: lines, hint, charged: 'no' });
}

/** What to do with an existing file, by the flags. */
export function onExistingOf({ overwrite, skipExisting }: OutputOptions): OnExisting {
  if (overwrite === true) return 'overwrite';
  return skipExisting === true ? 'skip' : 'refuse';
}

interface OutputSources {
  readonly options: OutputOptions;
  readonly job: FileJob | undefined;
  readonly request: GenerationRequest;
}

async function outputOf(
  context: Context,
  session: Session,
  { options, job, request }: OutputSources,
): Promise<OutputPlan> {
  const onExisting = onExistingOf(options);
  const common = { onExisting, isFolder, fields: SINGLE_FIELDS };
  if (options.output !== undefined)
    return planOutput({ ...common, output: options.output, cwd: context.cwd });
  if (job?.output !== undefined)
    return planOutput({ ...common, output: job.output.value, cwd: job.baseFolder });
  const setting = session.settings.output;
  const plan = await planOutput({ ...common, output: setting.value, cwd: context.cwd });
  const fields = plannedFields(request, context.clock.now());
  await keepInsideProject({ plan, setting, projectPath: session.config.locations.projectPath, fields });
  return plan;
}

interface FileChoices extends OutputSources {
  readonly output: OutputPlan;
  readonly draft: RequestDraft;
  readonly bodyDraft: RequestDraft | undefined;
}

/** What the job file itself, not a flag, takes from or puts outside of its folder. */
async function outsideWarnings(
  context: Context,
  { options, job, request, output, draft, bodyDraft }: FileChoices,
): Promise<readonly string[]> {
  if (job === undefined || bodyDraft === undefined) return [];
  const { operation } = draft;
  const own = (['images', 'videos', 'audios'] as const).filter((list) => draft[list] === bodyDraft[list]);
  const lists = toMediaLists({ operation, ...Object.fromEntries(own.map((list) => [list, draft[list]])) });
  const paths = [...lists.images, ...lists.videos, ...lists.audios].filter((entry) => isAbsolute(entry));
  const fields = plannedFields(request, context.clock.now());
  const isOwnOutput = options.output === undefined && job.output !== undefined;
  return [
    ...(isOwnOutput ? await outputWarnings(output, job.baseFolder, fields) : []),
    ...(await uploadWarnings(paths, job.baseFolder)),
  ];
}
