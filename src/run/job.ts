import { resolve } from 'node:path';
import type { FilePlan } from '../config/output.ts';
import { projectChoices } from '../config/trust.ts';
import { describeFacts } from '../media/facts.ts';
import type { MediaReview } from '../media/judge.ts';
import { quoteCommand } from '../platform/text.ts';
import type { PlanWord } from '../report/states.ts';
import { draftFromBody, mergeDrafts } from '../request/draft.ts';
import { type CreditEstimate, estimateCredits, type PriceOverride } from '../request/estimate.ts';
import type { GenerationRequest, RequestDraft, WireBody } from '../request/fields.ts';
import { fingerprint, toWireBody } from '../request/fingerprint.ts';
import type { Operation, Problem } from '../request/models.ts';
import { formatProblem } from '../request/problems.ts';
import { resolvePrompt, resolveRequest } from '../request/resolve.ts';
import type { MediaLists, PreparedMedia, PrepareMediaOptions } from '../task/prepare-media.ts';
import type { TaskRecord } from '../task/record.ts';
import type { Sidecar } from '../task/sidecar.ts';
import type { JobEntry } from './expand.ts';

/** A request that may be sent: checked and priced. In a run it gets its place, and then what is to be done about it. */
export class Job {
  readonly entry: JobEntry;
  readonly request: GenerationRequest;
  readonly body: WireBody;
  /** Reference media, looked at; local files are hashed. */
  media: PreparedMedia;
  /** Where the job names each of them: `first (job.yaml:6:5)`. */
  readonly mediaSources: readonly string[];
  estimate: CreditEstimate;
  /** What a project file makes dearer, or lets somebody know. */
  readonly projectChoices: ReturnType<typeof projectChoices>;
  warnings: readonly string[];

  /** Absolute. */
  outputPath = '';
  output: FilePlan = { kind: 'file', folder: '', pattern: '', onExisting: 'refuse' };
  /** The output holds the date: each day is another clip. */
  isDated = false;
  /** The clip goes, or a link leads it, out of the folder of the job file. */
  isOutside = false;

  action: PlanWord | 'forced' = 'new';
  /** The open request that is continued. */
  record: TaskRecord | undefined;
  /** What the sidecar says of the clip that is there already. */
  clip: Sidecar | undefined;
  /** Where the clip of this very request lies, under another name. */
  movedFrom: string | undefined;
  /**
   * Where a file that is in the way goes first: a clip of another request was paid for, a changed one may be an edit.
   * `isWanted`: another job of the plan asks for that very clip, and gets it.
   */
  movedAside: { readonly keptAs: string; isWanted: boolean } | undefined;
  /** The task whose clip was deleted or damaged, and is downloaded again. */
  restore: Restore | undefined;

  #fingerprint: string | undefined;

  constructor(
    given: Pick<
      Job,
      'entry' | 'request' | 'body' | 'media' | 'mediaSources' | 'estimate' | 'projectChoices' | 'warnings'
    >,
  ) {
    this.entry = given.entry;
    this.request = given.request;
    this.body = given.body;
    this.media = given.media;
    this.mediaSources = given.mediaSources;
    this.estimate = given.estimate;
    this.projectChoices = given.projectChoices;
    this.warnings = given.warnings;
  }

  /** Made when it is asked for: a dry run that finds no pending request does without what hashes. */
  get fingerprint(): string {
    this.#fingerprint ??= fingerprint(this.body, this.mediaHashes);
    return this.#fingerprint;
  }

  /** By path: with them a request is the same whatever its files are called and wherever they were uploaded. */
  get mediaHashes(): ReadonlyMap<string, string> {
    return new Map(this.media.local.map(({ path, sha256 }) => [path, sha256]));
  }

  /** The clip is there, so that nothing has to be asked of the service. */
  get isSettled(): boolean {
    return this.action === 'up_to_date' || this.action === 'copied';
  }

  /** Needs the paid request: an open one that was never sent needs it too. */
  get isPaid(): boolean {
    if (this.action === 'resume') return this.record?.state === 'intent';
    return this.action === 'new' || this.action === 'changed' || this.action === 'forced';
  }

  /** The most that it is expected to cost, where that is known. */
  get mostCredits(): number | undefined {
    return this.estimate.credits ?? this.estimate.atMost;
  }

