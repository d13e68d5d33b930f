import type { MediaKind } from '../request/limits.ts';
import { inspectFile } from './inspect-file.ts';
import { judgeMedia } from './judge-media.ts';
import { judgeTotal, trimToTotal } from './judge-total.ts';
import type { Inspection, MediaFacts, MediaProblem } from './media-facts.ts';
import { mendCommand } from './mend-command.ts';

/** One picture, clip or sound to look at. */
export interface MediaItem {
  /** `image 1`; for a file on its own, its path. */
  readonly name: string;
  /** `first frame`, where the place in the list means something. */
  readonly role?: string | undefined;
  /** As messages and commands show it: short, but right from the working directory. */
  readonly label: string;
  /** Absolute path, or URL. */
  readonly location: string;
  readonly isLocal: boolean;
  /** What it is to be; absent = whatever it is. */
  readonly kind?: MediaKind | undefined;
}

export interface MediaReview {
  readonly item: MediaItem;
  readonly facts?: MediaFacts | undefined;
  readonly problems: readonly MediaProblem[];
  readonly remarks: readonly string[];
  /** The command that makes a file which passes, as arguments. */
  readonly mend?: readonly string[] | undefined;
}

export interface ReviewOptions {
  /** Looks at a URL; without it URLs are taken as they are. */
  readonly checkUrl?: ((url: string) => Promise<Inspection>) | undefined;
  /** The items go into one request: clips of a kind have a limit together. */
  readonly isOneRequest: boolean;
}

/** Looks at each item, one after the other, and judges it by the limits of its kind. Sends nothing but URL checks. */
export async function reviewMedia(
  items: readonly MediaItem[],
  { checkUrl, isOneRequest }: ReviewOptions,
): Promise<readonly MediaReview[]> {
  const unchecked: Inspection = { problems: [], remarks: [] };
  // The same file may stand in several places.
  const seen = new Map<string, Promise<Inspection>>();
  const inspect = ({ location, isLocal }: MediaItem) => {
    const known = seen.get(location);
    if (known !== undefined) return known;
    const inspection = isLocal ? inspectFile(location) : (checkUrl?.(location) ?? Promise.resolve(unchecked));
    seen.set(location, inspection);
    return inspection;
  };
  const isRemote = items.some(({ isLocal }) => !isLocal) && checkUrl !== undefined;
  // Hosts are asked at the same time; files one by one, so that memory stays that of one.
  if (isRemote) await Promise.all(items.filter(({ isLocal }) => !isLocal).map(inspect));
  const reviews: MediaReview[] = [];
  for (const item of items) reviews.push(reviewOne(item, await inspect(item)));
  return isOneRequest ? withTotals(withTotals(reviews, 'video'), 'audio') : reviews;
}

/** Reviews of one request, with what has been found out of its URLs since. Pure. */
export function withUrlInspections(
  reviews: readonly MediaReview[],
  inspections: ReadonlyMap<string, Inspection>,
): readonly MediaReview[] {
  const all = reviews.map((review) => {
    const inspection = review.item.isLocal ? undefined : inspections.get(review.item.location);
    return inspection === undefined ? review : reviewOne(review.item, inspection);
  });
  return withTotals(withTotals(all, 'video'), 'audio');
}

function reviewOne(item: MediaItem, { facts, problems, remarks }: Inspection): MediaReview {
  const kind = item.kind ?? facts?.kind;
  if (facts === undefined) return { item, problems, remarks };
  if (kind === undefined) {
    const allowed = 'a picture, clip or sound is needed';
    return {
      item,
      facts,
      problems: [{ rule: 'type', is: `is ${facts.format.toUpperCase()}`, allowed }],
      remarks,
    };
  }
  const judged = problems.length > 0 ? { problems: [], remarks: [] } : judgeMedia(facts, kind);
  const all = [...problems, ...judged.problems];
  const mend =
    all.length > 0 && item.isLocal
      ? mendCommand({ path: item.label, kind, facts, problems: all })
      : undefined;
  return { item, facts, problems: all, remarks: [...remarks, ...judged.remarks], mend };
}

/** Adds a sum that is too long to each clip that has to become shorter. */
function withTotals(reviews: readonly MediaReview[], kind: MediaKind): readonly MediaReview[] {
  const clips = reviews.filter(({ item }) => item.kind === kind);
  const lengths = clips.map(({ facts }) => facts?.seconds);
  const problem = judgeTotal(lengths, kind);
  if (problem === undefined) return reviews;
  const known = lengths.map((seconds) => seconds ?? 0);
  const targets = lengths.includes(undefined) ? undefined : trimToTotal(known, kind);
  return reviews.map((review) => {
    const index = clips.indexOf(review);
    const target = targets?.[index];
    const isCut = index >= 0 && (target === undefined || target < (known[index] ?? 0));
    return isCut ? withTotal(review, problem, target) : review;
  });
}

function withTotal(review: MediaReview, problem: MediaProblem, target: number | undefined): MediaReview {
  const { item, facts } = review;
  const problems = [...review.problems, problem];
  if (target === undefined || !item.isLocal || item.kind === undefined) return { ...review, problems };
  const broken = { path: item.label, kind: item.kind, facts, problems, trimToSeconds: target };
  return { ...review, problems, mend: mendCommand(broken) };
}
