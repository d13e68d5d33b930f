import { formatBytes } from '../platform/text.ts';
import {
  MEDIA_KINDS,
  MEDIA_LIMITS,
  type MediaKind,
  type MediaLimits,
  type Range,
} from '../request/models.ts';
import type { CheckUrl } from './check-url.ts';
import { formatNumber, type Inspection, type MediaFacts, type MediaProblem } from './facts.ts';
import { fixCommand } from './fix-command.ts';
import { inspectFile } from './inspect.ts';

/**
 * So near a limit the service may measure a clip the other way: encoders pad the end of a sound to a whole frame (of MP3, up to
 * two of 26 ms each), 24000/1001 is what everybody calls 24, and a phone's 60 is 60.02.
 */
const LENGTH_SLACK = 0.1;
const RATE_SLACK = 0.3;
/** What rounding makes of a number. */
const NO_SLACK = 1e-6;
const NOUNS = { image: 'an image', video: 'a video', audio: 'an audio file' } as const;
const SAFE_VIDEO_CODECS: readonly string[] = ['avc', 'hevc'];

/** Judges what is known of a file by every limit of its kind; what is not known (NaN) is not judged. Pure. */
export function judgeMedia(facts: MediaFacts, kind: MediaKind): Inspection {
  const limits: MediaLimits = MEDIA_LIMITS[kind];
  const { format, videoCodec, audioCodec, sizeBytes } = facts;
  const isSoundOnly = kind === 'video' && videoCodec === undefined && audioCodec !== undefined;
  if (!limits.formats.includes(format) || isSoundOnly) {
    const is = limits.formats.includes(format) ? 'has sound and no picture' : `is ${format.toUpperCase()}`;
    const allowed = `${NOUNS[kind]} must be ${limits.formats.join(' or ')}`;
    return { problems: [{ rule: 'type', is, allowed }], remarks: [] };
  }
  const problems: MediaProblem[] = [];
  const remarks: string[] = [];
  const sizeOf = (bytes: number) => `${formatBytes(bytes)} (${bytes} bytes)`;
  if (sizeBytes > limits.maxFileBytes) {
    const allowed = `at most ${sizeOf(limits.maxFileBytes)}`;
    problems.push({ rule: 'size', is: `has ${sizeOf(sizeBytes)}`, allowed });
  }
  const { widthPx: width = Number.NaN, heightPx: height = Number.NaN } = facts;
  const { framesPerSecond: rate = Number.NaN, seconds = Number.NaN } = facts;
  const [ratio, area] = [width / height, width * height];
  const rows = [
    ['sides', limits.sidePx, [width, height], `has ${width}×${height} px`, 'width and height ', ' px'],
    [
      'ratio',
      limits.widthByHeight,
      [ratio],
      `is ${+ratio.toFixed(4)} times as wide as high`,
      'width by height ',
    ],
    ['area', limits.areaPx, [area], `has ${area} px in all`, 'width times height ', ' px'],
    ['frame-rate', limits.framesPerSecond, [rate], `is ${formatNumber(rate)} fps`, '', ' fps', RATE_SLACK],
    ['length', limits.clipSeconds, [seconds], `is ${formatNumber(seconds)} s long`, '', ' s', LENGTH_SLACK],
  ] as const;
  for (const [rule, range, values, is, what, unit = '', slack = NO_SLACK] of rows) {
    if (range === undefined || !values.some((value) => isOutside(value, range, NO_SLACK))) continue;
    const allowed = `${what}must be ${range.min} to ${range.max}${unit}`;
    if (values.some((value) => isOutside(value, range, slack))) problems.push({ rule, is, allowed });
    else remarks.push(`${is}; it ${allowed}, so it may be refused`);
  }
  // The documents name containers only.
  if (kind === 'video' && videoCodec !== undefined && !SAFE_VIDEO_CODECS.includes(videoCodec))
    remarks.push(`is coded as ${videoCodec}; the service may expect H.264`);
  return { problems, remarks };
}

function isOutside(value: number, { min, max }: Range, slack: number): boolean {
  return value < min - slack || value > max + slack;
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
    readonly checkUrl?: CheckUrl | undefined;
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
  if (facts === undefined) return { item, problems, remarks };
  const kind = item.kind ?? facts.kind;
  if (kind === undefined) {
    const allowed = 'an image, video or audio file is needed';
    const unknown = { rule: 'type', is: `is ${facts.format.toUpperCase()}`, allowed } as const;
    return { item, facts, problems: [unknown], remarks };
  }
  const judged = problems.length > 0 ? { problems, remarks: [] } : judgeMedia(facts, kind);
  return withFix({ item, facts, problems: judged.problems, remarks: [...remarks, ...judged.remarks] }, kind);
}

function withFix(review: MediaReview, kind: MediaKind, mostSeconds?: number): MediaReview {
  const { item, facts, problems } = review;
  if (problems.length === 0 || !item.isLocal || facts === undefined) return review;
  return { ...review, fix: fixCommand(item.label, kind, facts, problems, mostSeconds) };
}

/** Where all clips of a kind are too long together, the longest has to become shorter. The known ones alone can be too long already. */
function withTotal(reviews: readonly MediaReview[], kind: MediaKind): readonly MediaReview[] {
  const { maxTotalSeconds = Number.POSITIVE_INFINITY }: MediaLimits = MEDIA_LIMITS[kind];
  const clips = reviews.filter(({ item }) => item.kind === kind);
  const lengths = clips.map(({ facts }) => facts?.seconds);
  const total = lengths.reduce<number>((sum, seconds = 0) => sum + seconds, 0);
  if (clips.length < 2 || total <= maxTotalSeconds + LENGTH_SLACK) return reviews;
  const each = lengths.map((seconds) => (seconds === undefined ? '?' : formatNumber(seconds))).join(' + ');
  const is = `are ${formatNumber(total)} s together (${each})`;
  const most = Math.max(...lengths.map((seconds = 0) => seconds));
  const longest = clips.find(({ facts }) => facts?.seconds === most);
  return reviews.map((review) => {
    if (review !== longest) return review;
    const problem = { rule: 'total-length', is, allowed: `at most ${maxTotalSeconds} s` } as const;
    const longer = { ...review, problems: [...review.problems, problem] };
    return withFix(longer, kind, most - (total - maxTotalSeconds));
  });
}
