import { isAbsolute, resolve } from 'node:path';
import {
  type OnExisting,
  OUTPUT_FIELDS,
  type OutputFields,
  type OutputPlan,
  planOutput,
} from '../config/output.ts';
import { draftFromSettings } from '../config/resolve.ts';
import { type ProjectChoice, projectChoices } from '../config/trust.ts';
import { EvolinkError } from '../errors.ts';
import type { MediaReview } from '../media/judge.ts';
import type { Context } from '../platform/context.ts';
import { isFile, isFolder } from '../platform/folders.ts';
import { readTextFile } from '../platform/read-file.ts';
import { quoteCommand } from '../platform/text.ts';
import { draftFromBody } from '../request/body.ts';
import { type CreditEstimate, estimateCredits } from '../request/estimate.ts';
import type { GenerationRequest, RequestDraft } from '../request/fields.ts';
import { toWireBody } from '../request/fingerprint.ts';
import type { Operation, Problem, Sourced } from '../request/models.ts';
import { formatProblem, listError } from '../request/problems.ts';
import { redactAddress } from '../request/public-url.ts';
import { coerceDuration, mergeDrafts, readExtra, resolveRequest } from '../request/resolve.ts';
import type { JobEntry, SingleJobReading } from '../run/expand.ts';
import type { LocalMedia, MediaLists } from '../task/prepare-media.ts';
import { fieldsOf } from '../task/save.ts';
import type { MediaEvent } from '../ui/lines.ts';
import { createUrlCheck, mediaProblemLine } from './media.ts';
import { isUrl, mediaCommand, mediaFlag } from './media-words.ts';
import { keepInsideProject, outputWarnings, uploadWarnings } from './outside-project.ts';
import type { Session } from './session.ts';

/** The fields of an output as far as a request tells them: the id is the service's, the time that of the sending. Pure. */
export function plannedFields(request: GenerationRequest, nowMs: number): OutputFields {
  const { operation } = request;
  const { time, ...fields } = fieldsOf({ operation, body: toWireBody(request), createdAtMs: nowMs });
  return fields;
}

/** The request flags of a generating command as commander hands them over. */
export interface RequestOptions {
  readonly prompt?: string;
  readonly promptFile?: string;
  readonly file?: string;
  readonly job?: string;
  readonly tier?: string;
  readonly model?: string;
  readonly duration?: string;
  readonly quality?: string;
  readonly aspectRatio?: string;
  readonly mute?: boolean;
  readonly contentFilter?: boolean;
  readonly webSearch?: boolean;
  readonly callbackUrl?: string;
  readonly draft?: boolean;
  readonly outputFormat?: string;
  readonly sourceTaskId?: string;
  /** `key=json` */
  readonly set?: readonly string[];
  readonly priceCredits?: number;
  readonly image?: readonly string[];
  readonly video?: readonly string[];
  readonly audio?: readonly string[];
  readonly first?: string;
  readonly last?: string;
}

function sourced<T>(value: T | undefined, source: string): Sourced<T> | undefined {
  return value === undefined ? undefined : { value, source };
}

function listed(
  values: readonly string[] | undefined,
  source: string,
): readonly Sourced<string>[] | undefined {
  return values?.map((value, index) => ({
    value,
    source: values.length === 1 ? source : `${source} (number ${index + 1})`,
  }));
}

function imagesFrom({ image, first, last }: RequestOptions): readonly Sourced<string>[] | undefined {
  const named = [sourced(first, '--first'), sourced(last, '--last')].filter((entry) => entry !== undefined);
  return named.length > 0 ? named : listed(image, '--image');
}

/** What the flags of one generating command ask for. Nothing is checked here but how the text of a flag is read. */
function draftFromFlags(
  operation: Operation,
  options: RequestOptions,
  prompt: Sourced<string> | undefined,
): RequestDraft {
  const isMuted = options.mute;
  return {
    operation,
    prompt,
    model: sourced(options.model, '--model'),
    tier: sourced(options.tier, '--tier'),
    images: imagesFrom(options),
    videos: listed(options.video, '--video'),
    audios: listed(options.audio, '--audio'),
    durationSeconds: sourced(
      options.duration === undefined ? undefined : coerceDuration(options.duration),
      '--duration',
    ),
    quality: sourced(options.quality, '--quality'),
    aspectRatio: sourced(options.aspectRatio, '--aspect-ratio'),
    generateAudio:
      isMuted === undefined ? undefined : { value: !isMuted, source: isMuted ? '--mute' : '--no-mute' },
    contentFilter: sourced(
      options.contentFilter,
      options.contentFilter === false ? '--no-content-filter' : '--content-filter',
    ),
    webSearch: sourced(options.webSearch, options.webSearch === false ? '--no-web-search' : '--web-search'),
    callbackUrl: sourced(options.callbackUrl, '--callback-url'),
    draft: sourced(options.draft, options.draft === false ? '--no-draft' : '--draft'),
    outputFormat: sourced(options.outputFormat, '--output-format'),
    sourceTaskId: sourced(options.sourceTaskId, '--source-task-id'),
  };
}

