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
export type Tier = (typeof TIERS)[number];

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
  readonly media: Readonly<Record<MediaKind, Range>>;
  /** What its fields may hold, by key. */
  readonly limits: {
    readonly duration: Range;
    readonly quality: readonly string[];
    readonly aspect_ratio: readonly string[];
  };
  /** The fields that not every model has, by key. */
  readonly extras: readonly string[];
}

interface Family {
  readonly prefix: string;
  readonly quality: readonly Quality[];
  readonly hasWebSearch: boolean;
}

const FAMILIES: Readonly<Record<Tier, Family>> = {
  standard: { prefix: 'seedance-2.0', quality: QUALITIES, hasWebSearch: true },
  fast: { prefix: 'seedance-2.0-fast', quality: ['480p', '720p'], hasWebSearch: true },
  mini: { prefix: 'seedance-2.0-mini', quality: ['480p', '720p'], hasWebSearch: false },
};

/** Every model this version knows. Adding one is adding its row here and its prices below. */
export const MODELS: readonly ModelRow[] = TIERS.flatMap((tier) =>
  OPERATIONS.map((operation) => {
    const { prefix, quality, hasWebSearch } = FAMILIES[tier];
    return {
      id: `${prefix}-${OPERATION_NAMES[operation]}`,
      operation,
      tier,
      media: MEDIA_COUNTS[operation],
      limits: { duration: DURATION_SECONDS, quality, aspect_ratio: ASPECT_RATIOS },
      extras: hasWebSearch && operation === 't2v' ? ['web_search'] : [],
    };
  }),
);

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

/** One field of a request: the same word in flags, job files, settings and the body that is sent. */
export interface FieldRow {
  readonly key: string;
  /** The property of drafts and requests that holds it; absent for another spelling of a row that has one. */
  readonly name?: string;
  /** `api`: a key of the API's JSON body; `job`: of job files only; `both`. */
  readonly of: 'api' | 'job' | 'both';
  readonly type: 'string' | 'integer' | 'boolean' | 'string[]' | 'object';
  readonly description: string;
  readonly values?: readonly string[];
  readonly min?: number;
  readonly max?: number;
  readonly default?: string | number | boolean;
}

export const PROMPT_LIMITS = {
  /** Hard. */
  maxTokens: 10_000,
  /** Recommended, for Chinese, Japanese and Korean. */
  recommendedCjkCharacters: 500,
  /** Recommended, for English and other languages that part words by spaces. */
  recommendedWords: 1000,
} as const;

/** Sent where nobody named a field, so that a changed default of the service changes nothing. */
export const REQUEST_DEFAULTS = {
  tier: 'standard',
  durationSeconds: 5,
  quality: '720p',
  aspectRatio: '16:9',
  generateAudio: true,
  contentFilter: true,
} as const;

const { image, video, audio } = MEDIA_COUNTS.ref;

/** Every field of a request, in the order of the API's documents, which is that of the body. */
export const FIELDS = [
  {
    key: 'type',
    of: 'job',
    type: 'string',
    values: OPERATIONS,
    description: 'operation; may be left out where model or the media say it',
  },
  { key: 'model', name: 'model', of: 'both', type: 'string', description: 'model id; instead of tier' },
  {
    key: 'tier',
    name: 'tier',
    of: 'job',
    type: 'string',
    values: TIERS,
    default: REQUEST_DEFAULTS.tier,
    description: 'model tier; instead of model',
  },
  {
    key: 'prompt',
    name: 'prompt',
    of: 'both',
    type: 'string',
    description: `what the video shows; at most ${PROMPT_LIMITS.recommendedCjkCharacters} Chinese, Japanese or Korean characters or ${PROMPT_LIMITS.recommendedWords} words are recommended`,
  },
  {
    key: 'image_urls',
    name: 'images',
    of: 'both',
    type: 'string[]',
    max: image.max,
    description: 'i2v: first and last frame; ref: reference images, "image 1" first',
  },
  {
    key: 'video_urls',
    name: 'videos',
    of: 'both',
    type: 'string[]',
    max: video.max,
    description: 'ref: reference videos, "video 1" first',
  },
  {
    key: 'audio_urls',
    name: 'audios',
    of: 'both',
    type: 'string[]',
    max: audio.max,
    description: 'ref: reference audio, never without an image or a video',
  },
  { key: 'images', of: 'job', type: 'string[]', max: image.max, description: 'as image_urls; files or URLs' },
  { key: 'videos', of: 'job', type: 'string[]', max: video.max, description: 'as video_urls; files or URLs' },
  { key: 'audios', of: 'job', type: 'string[]', max: audio.max, description: 'as audio_urls; files or URLs' },
  { key: 'first', of: 'job', type: 'string', description: 'i2v: first frame; instead of images' },
  { key: 'last', of: 'job', type: 'string', description: 'i2v: last frame; only together with first' },
  {
    key: 'duration',
    name: 'durationSeconds',
    of: 'both',
    type: 'integer',
    ...DURATION_SECONDS,
    default: REQUEST_DEFAULTS.durationSeconds,
    description: 'seconds of video; billed',
  },
  {
    key: 'quality',
    name: 'quality',
    of: 'both',
    type: 'string',
    values: QUALITIES,
    default: REQUEST_DEFAULTS.quality,
    description: 'resolution; 1080p and 4k only in tier standard',
  },
  {
    key: 'aspect_ratio',
    name: 'aspectRatio',
    of: 'both',
    type: 'string',
    values: ASPECT_RATIOS,
    default: REQUEST_DEFAULTS.aspectRatio,
    description: 'shape of the picture',
  },
  {
    key: 'generate_audio',
    name: 'generateAudio',
    of: 'both',
    type: 'boolean',
    default: REQUEST_DEFAULTS.generateAudio,
    description: 'sound along with the picture; free',
  },
  {
    key: 'content_filter',
    name: 'contentFilter',
    of: 'both',
    type: 'boolean',
    default: REQUEST_DEFAULTS.contentFilter,
    description: 'standard content check; false costs 1.1 times the price',
  },
  {
    key: 'web_search',
    name: 'webSearch',
    of: 'job',
    type: 'boolean',
    description: 't2v in tiers standard and fast: lets the model search the web; each search is billed',
  },
  { key: 'model_params', of: 'both', type: 'object', description: 'holds web_search in the API form' },
  {
    key: 'callback_url',
    name: 'callbackUrl',
    of: 'both',
    type: 'string',
    description: 'public https URL that the service calls when the task ends',
  },
] as const satisfies readonly FieldRow[];

