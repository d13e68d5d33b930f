// The service as its documents describe it, read on their own and not from the client's tables: what the client has got
// wrong there must be refused here.

interface Tier {
  /** Seconds that a 4 s clip in 480p was seen to take. */
  readonly baseSeconds: number;
  readonly leastCredits: number;
  /** Credits a second of billed time, by quality: without and with a reference video. Price list of 2026-10-10. */
  readonly prices: Readonly<Record<string, readonly [plain: number, withVideo: number]>>;
}

// biome-ignore format: one row a tier
const TIERS: Readonly<Record<'standard' | 'fast' | 'mini' | 'newer', Tier>> = {
  standard: { baseSeconds: 156, leastCredits: 0, prices: { '480p': [6.2775, 3.834], '720p': [13.5, 8.2215], '1080p': [33.75, 20.52], '4k': [68.85, 42.525] } },
  fast: { baseSeconds: 113, leastCredits: 0, prices: { '480p': [3.8136, 2.2718], '720p': [8.2013, 4.8798] } },
  mini: { baseSeconds: 109, leastCredits: 0, prices: { '480p': [1.2555, 0.7668], '720p': [2.7, 1.6443] } },
  newer: { baseSeconds: 156, leastCredits: 37.3674, prices: { '480p': [9.34185, 5.70556], '720p': [20.09, 12.23481], '1080p': [50.225, 30.5368] } },
};

interface Operation {
  /** How many addresses each list takes: images, videos, audios. */
  readonly media: readonly (readonly [min: number, max: number])[];
  /** `adaptive` is the only ratio. */
  readonly isAdaptive?: boolean;
  /** The model alone chooses the length. */
  readonly isOpenEnded?: boolean;
  /** Fields beyond those that every request has. */
  readonly extras?: readonly string[];
}

const DRAFTS = ['draft', 'output_format'];

// biome-ignore format: one row an operation
/** By version and the name in the model id; what is said of 2.5 is known from second hand only. */
const OPERATIONS: Readonly<Record<string, Operation>> = {
  '2.0 text-to-video':      { media: [[0, 0], [0, 0], [0, 0]], extras: ['model_params'] },
  '2.0 image-to-video':     { media: [[1, 2], [0, 0], [0, 0]] },
  '2.0 reference-to-video': { media: [[0, 9], [0, 3], [0, 3]] },
  '2.5 text-to-video':      { media: [[0, 0], [0, 0], [0, 0]], extras: DRAFTS },
  '2.5 image-to-video':     { media: [[1, 2], [0, 0], [0, 0]], extras: DRAFTS, isAdaptive: true },
  '2.5 reference-to-video': { media: [[0, 30], [0, 10], [0, 10]], extras: DRAFTS },
  '2.5 video-edit':         { media: [[0, 30], [1, 10], [0, 10]], extras: DRAFTS, isAdaptive: true, isOpenEnded: true },
  '2.5 video-extend':       { media: [[0, 30], [1, 10], [0, 10]], extras: DRAFTS, isAdaptive: true },
  '2.5 draft-to-video':     { media: [[0, 0], [0, 0], [0, 0]], extras: ['output_format', 'source_task_id'] },
};

export interface Model extends Operation {
  readonly id: string;
  /** `text-to-video`, `video-edit`, … */
  readonly operation: string;
  readonly tier: Tier;
  readonly isNewer: boolean;
}

export function findModel(id: string): Model | undefined {
  const [, version, name = 'standard', operation = ''] =
    /^seedance-(2\.[05])-(?:(fast|mini)-)?(\w+-to-video|video-\w+)$/.exec(id) ?? [];
  const isNewer = version === '2.5';
  const row = OPERATIONS[`${version} ${operation}`];
  if (row === undefined || (isNewer && name !== 'standard')) return undefined;
  const tier = isNewer ? TIERS.newer : TIERS[name as 'standard' | 'fast' | 'mini'];
  // Mini can't search the web.
  return { ...row, ...(name === 'mini' && { extras: [] }), id, operation, tier, isNewer };
}

/** Width and height of the finished clip by ratio: 480p, 720p, 1080p, 4k. */
const OUTPUT_PIXELS: Readonly<Record<string, readonly string[]>> = {
  '16:9': ['864x496', '1280x720', '1920x1080', '3840x2160'],
  '4:3': ['752x560', '1112x834', '1664x1248', '3326x2494'],
  '1:1': ['640x640', '960x960', '1440x1440', '2880x2880'],
  '3:4': ['560x752', '834x1112', '1248x1664', '2494x3326'],
  '9:16': ['496x864', '720x1280', '1080x1920', '2160x3840'],
  '21:9': ['992x432', '1470x630', '2206x946', '4398x1886'],
};
const QUALITIES = ['480p', '720p', '1080p', '4k'];
export const RATIOS = [...Object.keys(OUTPUT_PIXELS), 'adaptive'];

