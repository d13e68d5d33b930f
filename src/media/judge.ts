import { formatBytes } from '../platform/text.ts';
import {
  MEDIA_KINDS,
  MEDIA_LIMITS,
  type MediaKind,
  type MediaLimits,
  type Range,
} from '../request/models.ts';
import {
  describePixels,
  formatNumber,
  type Inspection,
  type MediaFacts,
  type MediaProblem,
  type MediaRule,
} from './facts.ts';
import { fixCommand } from './fix-command.ts';
import { inspectFile } from './inspect.ts';

/** Encoders pad the end of a sound to a whole frame (of MP3, up to two of 26 ms each, LAME's delay included). */
const LENGTH_SLACK_SECONDS = 0.1;
/** 24000/1001 is what everybody calls 24, and a phone's 60 is 60.02. */
const FRAME_RATE_SLACK = 0.005;
const NOUNS = { image: 'an image', video: 'a video', audio: 'an audio file' } as const;
const SAFE_VIDEO_CODECS: readonly string[] = ['avc', 'hevc'];

/** One limit in numbers: what is measured, and how it is said. */
interface LimitRow {
  readonly rule: MediaRule;
  readonly range: (limits: MediaLimits) => Range | undefined;
  /** What must lie in the range; a value that is not known is not judged. */
  readonly values: (facts: MediaFacts) => readonly (number | undefined)[];
  readonly is: (facts: MediaFacts, value: number, range: Range) => string;
  readonly allowed: (range: Range) => string;
  /** So near the range the service may measure it the other way: a remark. */
  readonly slack?: (range: Range) => Range;
}

const LIMITS: readonly LimitRow[] = [
  {
    rule: 'size',
    range: ({ maxFileBytes }) => ({ min: 0, max: maxFileBytes }),
    values: ({ sizeBytes }) => [sizeBytes],
    is: (_, bytes, { max }) =>
      formatBytes(bytes) === formatBytes(max) ? `has ${bytes} bytes` : `has ${formatBytes(bytes)}`,
    allowed: ({ max }) => `at most ${formatBytes(max)} (${max} bytes)`,
  },
  {
    rule: 'sides',
    range: ({ sidePx }) => sidePx,
    values: ({ widthPx, heightPx }) => [widthPx, heightPx],
    is: (facts) => `has ${describePixels(facts)} px`,
    allowed: ({ min, max }) => `width and height must be ${min} to ${max} px`,
  },
  {
    rule: 'ratio',
    range: ({ widthByHeight }) => widthByHeight,
    values: ({ widthPx = Number.NaN, heightPx = Number.NaN }) => [widthPx / heightPx],
    // More digits where two would show the limit itself.
    is: (_, ratio, { min, max }) =>
      `is ${Number(ratio.toFixed(ratio > max * 1.01 || ratio < min * 0.99 ? 2 : 4))} times as wide as high`,
    allowed: ({ min, max }) => `width by height must be ${min} to ${max}`,
  },
  {
    rule: 'area',
    range: ({ areaPx }) => areaPx,
    values: ({ widthPx = Number.NaN, heightPx = Number.NaN }) => [widthPx * heightPx],
    is: (facts, areaPx) => `has ${areaPx} px in all (${describePixels(facts)})`,
    allowed: ({ min, max }) => `width times height must be ${min} to ${max} px`,
  },
  {
    rule: 'frame-rate',
    range: ({ framesPerSecond }) => framesPerSecond,
    values: ({ framesPerSecond }) => [framesPerSecond],
    is: (_, rate) => `is ${formatNumber(rate)} fps`,
    allowed: ({ min, max }) => `must be ${min} to ${max} fps`,
    slack: ({ min, max }) => ({ min: min * (1 - FRAME_RATE_SLACK), max: max * (1 + FRAME_RATE_SLACK) }),
  },
  {
    rule: 'length',
    range: ({ clipSeconds }) => clipSeconds,
    values: ({ seconds }) => [seconds],
    is: (_, seconds) => `is ${formatNumber(seconds)} s long`,
    allowed: ({ min, max }) => `must be ${min} to ${max} s`,
    slack: ({ min, max }) => ({ min: min - LENGTH_SLACK_SECONDS, max: max + LENGTH_SLACK_SECONDS }),
  },
];

