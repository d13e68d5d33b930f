import type { AspectRatio, Quality } from './models.ts';
import type { Operation } from './types.ts';

export const MEDIA_KINDS = ['image', 'video', 'audio'] as const;
export type MediaKind = (typeof MEDIA_KINDS)[number];

export interface Range {
  readonly min: number;
  readonly max: number;
}

/** Seconds of the finished video; whole numbers. */
export const DURATION_SECONDS = { min: 4, max: 15 } as const satisfies Range;

/** How many files of each kind an operation takes. `max: 0` = the operation has no such field. */
export const MEDIA_COUNTS = {
  t2v: { image: { min: 0, max: 0 }, video: { min: 0, max: 0 }, audio: { min: 0, max: 0 } },
  i2v: { image: { min: 1, max: 2 }, video: { min: 0, max: 0 }, audio: { min: 0, max: 0 } },
  ref: { image: { min: 0, max: 9 }, video: { min: 0, max: 3 }, audio: { min: 0, max: 3 } },
} as const satisfies Record<Operation, Record<MediaKind, Range>>;

/**
 * The documents say "MB" without saying which. The larger reading is used, so that no file is refused here that the
 * service would take.
 */
const MB = 1024 * 1024;

export interface MediaLimits {
  readonly formats: readonly string[];
  readonly fileExtensions: readonly string[];
  readonly maxFileBytes: number;
  /** Width and height, each. */
  readonly sidePx?: Range;
  /** Width divided by height. */
  readonly widthByHeight?: Range;
  /** Width times height. */
  readonly areaPx?: Range;
  readonly framesPerSecond?: Range;
  readonly clipSeconds?: Range;
  /** All clips of the kind together. */
  readonly maxTotalSeconds?: number;
}

/** What a reference file may be, by kind. */
export const MEDIA_LIMITS = {
  image: {
    formats: ['jpeg', 'png', 'webp'],
    fileExtensions: ['.jpeg', '.jpg', '.png', '.webp'],
    maxFileBytes: 30 * MB,
    sidePx: { min: 300, max: 6000 },
    widthByHeight: { min: 0.4, max: 2.5 },
  },
  video: {
    formats: ['mp4', 'mov'],
    fileExtensions: ['.mp4', '.mov'],
    maxFileBytes: 50 * MB,
    sidePx: { min: 300, max: 6000 },
    widthByHeight: { min: 0.4, max: 2.5 },
    areaPx: { min: 409_600, max: 2_086_876 },
    framesPerSecond: { min: 24, max: 60 },
    clipSeconds: { min: 2, max: 15 },
    maxTotalSeconds: 15,
  },
  audio: {
    formats: ['wav', 'mp3'],
    fileExtensions: ['.wav', '.mp3'],
    maxFileBytes: 15 * MB,
    clipSeconds: { min: 2, max: 15 },
    maxTotalSeconds: 15,
  },
} as const satisfies Record<MediaKind, MediaLimits>;

export const MAX_CALLBACK_URL_CHARACTERS = 2048;
export const MAX_BODY_BYTES = 64 * MB;

export const PROMPT_LIMITS = {
  /** Hard. */
  maxTokens: 10_000,
  /** Recommended, for Chinese, Japanese and Korean. */
  recommendedCjkCharacters: 500,
  /** Recommended, for English and other languages that part words by spaces. */
  recommendedWords: 1000,
} as const;

export interface OutputPixels {
  readonly widthPx: number;
  readonly heightPx: number;
}

type Row = Readonly<Record<Quality, readonly [widthPx: number, heightPx: number]>>;

/** Width and height of the finished video, as all three API documents list them. */
const OUTPUT_PIXELS: Readonly<Record<Exclude<AspectRatio, 'adaptive'>, Row>> = {
  '16:9': { '480p': [864, 496], '720p': [1280, 720], '1080p': [1920, 1080], '4k': [3840, 2160] },
  '4:3': { '480p': [752, 560], '720p': [1112, 834], '1080p': [1664, 1248], '4k': [3326, 2494] },
  '1:1': { '480p': [640, 640], '720p': [960, 960], '1080p': [1440, 1440], '4k': [2880, 2880] },
  '3:4': { '480p': [560, 752], '720p': [834, 1112], '1080p': [1248, 1664], '4k': [2494, 3326] },
  '9:16': { '480p': [496, 864], '720p': [720, 1280], '1080p': [1080, 1920], '4k': [2160, 3840] },
  '21:9': { '480p': [992, 432], '720p': [1470, 630], '1080p': [2206, 946], '4k': [4398, 1886] },
};

function isKeyOf<T extends object>(table: T, key: string): key is Extract<keyof T, string> {
  return Object.hasOwn(table, key);
}

/**
 * The pixels of the finished video. Undefined where they cannot be known beforehand: `adaptive`, and any quality or
 * ratio outside the tables (a model this version does not know).
 */
export function outputPixels(quality: string, aspectRatio: string): OutputPixels | undefined {
  if (!isKeyOf(OUTPUT_PIXELS, aspectRatio)) return undefined;
  const row = OUTPUT_PIXELS[aspectRatio];
  if (!isKeyOf(row, quality)) return undefined;
  const [widthPx, heightPx] = row[quality];
  return { widthPx, heightPx };
}