/** `adaptive` is 16:9 here: this server looks neither at the prompt nor at pictures. */
export function outputPixels({ isNewer }: Model, quality: string, ratio: string) {
  const listed = OUTPUT_PIXELS[ratio === 'adaptive' ? '16:9' : ratio]?.[QUALITIES.indexOf(quality)];
  const shown = isNewer && listed === '864x496' ? '854x480' : listed;
  const [widthPx = 0, heightPx = 0] = shown?.split('x').map(Number) ?? [];
  return { widthPx, heightPx };
}

/** Credits of one web search that happened. */
export const CREDITS_PER_SEARCH = 0.04;
const UNFILTERED_FACTOR = 1.1;

/** What the price and the time of a task depend on; named as in the request. */
interface Wish {
  readonly quality: string;
  readonly duration: number;
  readonly content_filter: boolean;
}

/**
 * The pre-charge of a task in credits.
 * @param inputSeconds one entry a reference video
 */
export function reservedCredits({ tier }: Model, wish: Wish, inputSeconds: readonly number[]): number {
  const [plain = Number.NaN, withVideo = Number.NaN] = tier.prices[wish.quality] ?? [];
  const hasVideo = inputSeconds.length > 0;
  const input = inputSeconds.reduce((sum, seconds) => sum + seconds, 0);
  const billedSeconds = wish.duration + (hasVideo ? Math.max(input, wish.duration) : 0);
  // Rounding to 1e-6 first keeps 20.000000000000004 from becoming 20.1.
  const tenths = Math.ceil(Number((billedSeconds * 10).toFixed(6)));
  const factor = wish.content_filter ? 1 : UNFILTERED_FACTOR;
  return roundCredits(Math.max(tier.leastCredits, (tenths / 10) * (hasVideo ? withVideo : plain) * factor));
}

/** Rounds to 0.0001 credits. */
export function roundCredits(credits: number): number {
  return Math.round(credits * 10_000) / 10_000;
}

const QUALITY_FACTORS = [1, 1.03, 1.08, 1.15];

/**
 * Seconds that the real service would need for such a task: 109 to 180.
 * @param chance 0 to 1, the chance of the day
 */
export function realisticSeconds({ tier }: Model, { quality, duration }: Wish, chance: number): number {
  const factor = QUALITY_FACTORS[QUALITIES.indexOf(quality)] ?? 1;
  const seconds = tier.baseSeconds * (1 + 0.01 * (duration - 4)) * factor;
  return Math.min(180, Math.max(109, seconds * (0.98 + 0.04 * chance)));
}

interface Range {
  readonly min: number;
  readonly max: number;
}

type Measure = 'sidePx' | 'ratio' | 'areaPx' | 'framesPerSecond' | 'seconds';
/** What the documents say of the media of one field. */
export interface MediaRule extends Readonly<Partial<Record<Measure, Range>>> {
  readonly field: 'image_urls' | 'video_urls' | 'audio_urls';
  readonly mimeTypes: readonly string[];
  readonly maxBytes: number;
}

export const MIB = 1024 * 1024;
const SIDES = { sidePx: { min: 300, max: 6000 }, ratio: { min: 0.4, max: 2.5 } };
// A coded sound is padded to whole frames, and nominal frame rates are rounded: 23.976 is sold as 24.
const SECONDS = { min: 1.9, max: 15.1 };
const FRAMES = { areaPx: { min: 409_600, max: 2_086_876 }, framesPerSecond: { min: 23.9, max: 60.3 } };

// biome-ignore format: one row a field
export const MEDIA_RULES: readonly MediaRule[] = [
  { field: 'image_urls', mimeTypes: ['image/jpeg', 'image/png', 'image/webp'], maxBytes: 30 * MIB, ...SIDES },
  { field: 'video_urls', mimeTypes: ['video/mp4', 'video/quicktime'], maxBytes: 50 * MIB, ...SIDES, ...FRAMES, seconds: SECONDS },
  { field: 'audio_urls', mimeTypes: ['audio/wav', 'audio/mpeg'], maxBytes: 15 * MIB, seconds: SECONDS },
];