interface PromptSources {
  readonly positional?: string | undefined;
  readonly prompt?: string | undefined;
  readonly promptFile?: string | undefined;
}

const MAX_PROMPT_BYTES = 1024 * 1024;

/**
 * The prompt from the one place that names it: argument, `--prompt`, `--prompt-file`, or standard input as `-`.
 * A final line break of a file or of standard input is no part of it.
 * @throws EvolinkError `usage` when several places name one, or the file can't be read
 */
async function readPrompt(
  context: Context,
  { operation, ...sources }: PromptSources & { readonly operation: Operation },
): Promise<Sourced<string> | undefined> {
  const given = [
    { source: 'prompt', value: sources.positional },
    { source: '--prompt', value: sources.prompt },
    { source: '--prompt-file', value: sources.promptFile },
  ].flatMap(({ source, value }) => (value === undefined ? [] : [{ source, value }]));
  const [only, ...others] = given;
  if (only === undefined) return undefined;
  if (others.length > 0) {
    const names = given.map(({ source }) => (source === 'prompt' ? 'the argument' : source)).join(' and ');
    throw new EvolinkError('usage', `the prompt is given more than once: by ${names}`, {
      hint: 'give it exactly once; quote it if it has several words: evolink t2v "a paper boat on a lake"',
    });
  }
  if (only.value === '-') return { source: 'standard input', value: chomp(await readStandardInput(context)) };
  if (only.source === 'prompt') refuseOtherMeaning(context, operation, only.value);
  if (only.source !== '--prompt-file') return only;
  return {
    source: `--prompt-file ${only.value}`,
    value: chomp(await readPromptFile(resolve(context.cwd, only.value))),
  };
}

/**
 * A bare `help`, a URL and the name of a file that is there were hardly meant as a prompt, and a clip of them costs money.
 * @throws EvolinkError `usage`, with what was probably meant
 */
function refuseOtherMeaning(context: Context, operation: Operation, prompt: string): void {
  const insist = `to use it as the prompt: ${quoteCommand(['evolink', operation, '-p', prompt])}`;
  if (prompt.trim() === 'help')
    throw new EvolinkError('usage', 'the prompt "help" was probably meant as the command', {
      hint: `evolink help ${operation} (${insist})`,
      charged: 'no',
    });
  if (!isUrl(prompt) && !isFile(resolve(context.cwd, prompt))) return;
  const isMedia = isUrl(prompt) || mediaFlag(prompt) !== undefined;
  const meant = isMedia
    ? mediaCommand(operation, prompt)
    : quoteCommand(['evolink', operation, '--prompt-file', prompt]);
  const what = isUrl(prompt) ? `"${redactAddress(prompt)}" is a URL` : `"${prompt}" is the name of a file`;
  throw new EvolinkError('usage', `the prompt ${what}`, {
    hint: `${meant} (${insist})`,
    charged: 'no',
  });
}

async function readStandardInput(context: Context): Promise<string> {
  if (context.io.stdin.isTty)
    await context.io.stderr.write('reading the prompt from standard input; end with Ctrl-D\n');
  return context.io.stdin.readText(context.signals.signal);
}

async function readPromptFile(path: string): Promise<string> {
  const options = { label: 'prompt file', maxBytes: MAX_PROMPT_BYTES, allowsShellPipe: true };
  return (await readTextFile(path, options)).text;
}

function chomp(text: string): string {
  return text.replace(/\r?\n$/, '');
}

/** The media of a job, looked at; nothing is uploaded yet. */
interface JobMedia {
  readonly reviews: readonly MediaReview[];
  readonly local: readonly LocalMedia[];
  /** SHA-256 by path of the local ones. */
  readonly hashes: ReadonlyMap<string, string>;
  readonly inputVideoSeconds?: number | undefined;
  readonly warnings: readonly string[];
  /** What the plan shows: `image 1 = style.png, 1600×1200`. */
  readonly events: readonly MediaEvent[];
}

const NO_MEDIA: JobMedia = { reviews: [], local: [], hashes: new Map(), warnings: [], events: [] };

