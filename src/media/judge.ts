import { formatBytes } from '../platform/text.ts';
import {
  MEDIA_KINDS,
  MEDIA_LIMITS,
  type MediaKind,
  type MediaLimits,
  type Range,
} from '../request/models.ts';
import {
  formatNumber,
  type Inspection,
  type MediaFacts,
  type MediaProblem,
  type MediaRule,
} from './facts.ts';
import { fixCommand } from './fix-command.ts';
import { inspectFile } from './inspect.ts';

/**
 * So near a limit the service may measure a clip the other way: encoders pad the end of a sound to a whole frame (of MP3, up to
 * two of 26 ms each), 24000/1001 is what everybody calls 24, and a phone's 60 is 60.02.
 */
const SLACK = { length: 0.1, 'frame-rate': 0.3 } as const;
const NOUNS = { image: 'an image', video: 'a video', audio: 'an audio file' } as const;
const SAFE_VIDEO_CODECS: readonly string[] = ['avc', 'hevc'];

/** One limit in numbers: what must lie in which range. A value that is not known (NaN) is not judged. */
type LimitRow = readonly [
  rule: keyof typeof SLACK | 'size' | 'sides' | 'ratio' | 'area',
  range: Range | undefined,
  values: readonly number[],
  is: string,
  allowed: string,
];

function limitsOf(facts: MediaFacts, limits: MediaLimits): readonly LimitRow[] {
  const { sizeBytes, framesPerSecond: rate = Number.NaN, seconds = Number.NaN } = facts;
  const { widthPx: width = Number.NaN, heightPx: height = Number.NaN } = facts;
  const { maxFileBytes, sidePx, widthByHeight, areaPx, framesPerSecond, clipSeconds } = limits;
  const ratio = width / height;
  // More digits where fewer would show the limit itself.
  const size =
    formatBytes(sizeBytes) === formatBytes(maxFileBytes) ? `${sizeBytes} bytes` : formatBytes(sizeBytes);
  const times = Number(ratio.toFixed(widthByHeight && isOutside(ratio, widthByHeight, 0.02) ? 2 : 4));
  const most = `${formatBytes(maxFileBytes)} (${maxFileBytes} bytes)`;
  const within = (range: Range | undefined) => `must be ${range?.min} to ${range?.max}`;
  const area = width * height;
  return [
    ['size', { min: 0, max: maxFileBytes }, [sizeBytes], `has ${size}`, `at most ${most}`],
    ['sides', sidePx, [width, height], `has ${width}×${height} px`, `width and height ${within(sidePx)} px`],
    [
      'ratio',
      widthByHeight,
      [ratio],
      `is ${times} times as wide as high`,
      `width by height ${within(widthByHeight)}`,
    ],
    [
      'area',
      areaPx,
      [area],
      `has ${area} px in all (${width}×${height})`,
      `width times height ${within(areaPx)} px`,
    ],
    ['frame-rate', framesPerSecond, [rate], `is ${formatNumber(rate)} fps`, `${within(framesPerSecond)} fps`],
    ['length', clipSeconds, [seconds], `is ${formatNumber(seconds)} s long`, `${within(clipSeconds)} s`],
  ];
}

/** Judges what is known of a file by every limit of its kind; what is not known is not judged. Pure. */
export function judgeMedia(facts: MediaFacts, kind: MediaKind): Inspection {
  const limits: MediaLimits = MEDIA_LIMITS[kind];
  const { format, videoCodec, audioCodec } = facts;
  const isSoundOnly = kind === 'video' && videoCodec === undefined && audioCodec !== undefined;
  if (!limits.formats.includes(format) || isSoundOnly) {
    const is = limits.formats.includes(format) ? 'has sound and no picture' : `is ${format.toUpperCase()}`;
    const allowed = `${NOUNS[kind]} must be ${limits.formats.join(' or ')}`;
    return { problems: [{ rule: 'type', is, allowed }], remarks: [] };
  }
  const problems: MediaProblem[] = [];
  const remarks: string[] = [];
  const slacks: Partial<Record<MediaRule, number>> = SLACK;
  for (const [rule, range, values, is, allowed] of limitsOf(facts, limits)) {
    if (range === undefined || !values.some((value) => isOutside(value, range))) continue;
    if (values.some((value) => isOutside(value, range, slacks[rule]))) problems.push({ rule, is, allowed });
    else remarks.push(`${is}; it ${allowed}, so it may be refused`);
  }
  // The documents name containers only.
  if (kind === 'video' && videoCodec !== undefined && !SAFE_VIDEO_CODECS.includes(videoCodec))
    remarks.push(`is coded as ${videoCodec}; the service may expect H.264`);
  return { problems, remarks };
}