  /** What a pending task that is continued has reserved, at least its estimate; its clip was not there before this run. */
  get attachedCredits(): number | undefined {
    if (this.action !== 'resume' || this.isPaid) return undefined;
    const { reservedCredits, estimatedCredits = 0 } = this.record ?? {};
    return Math.max(reservedCredits ?? this.mostCredits ?? 0, estimatedCredits);
  }
}

interface Restore {
  /** Absent where the sidecar of a damaged clip does not name it. */
  readonly taskId?: string | undefined;
  /** The saved record of the task, where it is still known. */
  readonly earlier?: TaskRecord | undefined;
  /** A file lies in the place: what can't be downloaded again is not submitted again unasked. */
  readonly isDamaged: boolean;
  /** The service no longer has it. */
  readonly isGone?: boolean;
}

/** Looks at the media of a request: types, limits, hashes of local files. */
type ReadMedia = (lists: MediaLists) => Promise<PreparedMedia>;

const NO_MEDIA: PreparedMedia = { reviews: [], local: [] };

/** Reads each set of media once, however many jobs share it; loads nothing for requests without media. */
export function createMediaReader(options: PrepareMediaOptions): ReadMedia {
  const known = new Map<string, Promise<PreparedMedia>>();
  return async ({ operation, images, videos, audios }) => {
    if (images.length + videos.length + audios.length === 0) return NO_MEDIA;
    const { prepareMedia } = await import('../task/prepare-media.ts');
    const lists = { operation, images, videos, audios };
    const key = JSON.stringify(lists);
    const found = known.get(key) ?? prepareMedia(lists, options);
    known.set(key, found);
    return found;
  };
}

const LISTS = ['images', 'videos', 'audios'] as const;

/** Any text that is no URL of whatever scheme; two letters at least, as `C:` begins a path. */
function isPath(text: string): boolean {
  return text.trim() !== '' && !/^([a-z][a-z0-9+.-]+:\/\/|(https?|data|file):)/i.test(text);
}

/** A path counted from a folder; a URL as it stands. */
export function absoluteMedia(text: string, folder: string): string {
  return isPath(text) ? resolve(folder, text) : text;
}