/** A draft whose local paths count from a folder: the one where a flag was typed, or the one of its job file. Pure. */
export function withAbsoluteMedia(draft: RequestDraft, folder: string): RequestDraft {
  const absolute = (list: readonly Sourced<unknown>[] | undefined) =>
    list?.map((at) =>
      isPath(at.value) ? { value: resolve(folder, at.value), source: at.source, place: at.place } : at,
    );
  return {
    ...draft,
    images: absolute(draft.images),
    videos: absolute(draft.videos),
    audios: absolute(draft.audios),
  };
}

/** Anything that is no URL of whatever scheme; two letters at least, as `C:` begins a path. */
function isPath(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.trim() !== '' &&
    !/^([a-z][a-z0-9+.-]+:\/\/|(https?|data|file):)/i.test(value)
  );
}

interface JobMediaOptions {
  readonly draft: RequestDraft;
  readonly isCheckingUrls: boolean;
}

/**
 * Looks at the media of a draft, also of one that is wrong elsewhere, so that one report names everything. Loads nothing
 * for a request without media.
 */
async function prepareJobMedia(
  context: Context,
  session: Session,
  { draft, isCheckingUrls }: JobMediaOptions,
): Promise<JobMedia> {
  const lists = toMediaLists(draft);
  if (lists.images.length + lists.videos.length + lists.audios.length === 0) return NO_MEDIA;
  const { mediaHashes, prepareMedia, shortLabel } = await import('../task/prepare-media.ts');
  const { describePlanFacts } = await import('../media/facts.ts');
  const checkUrl = isCheckingUrls ? await createUrlCheck(context, session) : undefined;
  const { reviews, local, inputVideoSeconds } = await prepareMedia(lists, {
    workingFolder: context.cwd,
    checkUrl,
  });
  return {
    reviews,
    local,
    inputVideoSeconds,
    hashes: mediaHashes(local),
    warnings: reviews.flatMap(({ item, remarks }) =>
      remarks.map((text) => `${item.name} "${item.label}" ${text}`),
    ),
    events: reviews.map(({ item, facts }) => ({
      kind: 'media',
      name: item.name,
      role: item.role,
      label: shortLabel(item),
      facts: facts && describePlanFacts(facts),
      isLocal: item.isLocal,
    })),
  };
}

/** The media of a draft as texts. Entries of another type are reported elsewhere. */
export function toMediaLists({ operation, images, videos, audios }: RequestDraft): MediaLists {
  const texts = (list: readonly Sourced<unknown>[] | undefined) =>
    (list ?? []).flatMap(({ value }) => (isPath(value) || isWebAddress(value) ? [value] : []));
  return { operation, images: texts(images), videos: texts(videos), audios: texts(audios) };
}

function isWebAddress(value: unknown): value is string {
  return typeof value === 'string' && /^https?:\/\//i.test(value);
}

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
  /** What a project file makes dearer, or lets somebody know. */
  readonly projectChoices: readonly ProjectChoice[];
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
    operation,
    positional: input.prompt,
    prompt: options.prompt,
    promptFile: options.promptFile,
  });
  const file = await readFile(context, options);
  const body =
    file.job === undefined
      ? undefined
      : draftFromBody(file.job.value, { operation, locate: file.job.locate });
  const { extra, problems: unread } = readExtra(options.set ?? []);
  const problems: Problem[] = [
    ...file.problems,
    ...(body?.problems ?? []),
    ...frameProblems(options),
    ...unread,
  ];
  const flags = withAbsoluteMedia({ ...draftFromFlags(operation, options, prompt), extra }, context.cwd);
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
      priceCredits: options.priceCredits,
      inputVideoSeconds: media.inputVideoSeconds,
    }),
    warnings: [...resolved.warnings.map(formatProblem), ...media.warnings, ...file.warnings, ...outside],
    projectChoices: projectChoices(draft),
  };
}

async function readFile(context: Context, options: RequestOptions): Promise<SingleJobReading> {
  if (options.file === undefined) {
    if (options.job === undefined) return { problems: [], warnings: [] };
    const message = 'needs the file that has the job: -f job.yaml';
    return { problems: [{ source: '--job', value: options.job, message }], warnings: [] };
  }
  const { readSingleJob } = await import('../run/expand.ts');
  return readSingleJob(options.file, { cwd: context.cwd, jobName: options.job });
}

function frameProblems({ first, last }: RequestOptions): Problem[] {
  if (last === undefined || first !== undefined) return [];
  return [{ source: '--last', value: last, message: 'needs a first frame as well: --first' }];
}

/** All problems of a request and its media as one error. */
function problemsError(
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
  readonly job: JobEntry | undefined;
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
  if (job?.output !== undefined) return planOutput({ ...common, output: job.output, cwd: job.baseFolder });
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