function isOutside(value: number, { min, max }: Range, slack = 1e-6): boolean {
  return value < min - slack || value > max + slack;
}

/** Lengths of the clips of one kind; undefined where one is not known. */
type Lengths = readonly (number | undefined)[];

/** Whether all clips of a kind are too long together. The known ones alone can be too long already. */
export function judgeTotal(lengths: Lengths, kind: MediaKind): MediaProblem | undefined {
  const { maxTotalSeconds = Number.POSITIVE_INFINITY }: MediaLimits = MEDIA_LIMITS[kind];
  const knownSeconds = lengths.reduce<number>((sum, seconds = 0) => sum + seconds, 0);
  if (lengths.length < 2 || knownSeconds <= maxTotalSeconds + SLACK.length) return undefined;
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

/**
 * Looks at each item, one after the other, and judges it by the limits of its kind. Sends nothing but URL checks.
 * @param options `checkUrl` looks at a URL, without it URLs are not looked at; `isOneRequest`: the items go into one
 * request, where clips of a kind have a limit together
 */
export async function reviewMedia(
  items: readonly MediaItem[],
  options: {
    readonly checkUrl?: ((url: string) => Promise<Inspection>) | undefined;
    readonly isOneRequest: boolean;
  },
): Promise<readonly MediaReview[]> {
  const unchecked = async (): Promise<Inspection> => ({ problems: [], remarks: [] });
  // The same file may stand in several places.
  const seen = new Map<string, Promise<Inspection>>();
  const reviews = await Promise.all(
    items.map(async (item) => {
      const look = item.isLocal ? inspectFile : (options.checkUrl ?? unchecked);
      const inspection = seen.get(item.location) ?? look(item.location);
      seen.set(item.location, inspection);
      return reviewOne(item, await inspection);
    }),
  );
  return options.isOneRequest ? MEDIA_KINDS.reduce(withTotal, reviews) : reviews;
}

function reviewOne(item: MediaItem, { facts, problems, remarks }: Inspection): MediaReview {
  const kind = item.kind ?? facts?.kind;
  if (facts === undefined) return { item, problems, remarks };
  if (kind === undefined) {
    const allowed = 'an image, video or audio file is needed';
    return {
      item,
      facts,
      problems: [{ rule: 'type', is: `is ${facts.format.toUpperCase()}`, allowed }],
      remarks,
    };
  }
  const judged = problems.length > 0 ? { problems, remarks: [] } : judgeMedia(facts, kind);
  return withFix({ item, facts, problems: judged.problems, remarks: [...remarks, ...judged.remarks] }, kind);
}

function withFix(review: MediaReview, kind: MediaKind, trimToSeconds?: number): MediaReview {
  const { item, facts, problems } = review;
  if (problems.length === 0 || !item.isLocal || facts === undefined) return review;
  return { ...review, fix: fixCommand({ path: item.label, kind, facts, problems, trimToSeconds }) };
}

/** Adds a sum that is too long to each clip that has to become shorter. */
function withTotal(reviews: readonly MediaReview[], kind: MediaKind): readonly MediaReview[] {
  const clips = reviews.filter(({ item }) => item.kind === kind);
  const lengths = clips.map(({ facts }) => facts?.seconds);
  const problem = judgeTotal(lengths, kind);
  if (problem === undefined) return reviews;
  const targets = trimToTotal(lengths, kind);
  return reviews.map((review) => {
    const index = clips.indexOf(review);
    const target = targets?.[index];
    if (index < 0 || (target !== undefined && target >= (lengths[index] ?? 0))) return review;
    const longer = { ...review, problems: [...review.problems, problem] };
    return target === undefined ? longer : withFix(longer, kind, target);
  });
}
