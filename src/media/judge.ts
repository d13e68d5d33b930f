import { formatBytes } from '../platform/format-bytes.ts';
import { MEDIA_LIMITS, type MediaKind, type MediaLimits, type Range } from '../request/models.ts';
import {
  describePixels,
  formatNumber,
  type Inspection,
  type MediaFacts,
  type MediaProblem,
} from './facts.ts';
import { mendCommand } from './fix-command.ts';
import { inspectFile } from './inspect.ts';

export interface Judgement {
  readonly problems: readonly MediaProblem[];
  /** So near a limit that the service may measure it the other way. */
  readonly remarks: readonly string[];
}

/** Encoders pad the end of a sound to a whole frame (of MP3, up to two of 26 ms each, LAME's delay included). */
const LENGTH_SLACK_SECONDS = 0.1;
/** 24000/1001 is what everybody calls 24, and a phone's 60 is 60.02. */
const FRAME_RATE_SLACK = 0.005;
const NOUNS = { image: 'a picture', video: 'a clip', audio: 'a sound' } as const;
const SAFE_VIDEO_CODECS: readonly string[] = ['avc', 'hevc'];

/** Judges what is known of a file by every limit of its kind; what is not known is not judged. Pure. */
export function judgeMedia(facts: MediaFacts, kind: MediaKind): Judgement {
  const limits: MediaLimits = MEDIA_LIMITS[kind];
  const type = judgeType(facts, kind, limits);
  if (type !== undefined) return { problems: [type], remarks: [] };
  const judged = [
    judgeSize(facts, limits),
    judgeSides(facts, limits.sidePx),
    judgeRatio(facts, limits.widthByHeight),
    judgeArea(facts, limits.areaPx),
    judgeFrameRate(facts, limits.framesPerSecond),
    judgeLength(facts, limits.clipSeconds),
    judgeCodec(facts, kind),
  ];
  return {
    problems: judged.filter((each) => typeof each === 'object'),
    remarks: judged.filter((each) => typeof each === 'string'),
  };
}

function judgeType(facts: MediaFacts, kind: MediaKind, { formats }: MediaLimits): MediaProblem | undefined {
  const allowed = `${NOUNS[kind]} must be ${formats.join(' or ')}`;
  if (!formats.includes(facts.format))
    return { rule: 'type', is: `is ${facts.format.toUpperCase()}`, allowed };
  const isSoundOnly = kind === 'video' && facts.videoCodec === undefined && facts.audioCodec !== undefined;
  return isSoundOnly ? { rule: 'type', is: 'has sound and no picture', allowed } : undefined;
}

function judgeSize({ sizeBytes }: MediaFacts, { maxFileBytes }: MediaLimits): MediaProblem | undefined {
  if (sizeBytes <= maxFileBytes) return undefined;
  const is =
    formatBytes(sizeBytes) === formatBytes(maxFileBytes) ? `${sizeBytes} bytes` : formatBytes(sizeBytes);
  return {
    rule: 'size',
    is: `has ${is}`,
    allowed: `at most ${formatBytes(maxFileBytes)}${is.endsWith('bytes') ? ` (${maxFileBytes} bytes)` : ''}`,
  };
}

type Verdict = MediaProblem | string | undefined;

function judgeSides(facts: MediaFacts, range: Range | undefined): Verdict {
  const pixels = describePixels(facts);
  if (range === undefined || pixels === undefined) return undefined;
  const isInside = [facts.widthPx, facts.heightPx].every((px) => px !== undefined && isIn(px, range));
  if (isInside) return undefined;
  const allowed = `width and height must be ${range.min} to ${range.max} px`;
  return { rule: 'sides', is: `has ${pixels} px`, allowed };
}

function judgeRatio({ widthPx, heightPx }: MediaFacts, range: Range | undefined): Verdict {
  if (range === undefined || widthPx === undefined || heightPx === undefined) return undefined;
  const ratio = widthPx / heightPx;
  if (isIn(ratio, range)) return undefined;
  // Three digits where two would show the limit itself.
  const shown = Number(ratio.toFixed(ratio > range.max * 1.01 || ratio < range.min * 0.99 ? 2 : 4));
  return {
    rule: 'ratio',
    is: `is ${shown} times as wide as high`,
    allowed: `width by height must be ${range.min} to ${range.max}`,
  };
}

