import { resolve } from 'node:path';
import { type ProjectChoice, projectChoices } from '../config/trust.ts';
import { describeFacts } from '../media/facts.ts';
import type { MediaReview } from '../media/judge.ts';
import { quoteCommand } from '../platform/text.ts';
import { draftFromBody, mergeDrafts } from '../request/draft.ts';
import { type CreditEstimate, estimateCredits, type PriceOverride } from '../request/estimate.ts';
import type { GenerationRequest, RequestDraft, WireBody } from '../request/fields.ts';
import { fingerprint, toWireBody } from '../request/fingerprint.ts';
import type { Operation, Problem } from '../request/models.ts';
import { formatProblem } from '../request/problems.ts';
import { resolveRequest } from '../request/resolve.ts';
import type { MediaLists, PreparedMedia, PrepareMediaOptions } from '../task/prepare-media.ts';
import type { JobEntry } from './expand.ts';

/** Looks at the media of a request: types, limits, hashes of local files. */
export type ReadMedia = (lists: MediaLists) => Promise<PreparedMedia>;

const NO_MEDIA: PreparedMedia = { reviews: [], local: [] };

/** Reads each set of media once, however many jobs share it; loads nothing for requests without media. */
export function createMediaReader(options: PrepareMediaOptions): ReadMedia {
  const read = memoized(async (lists: MediaLists) =>
    (await import('../task/prepare-media.ts')).prepareMedia(lists, options),
  );
  return async ({ operation, images, videos, audios }) =>
    images.length + videos.length + audios.length === 0
      ? NO_MEDIA
      : read({ operation, images, videos, audios });
}

/** Thousands of jobs ask the same. */
export function memoized<A extends readonly unknown[], R>(find: (...given: A) => R): (...given: A) => R {
  const known = new Map<string, R>();
  return (...given) => {
    const key = JSON.stringify(given);
    const found = known.get(key) ?? find(...given);
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
  const lists = LISTS.map((name) => {
    const texts = (draft[name] ?? []).flatMap(({ value }) => (typeof value === 'string' ? [value] : []));
    const isMedia = (text: string) => isPath(text) || /^https?:\/\//i.test(text);
    return texts.filter(isMedia).map((text) => absoluteMedia(text, folder));
  });
  const [images = [], videos = [], audios = []] = lists;
  return { operation: draft.operation, images, videos, audios };
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

/** A request that may be sent: checked and priced. */
export interface PricedJob {
  readonly entry: JobEntry;
  readonly request: GenerationRequest;
  readonly body: WireBody;
  readonly fingerprint: string;
  readonly estimate: CreditEstimate;
  /** Reference media, looked at; local files are hashed. */
  readonly media: PreparedMedia;
  /** Where the job names each of them: `first (job.yaml:6:5)`. */
  readonly mediaSources: readonly string[];
  /** What a project file makes dearer, or lets somebody know. */
  readonly projectChoices: readonly ProjectChoice[];
  readonly warnings: readonly string[];
}

interface Pricing {
  readonly job?: PricedJob | undefined;
  readonly problems: readonly Problem[];
  /** All media, where one of them has a problem, and where each is named. */
  readonly broken: readonly MediaReview[];
  readonly mediaSources: readonly string[];
}

/**
 * Checks one job against every rule of the API, and its media with it, also where something else is wrong: one report
 * names everything. Never throws for a wrong job.
 */
export async function priceJob(entry: JobEntry, options: PriceOptions): Promise<Pricing> {
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
  const media = await options.readMedia(toMediaLists(draft, entry.baseFolder));
  const sources = media.reviews.length === 0 ? [] : mediaSources(draft);
  const isBroken = media.reviews.some((review) => review.problems.length > 0);
  const broken = isBroken ? media.reviews : [];
  if (resolved.request === undefined || problems.length > 0 || isBroken)
    return { problems, broken, mediaSources: sources };
  const request = withAbsolutePaths(resolved.request, entry.baseFolder);
  const wire = toWireBody(request);
  let print: string | undefined;
  const job = {
    ...{ entry, request, body: wire, media, mediaSources: sources },
    // Made when it is asked for: a dry run that finds no pending request does without what hashes.
    get fingerprint() {
      print ??= fingerprint(wire, new Map(media.local.map(({ path, sha256 }) => [path, sha256])));
      return print;
    },
    estimate: estimate(request, media, options),
    projectChoices: projectChoices(draft),
    warnings: resolved.warnings.map((warning) => formatProblem(placed(warning, entry))),
  };
  return { job, problems, broken, mediaSources: sources };
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

/** The request with local paths counted from the folder of its job file. Pure. */
function withAbsolutePaths(request: GenerationRequest, folder: string): GenerationRequest {
  if (LISTS.every((name) => request[name].length === 0)) return request;
  const absolute = (list: readonly string[]): readonly string[] =>
    list.map((entry) => absoluteMedia(entry, folder));
  const { images, videos, audios } = request;
  return { ...request, images: absolute(images), videos: absolute(videos), audios: absolute(audios) };
}

/**
 * Looks at the media URLs of jobs, where that was asked for: facts, doubts, problems and lengths of reference videos go into
 * their media and estimates.
 */
export function checkUrlsOf<T extends Omit<PricedJob, 'entry'>>(
  jobs: readonly T[],
  options: Pick<PriceOptions, 'readMedia' | 'prices' | 'priceCredits'>,
): Promise<readonly T[]> {
  const hasUrl = ({ media }: T) => media.reviews.some(({ item }) => !item.isLocal);
  const check = async (job: T) => {
    if (!hasUrl(job)) return job;
    const media = { ...(await options.readMedia(job.request)), local: job.media.local };
    return { ...job, media, estimate: estimate(job.request, media, options) };
  };
  return Promise.all(jobs.map(check));
}