/** The media of a draft as URLs and absolute paths. Entries of another type are reported elsewhere. */
export function toMediaLists(draft: RequestDraft, folder: string): MediaLists {
  const read = (name: (typeof LISTS)[number]): readonly string[] =>
    (draft[name] ?? []).flatMap(({ value }) =>
      typeof value === 'string' && (isPath(value) || /^https?:\/\//i.test(value))
        ? absoluteMedia(value, folder)
        : [],
    );
  return {
    operation: draft.operation,
    images: read('images'),
    videos: read('videos'),
    audios: read('audios'),
  };
}

/** Where each medium of a draft was named, in the order of the reviews: images, videos, audios. Pure. */
export function mediaSources(draft: RequestDraft): readonly string[] {
  return LISTS.flatMap((name) => (draft[name] ?? []).map(({ source }) => source));
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

export interface PriceOptions {
  /** What the configuration says for an operation; a job wins over it. */
  readonly settingsOf: (operation: Operation) => RequestDraft;
  readonly allowLoopback: boolean;
  readonly readMedia: ReadMedia;
  readonly prices: readonly PriceOverride[];
  /** What a job costs where the price list can't say it. */
  readonly priceCredits?: number | undefined;
  /** What the command line says, which wins over the job. */
  readonly flags?: RequestDraft | undefined;
}

/**
 * Checks one job against every rule of the API, and its media with it, also where something else is wrong: one report
 * names everything. Never throws for a wrong job.
 * @returns the job where nothing is wrong; else the problems, and all media where one of them has a problem
 */
export async function priceJob(entry: JobEntry, options: PriceOptions) {
  const { flags, allowLoopback } = options;
  const body = draftFromBody(entry.value, { operation: flags?.operation, locate: entry.locate });
  const problems = [...entry.problems, ...body.problems];
  if (body.draft === undefined) return { problems, broken: [], mediaSources: [] };
  const named = flags === undefined ? body.draft : mergeDrafts(flags, body.draft);
  const draft = mergeDrafts(named, options.settingsOf(named.operation));
  const resolved = resolveRequest(draft, { allowLoopback, allowLocalMedia: true });
  // A key whose variable is not known holds nothing: that it is missing or wrong is no further fault.
  const unfilled = new Set(entry.problems.map(({ source }) => source));
  const found = resolved.problems.map((problem) => placed(problem, entry));
  problems.push(...found.filter(({ source }) => !unfilled.has(source)));
  const lists = toMediaLists(draft, entry.baseFolder);
  const media = await options.readMedia(lists);
  const sources = media.reviews.length === 0 ? [] : mediaSources(draft);
  const broken = media.reviews.some((review) => review.problems.length > 0) ? media.reviews : [];
  if (resolved.request === undefined || problems.length + broken.length > 0)
    return { problems, broken, mediaSources: sources };
  const request = withAbsolutePaths(resolved.request, entry.baseFolder);
  const job = new Job({
    entry,
    request,
    body: toWireBody(request),
    media,
    mediaSources: sources,
    estimate: estimate(request, media, options),
    projectChoices: projectChoices(draft),
    warnings: resolved.warnings.map((warning) => formatProblem(placed(warning, entry))),
  });
  return { job, problems, broken, mediaSources: sources };
}

/** More than any prompt: what is longer is measured with the rest of its request. */
const MAX_QUICK_CHARACTERS = 10_000;

/**
 * The job of an entry that differs from that of a checked job in its prompt alone, as thousands of rows do: what holds for
 * one holds for the other, but for the rules of prompts. Undefined where that is not the whole story.
 */
export function withPrompt(job: Job, entry: JobEntry): Awaited<ReturnType<typeof priceJob>> | undefined {
  const { prompt } = entry.value;
  if (typeof prompt !== 'string' || prompt.length > MAX_QUICK_CHARACTERS) return undefined;
  if (job.media.reviews.length + job.warnings.length + entry.problems.length > 0) return undefined;
  const findings = { problems: [], warnings: [] };
  const { operation } = job.request;
  resolvePrompt({ operation, prompt: { value: prompt, source: 'prompt' } }, findings);
  if (findings.problems.length + findings.warnings.length > 0) return undefined;
  const { media, mediaSources, estimate: price, projectChoices: choices } = job;
  const quick = new Job({
    entry,
    request: { ...job.request, prompt },
    body: { ...job.body, prompt },
    media,
    mediaSources,
    estimate: price,
    projectChoices: choices,
    warnings: [],
  });
  return { job: quick, problems: [], broken: [], mediaSources };
}

/** The request with local paths counted from the folder of its job file. Pure. */
function withAbsolutePaths(request: GenerationRequest, folder: string): GenerationRequest {
  const { images, videos, audios } = request;
  if (images.length + videos.length + audios.length === 0) return request;
  const absolute = (list: readonly string[]) => list.map((entry) => absoluteMedia(entry, folder));
  return { ...request, images: absolute(images), videos: absolute(videos), audios: absolute(audios) };
}

function estimate(
  request: GenerationRequest,
  { inputVideoSeconds }: PreparedMedia,
  { prices, priceCredits }: Pick<PriceOptions, 'prices' | 'priceCredits'>,
): CreditEstimate {
  return estimateCredits(request, { overrides: prices, priceCredits, inputVideoSeconds });
}

/** What is missing has no place of its own: the place of the job is given instead. */
export function placed(problem: Problem, { locate }: Pick<JobEntry, 'locate'>): Problem {
  return problem.value === undefined && problem.place === undefined
    ? { ...problem, ...locate([problem.source]) }
    : problem;
}

/**
 * Looks at the media URLs of jobs, where that was asked for: facts, doubts, problems and lengths of reference videos go into
 * their media and estimates.
 */
export async function checkUrlsOf(
  jobs: readonly Job[],
  options: Pick<PriceOptions, 'readMedia' | 'prices' | 'priceCredits'>,
): Promise<void> {
  await Promise.all(
    jobs.map(async (job) => {
      if (job.media.reviews.every(({ item }) => item.isLocal)) return;
      job.media = { ...(await options.readMedia(job.request)), local: job.media.local };
      job.estimate = estimate(job.request, job.media, options);
    }),
  );
}