function judgeArea({ widthPx, heightPx }: MediaFacts, range: Range | undefined): Verdict {
  if (range === undefined || widthPx === undefined || heightPx === undefined) return undefined;
  const areaPx = widthPx * heightPx;
  if (isIn(areaPx, range)) return undefined;
  const allowed = `width times height must be ${range.min} to ${range.max} px`;
  return { rule: 'area', is: `has ${areaPx} px in all (${widthPx}×${heightPx})`, allowed };
}

function judgeFrameRate({ framesPerSecond: rate }: MediaFacts, range: Range | undefined): Verdict {
  if (range === undefined || rate === undefined || isIn(rate, range)) return undefined;
  const is = `has ${formatNumber(rate)} frames a second`;
  const allowed = `${range.min} to ${range.max} are taken`;
  const isNear = isIn(rate, {
    min: range.min * (1 - FRAME_RATE_SLACK),
    max: range.max * (1 + FRAME_RATE_SLACK),
  });
  return isNear ? `${is}; ${allowed}, so it may be refused` : { rule: 'frame-rate', is, allowed };
}

function judgeLength({ seconds }: MediaFacts, range: Range | undefined): Verdict {
  if (range === undefined || seconds === undefined || isIn(seconds, range)) return undefined;
  const is = `is ${formatNumber(seconds)} s long`;
  const allowed = `${range.min} to ${range.max} s are taken`;
  const isNear = isIn(seconds, {
    min: range.min - LENGTH_SLACK_SECONDS,
    max: range.max + LENGTH_SLACK_SECONDS,
  });
  return isNear ? `${is}; ${allowed}, so it may be refused` : { rule: 'length', is, allowed };
}

/** The documents name containers only; other codecs in them are rare enough to be told of. */
function judgeCodec({ videoCodec }: MediaFacts, kind: MediaKind): Verdict {
  if (kind !== 'video' || videoCodec === undefined || SAFE_VIDEO_CODECS.includes(videoCodec))
    return undefined;
  return `is coded as ${videoCodec}; the service may expect H.264`;
}

function isIn(value: number, { min, max }: Range): boolean {
  const slack = 1e-6;
  return value >= min - slack && value <= max + slack;
}

/** Lengths of the clips of one kind; undefined where one is not known. */
export type Lengths = readonly (number | undefined)[];

/** The sum of what is known, and whether that is all. */
export function sumSeconds(lengths: Lengths): { readonly knownSeconds: number; readonly isWhole: boolean } {
  const known = lengths.filter((seconds) => seconds !== undefined);
  return {
    knownSeconds: known.reduce((sum, seconds) => sum + seconds, 0),
    isWhole: known.length === lengths.length,
  };
}

/** Whether all clips of a kind are too long together. The known ones alone can be too long already. */
export function judgeTotal(lengths: Lengths, kind: MediaKind): MediaProblem | undefined {
  const limits: MediaLimits = MEDIA_LIMITS[kind];
  const { knownSeconds } = sumSeconds(lengths);
  if (limits.maxTotalSeconds === undefined || lengths.length < 2) return undefined;
  if (knownSeconds <= limits.maxTotalSeconds + LENGTH_SLACK_SECONDS) return undefined;
  const each = lengths.map((seconds) => (seconds === undefined ? '?' : formatNumber(seconds))).join(' + ');
  return {
    rule: 'total-length',
    is: `are ${formatNumber(knownSeconds)} s together (${each})`,
    allowed: `at most ${limits.maxTotalSeconds} s`,
  };
}

/**
 * How long each clip may stay so that all fit: the longest are cut first, none below what one clip must have. Undefined
 * where that can't be done.
 */
export function trimToTotal(seconds: readonly number[], kind: MediaKind): readonly number[] | undefined {
  const limits: MediaLimits = MEDIA_LIMITS[kind];
  const { maxTotalSeconds, clipSeconds } = limits;
  if (maxTotalSeconds === undefined || clipSeconds === undefined) return undefined;
  if (seconds.length * clipSeconds.min > maxTotalSeconds) return undefined;
  // The highest common ceiling under which the sum fits, to a tenth of a second.
  const sumUnder = (ceiling: number) => seconds.reduce((sum, each) => sum + Math.min(each, ceiling), 0);
  let ceilingTenths = Math.floor(clipSeconds.max * 10);
  while (ceilingTenths > clipSeconds.min * 10 && sumUnder(ceilingTenths / 10) > maxTotalSeconds)
    ceilingTenths -= 1;
  return seconds.map((each) => Math.min(each, ceilingTenths / 10));
}

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
