import { formatBytes } from '../download/format-bytes.ts';
import { MEDIA_LIMITS, type MediaKind, type MediaLimits, type Range } from '../request/limits.ts';
import { describePixels, formatNumber } from './describe-facts.ts';
import type { MediaFacts, MediaProblem } from './media-facts.ts';

export interface Judgement {
  readonly problems: readonly MediaProblem[];
  /** So near a limit that the service may measure it the other way. */
  readonly remarks: readonly string[];
}

/** Encoders pad the end of a sound to a whole frame (of MP3, up to two of 26 ms each, LAME's delay included). */
export const LENGTH_SLACK_SECONDS = 0.1;
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