export type NamedField = Extract<(typeof FIELDS)[number], { readonly name: string }>;
/** The fields that a draft holds. */
export const NAMED_FIELDS: readonly NamedField[] = FIELDS.filter((row) => 'name' in row);

/** 1-based, as editors count. */
export interface FilePlace {
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
}

export interface Sourced<T> extends Origin {
  readonly value: T;
  /** Where a project file says so: `/home/me/project/.evolinkrc:3`. Absent for every other source. */
  readonly projectPlace?: string | undefined;
}

/** One thing wrong with the input, found before anything is sent. */
export interface Problem extends Origin {
  /** The offending value as text, cut to a readable length; absent when nothing was given. */
  readonly value?: string | undefined;
  /** What is wrong and what is allowed: `must be a whole number from 4 to 15`. */
  readonly message: string;
  /** The nearest allowed spelling. */
  readonly suggestion?: string | undefined;
}

type ListName = 'images' | 'videos' | 'audios';
type ValueOf<F extends FieldRow> = F['type'] extends 'integer'
  ? number
  : F['type'] extends 'boolean'
    ? boolean
    : string;

/** What a person asked for, before any check: one entry a setting that was named. Values may have any type. */
export type RequestDraft = { readonly operation: Operation } & {
  readonly [N in Exclude<NamedField['name'], ListName>]?: Sourced<unknown> | undefined;
} & { readonly [N in ListName]?: readonly Sourced<unknown>[] | undefined };

/**
 * A request that passed every check. Media are http(s) URLs, or local paths where the caller allows them. Settings are
 * absent where the table does not hold the model and nobody named them: a newer model may refuse what would be filled in.
 */
export type GenerationRequest = {
  readonly operation: Operation;
  readonly model: string;
  /** Absent for a model id that the table does not hold. */
  readonly tier?: Tier | undefined;
  readonly prompt: string;
} & { readonly [N in ListName]: readonly string[] } & {
  readonly [F in NamedField as Exclude<F['name'], 'model' | 'tier' | 'prompt' | ListName>]?:
    | ValueOf<F>
    | undefined;
};

/** The JSON body of `POST /v1/videos/generations`, keys in the order of the API's documents. */
export interface WireBody {
  readonly model: string;
  readonly prompt: string;
  readonly image_urls?: readonly string[];
  readonly video_urls?: readonly string[];
  readonly audio_urls?: readonly string[];
  readonly duration?: number;
  readonly quality?: string;
  readonly aspect_ratio?: string;
  readonly generate_audio?: boolean;
  readonly content_filter?: boolean;
  readonly model_params?: { readonly web_search: boolean };
  readonly callback_url?: string;
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

export const MAX_CALLBACK_URL_CHARACTERS = 2048;
export const MAX_BODY_BYTES = 64 * MB;

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
export function outputPixels(quality: string, aspectRatio: string) {
  const columns: readonly string[] = QUALITIES;
  const listed = OUTPUT_PIXELS.get(aspectRatio)?.[columns.indexOf(quality)];
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
  readonly withoutVideo: number;
  /** Credits per billed second where the request has at least one reference video. */
  readonly withVideo: number;
}

// biome-ignore format: one row a price
export const PRICES: readonly PriceRow[] = [
  { tier: 'standard', quality: '480p',  withoutVideo: 6.2775,  withVideo: 3.834 },
  { tier: 'standard', quality: '720p',  withoutVideo: 13.5,    withVideo: 8.2215 },
  { tier: 'standard', quality: '1080p', withoutVideo: 33.75,   withVideo: 20.52 },
  { tier: 'standard', quality: '4k',    withoutVideo: 68.85,   withVideo: 42.525 },
  { tier: 'fast',     quality: '480p',  withoutVideo: 3.8136,  withVideo: 2.2718 },
  { tier: 'fast',     quality: '720p',  withoutVideo: 8.2013,  withVideo: 4.8798 },
  { tier: 'mini',     quality: '480p',  withoutVideo: 1.2555,  withVideo: 0.7668 },
  { tier: 'mini',     quality: '720p',  withoutVideo: 2.7,     withVideo: 1.6443 },
];
