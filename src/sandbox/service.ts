export type SandboxOperation = 'text-to-video' | 'image-to-video' | 'reference-to-video';
type SandboxTier = 'standard' | 'fast' | 'mini';

/** One model as this server knows it: the service's documents, read on their own and not from the client's tables. */
export interface ModelRow {
  readonly id: string;
  readonly operation: SandboxOperation;
  readonly tier: SandboxTier;
  readonly qualities: readonly string[];
  readonly hasWebSearch: boolean;
}

const ALL_QUALITIES = ['480p', '720p', '1080p', '4k'];
const SMALL_QUALITIES = ['480p', '720p'];

const row = (id: string, facts: Omit<ModelRow, 'id'>): ModelRow => ({ id, ...facts });

export const MODEL_ROWS: readonly ModelRow[] = [
  row('seedance-2.0-text-to-video', {
    operation: 'text-to-video',
    tier: 'standard',
    qualities: ALL_QUALITIES,
    hasWebSearch: true,
  }),
  row('seedance-2.0-image-to-video', {
    operation: 'image-to-video',
    tier: 'standard',
    qualities: ALL_QUALITIES,
    hasWebSearch: false,
  }),
  row('seedance-2.0-reference-to-video', {
    operation: 'reference-to-video',
    tier: 'standard',
    qualities: ALL_QUALITIES,
    hasWebSearch: false,
  }),
  row('seedance-2.0-fast-text-to-video', {
    operation: 'text-to-video',
    tier: 'fast',
    qualities: SMALL_QUALITIES,
    hasWebSearch: true,
  }),
  row('seedance-2.0-fast-image-to-video', {
    operation: 'image-to-video',
    tier: 'fast',
    qualities: SMALL_QUALITIES,
    hasWebSearch: false,
  }),
  row('seedance-2.0-fast-reference-to-video', {
    operation: 'reference-to-video',
    tier: 'fast',
    qualities: SMALL_QUALITIES,
    hasWebSearch: false,
  }),
  row('seedance-2.0-mini-text-to-video', {
    operation: 'text-to-video',
    tier: 'mini',
    qualities: SMALL_QUALITIES,
    hasWebSearch: false,
  }),
  row('seedance-2.0-mini-image-to-video', {
    operation: 'image-to-video',
    tier: 'mini',
    qualities: SMALL_QUALITIES,
    hasWebSearch: false,
  }),
  row('seedance-2.0-mini-reference-to-video', {
    operation: 'reference-to-video',
    tier: 'mini',
    qualities: SMALL_QUALITIES,
    hasWebSearch: false,
  }),
];

/** Rows for ids that only this server instance offers; the operation is read from the end of the id. */
export function toExtraRow(id: string): ModelRow | undefined {
  const operations: SandboxOperation[] = ['text-to-video', 'image-to-video', 'reference-to-video'];
  const operation = operations.find((each) => id.endsWith(`-${each}`));
  if (operation === undefined) return undefined;
  return row(id, {
    operation,
    tier: 'standard',
    qualities: ALL_QUALITIES,
    hasWebSearch: operation === 'text-to-video',
  });
}

/** Width and height in pixels of the finished clip, as the service's documents list them. */
const OUTPUT_PIXELS: Readonly<Record<string, Readonly<Record<string, readonly [number, number]>>>> = {
  '16:9': { '480p': [864, 496], '720p': [1280, 720], '1080p': [1920, 1080], '4k': [3840, 2160] },
  '4:3': { '480p': [752, 560], '720p': [1112, 834], '1080p': [1664, 1248], '4k': [3326, 2494] },
  '1:1': { '480p': [640, 640], '720p': [960, 960], '1080p': [1440, 1440], '4k': [2880, 2880] },
  '3:4': { '480p': [560, 752], '720p': [834, 1112], '1080p': [1248, 1664], '4k': [2494, 3326] },
  '9:16': { '480p': [496, 864], '720p': [720, 1280], '1080p': [1080, 1920], '4k': [2160, 3840] },
  '21:9': { '480p': [992, 432], '720p': [1470, 630], '1080p': [2206, 946], '4k': [4398, 1886] },
};

/** The ratio that this server takes for `adaptive`: it looks neither at the prompt nor at pictures. */
export const ADAPTIVE_RATIO = '16:9';

/** @throws RangeError for a pair that the table does not hold. */
export function outputPixels(ratio: string, quality: string): { widthPx: number; heightPx: number } {
  const pair = OUTPUT_PIXELS[ratio === 'adaptive' ? ADAPTIVE_RATIO : ratio]?.[quality];
  if (pair === undefined) throw new RangeError(`no pixels for ${ratio} ${quality}`);
  return { widthPx: pair[0], heightPx: pair[1] };
}

/** The service's public price list of 2026-10-10: credits per second of billed time. */
const CREDITS_PER_SECOND: Readonly<Record<string, { readonly plain: number; readonly withVideo: number }>> = {
  'standard/480p': { plain: 6.2775, withVideo: 3.834 },
  'standard/720p': { plain: 13.5, withVideo: 8.2215 },
  'standard/1080p': { plain: 33.75, withVideo: 20.52 },
  'standard/4k': { plain: 68.85, withVideo: 42.525 },
  'fast/480p': { plain: 3.8136, withVideo: 2.2718 },
  'fast/720p': { plain: 8.2013, withVideo: 4.8798 },
  'mini/480p': { plain: 1.2555, withVideo: 0.7668 },
  'mini/720p': { plain: 2.7, withVideo: 1.6443 },
};

/** Credits of one web search that happened. */
export const CREDITS_PER_SEARCH = 0.04;
const UNFILTERED_FACTOR = 1.1;

export interface PriceQuestion {
  readonly tier: string;
  readonly quality: string;
  readonly durationSeconds: number;
  /** One entry a reference video. */
  readonly inputSeconds: readonly number[];
  readonly contentFilter: boolean;
}

/** The pre-charge of a task in credits, rounded to 0.0001. */
export function reservedCredits(question: PriceQuestion): number {
  const price = CREDITS_PER_SECOND[`${question.tier}/${question.quality}`];
  if (price === undefined) throw new RangeError(`no price for ${question.tier}/${question.quality}`);
  const hasVideo = question.inputSeconds.length > 0;
  const inputSeconds = question.inputSeconds.reduce((sum, seconds) => sum + seconds, 0);
  const extraSeconds = hasVideo ? Math.max(inputSeconds, question.durationSeconds) : 0;
  // Rounding to 1e-6 first keeps 20.000000000000004 from becoming 20.1.
  const tenths = Math.ceil(Number(((question.durationSeconds + extraSeconds) * 10).toFixed(6)));
  const credits = (tenths / 10) * (hasVideo ? price.withVideo : price.plain);
  return roundCredits(question.contentFilter ? credits : credits * UNFILTERED_FACTOR);
}

/** Rounds to 0.0001 credits. */
export function roundCredits(credits: number): number {
  return Math.round(credits * 10_000) / 10_000;
}
