/** The three operations of `POST /v1/videos/generations`; each is a command of the same name. */
export const OPERATIONS = ['t2v', 'i2v', 'ref'] as const;
export type Operation = (typeof OPERATIONS)[number];

/** Names of the operations as model ids spell them. */
export const OPERATION_NAMES = {
  t2v: 'text-to-video',
  i2v: 'image-to-video',
  ref: 'reference-to-video',
} as const satisfies Record<Operation, string>;

export const TIERS = ['standard', 'fast', 'mini'] as const;
/** What `--tier` chooses from, and the group of the models that only `--model` reaches. */
export type Tier = (typeof TIERS)[number] | 'seedance-2.5';

export const QUALITIES = ['480p', '720p', '1080p', '4k'] as const;
type Quality = (typeof QUALITIES)[number];

export const ASPECT_RATIOS = ['16:9', '9:16', '1:1', '4:3', '3:4', '21:9', 'adaptive'] as const;

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

export interface ModelRow {
  readonly id: string;
  readonly operation: Operation;
  readonly tier: Tier;
  /** Known from second hand only: reached by its id alone. */
  readonly isPreview: boolean;
  readonly media: Readonly<Record<MediaKind, Range>>;
  /** What its fields may hold, by key; where the default of the field is not among them, the first is. */
  readonly limits: {
    /** `open`: -1 leaves the length to the model, as another value or as the only one. */
    readonly duration: Range & { readonly open?: 'too' | 'only' };
    readonly quality: readonly string[];
    readonly aspect_ratio: readonly string[];
  };
  /** The fields that not every model has, by key. */
  readonly extras: readonly string[];
  /** Audio needs no image or video beside it. */
  readonly allowsAudioAlone?: boolean;
}

const LOW: readonly Quality[] = ['480p', '720p'];

/** The models that a tier chooses from. */
const RELEASED: readonly ModelRow[] = TIERS.flatMap((tier) =>
  OPERATIONS.map((operation) => ({
    id: `seedance-2.0-${tier === 'standard' ? '' : `${tier}-`}${OPERATION_NAMES[operation]}`,
    operation,
    tier,
    isPreview: false,
    media: MEDIA_COUNTS[operation],
    limits: {
      duration: DURATION_SECONDS,
      quality: tier === 'standard' ? QUALITIES : LOW,
      aspect_ratio: ASPECT_RATIOS,
    },
    extras: operation === 't2v' && tier !== 'mini' ? ['web_search'] : [],
  })),
);

const upTo = (image: number, video: number, audio: number, leastVideos = 0) => ({
  image: { min: 0, max: image },
  video: { min: leastVideos, max: video },
  audio: { min: 0, max: audio },
});
const LONG = { min: 4, max: 30, open: 'too' } as const;
const CHOSEN = { ...LONG, open: 'only' } as const;
const DRAFTS = ['draft', 'output_format'];
const ADAPTIVE = ['adaptive'];

// biome-ignore format: one row a model
const PREVIEWS: readonly (Pick<ModelRow, 'operation' | 'media' | 'extras'> & { name: string; duration: ModelRow['limits']['duration']; ratios: readonly string[] })[] = [
  { name: 'text-to-video',      operation: 't2v', duration: LONG,   ratios: ASPECT_RATIOS, media: MEDIA_COUNTS.t2v,       extras: DRAFTS },
  { name: 'image-to-video',     operation: 'i2v', duration: LONG,   ratios: ADAPTIVE,      media: MEDIA_COUNTS.i2v,       extras: DRAFTS },
  { name: 'reference-to-video', operation: 'ref', duration: LONG,   ratios: ASPECT_RATIOS, media: upTo(30, 10, 10),       extras: DRAFTS },
  { name: 'video-edit',         operation: 'ref', duration: CHOSEN, ratios: ADAPTIVE,      media: upTo(30, 10, 10, 1),    extras: DRAFTS },
  { name: 'video-extend',       operation: 'ref', duration: LONG,   ratios: ADAPTIVE,      media: upTo(30, 10, 10, 1),    extras: DRAFTS },
  { name: 'draft-to-video',     operation: 't2v', duration: LONG,   ratios: ASPECT_RATIOS, media: MEDIA_COUNTS.t2v,       extras: ['output_format', 'source_task_id'] },
];

/** Every model this version knows. Adding one is adding its row here and its prices below. */
export const MODELS: readonly ModelRow[] = [
  ...RELEASED,
  ...PREVIEWS.map(({ name, duration, ratios, ...row }) => ({
    ...row,
    id: `seedance-2.5-${name}`,
    tier: 'seedance-2.5' as const,
    isPreview: true,
    limits: { duration, quality: ['480p', '720p', '1080p'], aspect_ratio: ratios },
    allowsAudioAlone: true,
  })),
];

/** The row of a model id, or undefined for an id the table does not hold. */
export function findModel(id: string): ModelRow | undefined {
  return MODELS.find((model) => model.id === id);
}

/** The model that makes an operation in a tier; undefined where no row does. */
export function modelFor(operation: Operation, tier: Tier): ModelRow | undefined {
  return MODELS.find((model) => model.operation === operation && model.tier === tier);
}

/** The operation a model id stands for: by the table, else by the ending that ids share (`…-image-to-video`). */
export function operationOfModel(id: unknown): Operation | undefined {
  if (typeof id !== 'string') return undefined;
  return findModel(id)?.operation ?? OPERATIONS.find((key) => id.endsWith(`-${OPERATION_NAMES[key]}`));
}

