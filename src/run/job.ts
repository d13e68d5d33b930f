import { projectChoices } from '../config/load.ts';
import type { FilePlan } from '../config/output.ts';
import { describeFacts } from '../media/facts.ts';
import type { MediaReview } from '../media/judge.ts';
import { quoteCommand } from '../platform/text.ts';
import type { PlanWord } from '../report/states.ts';
import { mergeAsked, readDraft } from '../request/draft.ts';
import { type CreditEstimate, estimateCredits, type PriceOverride } from '../request/estimate.ts';
import type { GenerationRequest } from '../request/fields.ts';
import { fingerprint } from '../request/fingerprint.ts';
import type { Problem } from '../request/models.ts';
import { type Asked, formatProblem } from '../request/problems.ts';
import { checkPrompt } from '../request/prompt-checks.ts';
import { type MediaLists, resolveRequest } from '../request/resolve.ts';
import type { PreparedMedia, PrepareMediaOptions } from '../task/prepare-media.ts';
import type { TaskRecord } from '../task/record.ts';
import type { Sidecar } from '../task/sidecar.ts';
import type { JobEntry } from './expand.ts';

/** What the checks of a job give. */
type CheckedJob = Pick<
  Job,
  'entry' | 'request' | 'media' | 'mediaSources' | 'estimate' | 'projectChoices' | 'warnings'
>;

/** A request that may be sent: checked and priced. In a run it gets its place, and then what is to be done about it. */
export class Job {
  readonly entry: JobEntry;
  readonly request: GenerationRequest;
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
   * `wantedAt`: another job of the plan asks for the clip that is here, really, and gets it.
   */
  movedAside: { readonly keptAs: string; wantedAt?: string } | undefined;
  /** The task whose clip was deleted or damaged, and is downloaded again. */
  restore: Restore | undefined;

  #fingerprint: string | undefined;

  constructor(checked: CheckedJob) {
    this.entry = checked.entry;
    this.request = checked.request;
    this.media = checked.media;
    this.mediaSources = checked.mediaSources;
    this.estimate = checked.estimate;
    this.projectChoices = checked.projectChoices;
    this.warnings = checked.warnings;
  }

  /** Made when it is asked for: a dry run that finds no pending request does without what hashes. */
  get fingerprint(): string {
    // With the hashes of its files a request is the same whatever they are called and wherever they were uploaded.
    this.#fingerprint ??= fingerprint(
      this.request.body,
      new Map(this.media.local.map(({ path, sha256 }) => [path, sha256])),
    );
    return this.#fingerprint;
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
  /** Absent where the sidecar of a damaged clip does not name it, or the service no longer has it. */
  readonly taskId?: string | undefined;
  /** The saved record of the task, where it is still known. */
  readonly earlier?: TaskRecord | undefined;
  /** A file lies in the place: what can't be downloaded again is not submitted again unasked. */
  readonly isDamaged: boolean;
}

/** Looks at the media of a request: types, limits, hashes of local files. */
type ReadMedia = (lists: MediaLists) => Promise<PreparedMedia>;

const NO_MEDIA: PreparedMedia = { reviews: [], local: [] };

/** Reads each set of media once, however many jobs share it; loads nothing for requests without media. */
export function createMediaReader(options: PrepareMediaOptions): ReadMedia {
  const known = new Map<string, Promise<PreparedMedia>>();
  return async (lists) => {
    const { operation, image_urls, video_urls, audio_urls } = lists;
    if (!(image_urls || video_urls || audio_urls)) return NO_MEDIA;
    const { prepareMedia } = await import('../task/prepare-media.ts');
    const key = JSON.stringify([operation, image_urls, video_urls, audio_urls]);
    const found = known.get(key) ?? prepareMedia(lists, options);
    known.set(key, found);
    return found;
  };
}

/** What is wrong with media, under the keys that name them, with what they are and the command that fixes them. Pure. */
export function mediaProblems(
  reviews: readonly MediaReview[],
  sources: readonly string[],
): readonly Problem[] {
  return reviews.flatMap(({ item, facts, problems, fix }, index): Problem[] => {
    if (problems.length === 0) return [];
    const wrong = problems.map(({ is, allowed }) => `${is}: ${allowed}`).join('; ');
    const known = facts === undefined || facts.sizeBytes === 0 ? '' : ` (it is ${describeFacts(facts)})`;
    const fixing = fix === undefined ? '' : `\nto fix it: ${quoteCommand(fix)}`;
    const source = sources[index] ?? item.name;
    return [{ source, value: item.label, message: `${wrong}${known}${fixing}` }];
  });
}

export interface PriceOptions {
  /** What the configuration says of requests; a job wins over it. */
  readonly settings: Asked;
  readonly allowLoopback: boolean;
  readonly readMedia: ReadMedia;
  readonly prices: readonly PriceOverride[];
  /** What a job costs where the price list can't say it. */
  readonly priceCredits?: number | undefined;
}

/**
 * Checks one job against every rule of the API, and its media with it, also where something else is wrong: one report
 * names everything. Never throws for a wrong job.
 * @returns the job where nothing is wrong; else the problems; and all media, where each of them is named
 */
export async function priceJob(entry: JobEntry, options: PriceOptions) {
  const { draft: own, problems: unread } = readDraft(entry, entry.operation);
  const problems = [...entry.problems, ...unread];
  if (own === undefined) return { ...NOTHING_WRONG, problems };
  // Only the job itself says of what kind it is: a model of the settings makes no first frame of a reference image.
  const draft = { ...own, ...mergeAsked(own, options.settings) };
  const { allowLoopback } = options;
  const resolved = resolveRequest(draft, { allowLoopback, folder: entry.baseFolder });
  // A key whose variable is not known holds nothing: that it is missing or wrong is no further fault.
  const isUnfilled = ({ source }: Problem) => entry.problems.some((known) => source.startsWith(known.source));
  problems.push(...resolved.problems.filter((problem) => !isUnfilled(problem)));
  const { request, sources: mediaSources } = resolved;
  const media = await options.readMedia(resolved.media);
  const { reviews } = media;
  const isBroken = reviews.some((review) => review.problems.length > 0);
  if (request === undefined || problems.length > 0 || isBroken) return { problems, reviews, mediaSources };
  const job = new Job({
    entry,
    request,
    media,
    mediaSources,
    estimate: estimateCredits(request, { ...options, ...media }),
    projectChoices: projectChoices(draft, request.body),
    warnings: resolved.warnings.map(formatProblem),
  });
  return { job, problems, reviews, mediaSources };
}

const NOTHING_WRONG = { problems: [], reviews: [], mediaSources: [] };

/** More than any prompt: what is longer is measured with the rest of its request. */
const MAX_QUICK_CHARACTERS = 10_000;

/**
 * The job of an entry that differs from that of a checked job in its prompt alone, as thousands of rows do: what holds for
 * one holds for the other, but for the rules of prompts. Undefined where that is not the whole story.
 */
export function withPrompt(job: Job, entry: JobEntry) {
  const { prompt } = entry.value;
  if (typeof prompt !== 'string' || prompt.length > MAX_QUICK_CHARACTERS) return undefined;
  if (job.media.reviews.length + job.warnings.length + entry.problems.length > 0) return undefined;
  if (checkPrompt(prompt, job.request.operation, () => 0).next().done !== true) return undefined;
  const request = { ...job.request, body: { ...job.request.body, prompt } };
  return { ...NOTHING_WRONG, job: new Job({ ...job, entry, request }) };
}