/** Judges what is known of a file by every limit of its kind; what is not known is not judged. Pure. */
export function judgeMedia(facts: MediaFacts, kind: MediaKind): Inspection {
  const limits: MediaLimits = MEDIA_LIMITS[kind];
  const type = judgeType(facts, kind, limits);
  if (type !== undefined) return { problems: [type], remarks: [] };
  const problems: MediaProblem[] = [];
  const remarks: string[] = [];
  for (const row of LIMITS) {
    const range = row.range(limits);
    const value = range && row.values(facts).find((each) => each !== undefined && isOutside(each, range));
    if (range === undefined || value === undefined) continue;
    const [is, allowed] = [row.is(facts, value, range), row.allowed(range)];
    if (row.slack === undefined || isOutside(value, row.slack(range)))
      problems.push({ rule: row.rule, is, allowed });
    else remarks.push(`${is}; it ${allowed}, so it may be refused`);
  }
  // The documents name containers only.
  const { videoCodec } = facts;
  if (kind === 'video' && videoCodec !== undefined && !SAFE_VIDEO_CODECS.includes(videoCodec))
    remarks.push(`is coded as ${videoCodec}; the service may expect H.264`);
  return { problems, remarks };
}

function judgeType(facts: MediaFacts, kind: MediaKind, { formats }: MediaLimits): MediaProblem | undefined {
  const allowed = `${NOUNS[kind]} must be ${formats.join(' or ')}`;
  if (!formats.includes(facts.format))
    return { rule: 'type', is: `is ${facts.format.toUpperCase()}`, allowed };
  const isSoundOnly = kind === 'video' && facts.videoCodec === undefined && facts.audioCodec !== undefined;
  return isSoundOnly ? { rule: 'type', is: 'has sound and no picture', allowed } : undefined;
}

/** What is not known (NaN) is on neither side. */
function isOutside(value: number, { min, max }: Range): boolean {
  const slack = 1e-6;
  return value < min - slack || value > max + slack;
}

/** Lengths of the clips of one kind; undefined where one is not known. */
type Lengths = readonly (number | undefined)[];

/** The sum of what is known, and whether that is all. */
export function sumSeconds(lengths: Lengths): { readonly knownSeconds: number; readonly isWhole: boolean } {
  const knownSeconds = lengths.reduce<number>((sum, seconds = 0) => sum + seconds, 0);
  return { knownSeconds, isWhole: !lengths.includes(undefined) };
}

/** Whether all clips of a kind are too long together. The known ones alone can be too long already. */
export function judgeTotal(lengths: Lengths, kind: MediaKind): MediaProblem | undefined {
  const { maxTotalSeconds = Number.POSITIVE_INFINITY }: MediaLimits = MEDIA_LIMITS[kind];
  const { knownSeconds } = sumSeconds(lengths);
  if (lengths.length < 2 || knownSeconds <= maxTotalSeconds + LENGTH_SLACK_SECONDS) return undefined;
  const each = lengths.map((seconds) => (seconds === undefined ? '?' : formatNumber(seconds))).join(' + ');
  const is = `are ${formatNumber(knownSeconds)} s together (${each})`;
  return { rule: 'total-length', is, allowed: `at most ${maxTotalSeconds} s` };
}

/**
 * How long each clip may stay so that all fit: the longest are cut first, none below what one clip must have. Undefined
 * where that can't be done.
 */