/** 1-based, as editors count. */
interface FilePlace {
  /** As the person named it. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** What gave a value, for messages: `--duration`, `defaults.quality (job.yaml:4:3)`. */
export interface Origin {
  readonly source: string;
  /** Of values from files that hold several jobs. */
  readonly place?: FilePlace | undefined;
  /** Of the environment or a config file, which speak of every request: one that a model has no field for is left out. */
  readonly isSetting?: boolean;
  /** Where a project file says so: `/home/me/project/.evolinkrc:3`. */
  readonly projectPlace?: string | undefined;
  /** The value as it was typed, where another is worked with: the path of a file, not yet absolute. */
  readonly typed?: string | undefined;
}

/** One thing wrong with the input, found before anything is sent. */
export interface Problem extends Pick<Origin, 'source' | 'place'> {
  /** The offending value as text, cut to a readable length; absent when nothing was given. */
  readonly value?: string | undefined;
  /** What is wrong and what is allowed: `must be a whole number from 4 to 15`. */
  readonly message: string;
  /** The nearest allowed spelling. */
  readonly suggestion?: string | undefined;
  /** What to do about it, where that is not said by the rest. */
  readonly hint?: string | undefined;
}

/**
 * The documents say "MB" without saying which. The larger reading is used, so that no file is refused here that the
 * service would take.
 */
const MB = 1024 * 1024;

export interface MediaLimits {
  readonly formats: readonly string[];
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
    maxFileBytes: 30 * MB,
    sidePx: { min: 300, max: 6000 },
    widthByHeight: { min: 0.4, max: 2.5 },
  },
  video: {
    formats: ['mp4', 'mov'],
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
    maxFileBytes: 15 * MB,
    clipSeconds: { min: 2, max: 15 },
    maxTotalSeconds: 15,
  },
} as const satisfies Record<MediaKind, MediaLimits>;

/** Width and height of the finished video, as all three API documents list them: 480p, 720p, 1080p, 4k. */
const OUTPUT_PIXELS = new Map([
  ['16:9', ['864×496', '1280×720', '1920×1080', '3840×2160']],
  ['4:3', ['752×560', '1112×834', '1664×1248', '3326×2494']],
  ['1:1', ['640×640', '960×960', '1440×1440', '2880×2880']],
  ['3:4', ['560×752', '834×1112', '1248×1664', '2494×3326']],
  ['9:16', ['496×864', '720×1280', '1080×1920', '2160×3840']],
  ['21:9', ['992×432', '1470×630', '2206×946', '4398×1886']],
]);

/**
 * The pixels of the finished video. Undefined where they cannot be known beforehand: `adaptive`, and any quality or
 * ratio outside the tables (a model this version does not know).
 */
export function outputPixels(quality: string, aspectRatio: string, model = '') {
  const columns: readonly string[] = QUALITIES;
  const isWide = findModel(model)?.isPreview === true && quality === '480p' && aspectRatio === '16:9';
  const listed = isWide ? '854×480' : OUTPUT_PIXELS.get(aspectRatio)?.[columns.indexOf(quality)];
  if (listed === undefined) return undefined;
  const [widthPx = 0, heightPx = 0] = listed.split('×').map(Number);
  return { widthPx, heightPx };
}

/** Day on which the list prices were read. They change: an estimate is always "about", with this date. */
export const PRICE_LIST_DATE = '2026-10-10';

export const CREDITS_PER_USD = 68;

/** Times the price with `content_filter: false`, in tenths. */
export const NO_CONTENT_FILTER_TENTHS = 11;

export const WEB_SEARCH_CREDITS = 0.04;

interface PriceRow {
  readonly tier: Tier;
  readonly quality: Quality;
  /** Credits per billed second. */
  readonly without_video: number;
  /** Credits per billed second where the request has at least one reference video. */
  readonly with_video: number;
  /** A task costs at least this. */
  readonly leastCredits?: number;
}

// biome-ignore format: one row a price
export const PRICES: readonly PriceRow[] = [
  { tier: 'standard', quality: '480p',  without_video: 6.2775,  with_video: 3.834 },
  { tier: 'standard', quality: '720p',  without_video: 13.5,    with_video: 8.2215 },
  { tier: 'standard', quality: '1080p', without_video: 33.75,   with_video: 20.52 },
  { tier: 'standard', quality: '4k',    without_video: 68.85,   with_video: 42.525 },
  { tier: 'fast',     quality: '480p',  without_video: 3.8136,  with_video: 2.2718 },
  { tier: 'fast',     quality: '720p',  without_video: 8.2013,  with_video: 4.8798 },
  { tier: 'mini',     quality: '480p',  without_video: 1.2555,  with_video: 0.7668 },
  { tier: 'mini',     quality: '720p',  without_video: 2.7,     with_video: 1.6443 },
  { tier: 'seedance-2.5', quality: '480p',  without_video: 9.34185, with_video: 5.70556,  leastCredits: 37.3674 },
  { tier: 'seedance-2.5', quality: '720p',  without_video: 20.09,   with_video: 12.23481, leastCredits: 37.3674 },
  { tier: 'seedance-2.5', quality: '1080p', without_video: 50.225,  with_video: 30.5368,  leastCredits: 37.3674 },
];