export function trimToTotal(lengths: Lengths, kind: MediaKind): readonly number[] | undefined {
  const { maxTotalSeconds = Number.POSITIVE_INFINITY, clipSeconds }: MediaLimits = MEDIA_LIMITS[kind];
  const seconds = lengths.filter((each) => each !== undefined);
  if (!clipSeconds || seconds.length < lengths.length || seconds.length * clipSeconds.min > maxTotalSeconds)
    return undefined;
  // The highest common ceiling under which the sum fits, to a tenth of a second.
  const sumUnder = (ceiling: number) => seconds.reduce((sum, each) => sum + Math.min(each, ceiling), 0);
  let ceilingTenths = Math.floor(clipSeconds.max * 10);
  while (ceilingTenths > clipSeconds.min * 10 && sumUnder(ceilingTenths / 10) > maxTotalSeconds)
    ceilingTenths -= 1;
  return seconds.map((each) => Math.min(each, ceilingTenths / 10));
}

/** One image, video or audio file to look at. */
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

export interface MediaReview extends Inspection {
  readonly item: MediaItem;
  /** The command that makes a file which passes, as arguments. */
  readonly fix?: readonly string[] | undefined;
}

const UNCHECKED: Inspection = { problems: [], remarks: [] };

/**
 * Looks at each item, one after the other, and judges it by the limits of its kind. Sends nothing but URL checks.
 * @param options `checkUrl` looks at a URL, without it URLs are not looked at; `isOneRequest`: the items go into one
 * request, where clips of a kind have a limit together
 */
export async function reviewMedia(
  items: readonly MediaItem[],
  {
    checkUrl = async () => UNCHECKED,
    isOneRequest,
  }: {
    readonly checkUrl?: ((url: string) => Promise<Inspection>) | undefined;
    readonly isOneRequest: boolean;
  },
): Promise<readonly MediaReview[]> {
  // The same file may stand in several places.
  const seen = new Map<string, Promise<Inspection>>();
  const inspect = ({ location, isLocal }: MediaItem): Promise<Inspection> => {
    const inspection = seen.get(location) ?? (isLocal ? inspectFile : checkUrl)(location);
    seen.set(location, inspection);
    return inspection;
  };
  const reviews = await Promise.all(items.map(async (item) => reviewOne(item, await inspect(item))));
  return isOneRequest ? MEDIA_KINDS.reduce(withTotal, reviews) : reviews;
}

function reviewOne(item: MediaItem, { facts, problems, remarks }: Inspection): MediaReview {
  const kind = item.kind ?? facts?.kind;
  if (facts === undefined) return { item, problems, remarks };
  if (kind === undefined) {
    const is = `is ${facts.format.toUpperCase()}`;
    const allowed = 'an image, video or audio file is needed';
    return { item, facts, problems: [{ rule: 'type', is, allowed }], remarks };
  }
  const judged = problems.length > 0 ? { problems, remarks: [] } : judgeMedia(facts, kind);
  const isFixable = judged.problems.length > 0 && item.isLocal;
  const broken = { path: item.label, kind, facts, problems: judged.problems };
  return {
    item,
    facts,
    problems: judged.problems,
    remarks: [...remarks, ...judged.remarks],
    fix: isFixable ? fixCommand(broken) : undefined,
  };
}

/** Adds a sum that is too long to each clip that has to become shorter. */
function withTotal(reviews: readonly MediaReview[], kind: MediaKind): readonly MediaReview[] {
  const clips = reviews.filter(({ item }) => item.kind === kind);
  const lengths = clips.map(({ facts }) => facts?.seconds);
  const problem = judgeTotal(lengths, kind);
  if (problem === undefined) return reviews;
  const targets = trimToTotal(lengths, kind);
  return reviews.map((review) => {
    const { item, facts } = review;
    const index = clips.indexOf(review);
    const trimToSeconds = targets?.[index];
    if (index < 0 || (trimToSeconds !== undefined && trimToSeconds >= (lengths[index] ?? 0))) return review;
    const problems = [...review.problems, problem];
    if (trimToSeconds === undefined || !item.isLocal || facts === undefined) return { ...review, problems };
    return {
      ...review,
      problems,
      fix: fixCommand({ path: item.label, kind, facts, problems, trimToSeconds }),
    };
  });
}
