import {
  CREDITS_PER_USD,
  type GenerationRequest,
  MEDIA_LIMITS,
  NO_CONTENT_FILTER_TENTHS,
  PRICE_LIST_DATE,
  PRICES,
  WEB_SEARCH_CREDITS,
} from './models.ts';

/** Where a setting came from, strongest first. `sandbox` stands for what `--sandbox` puts in place. */
export type SettingLevel = 'flag' | 'environment' | 'project' | 'user' | 'built-in' | 'sandbox';

export interface Setting<T> {
  readonly value: T;
  readonly level: SettingLevel;
  /** `EVOLINK_BASE_URL`, `/home/me/project/.evolinkrc:3`, `--timeout`, `built-in`. */
  readonly source: string;
}

/** What may be overridden of the list prices: credits per second by tier and quality. */
export interface PriceOverride {
  readonly tier: string;
  readonly quality: string;
  readonly withoutVideo?: number | undefined;
  readonly withVideo?: number | undefined;
  /** Of a project file, which may come from somebody else: it counts only where it is above the price known without it. */
  readonly isOnlyRaising?: boolean | undefined;
}

export interface EstimateOptions {
  /** Length of all reference videos together; undefined where it is not known. */
  readonly inputVideoSeconds?: number | undefined;
  /** Prices of the user's own, over the list; `tier` may also be a model id. The last one that fits wins. */
  readonly overrides?: readonly PriceOverride[] | undefined;
}

/** Credits without web searches. Either `credits`, or bounds, or only the reason why nothing is known. */
export interface CreditEstimate {
  readonly credits?: number | undefined;
  readonly usd?: number | undefined;
  readonly billedSeconds?: number | undefined;
  /** Where the length of the reference videos is not known: the least and the most that it can cost. */
  readonly atLeast?: number | undefined;
  readonly atMost?: number | undefined;
  /** Why `credits` is not known. */
  readonly reason?: string | undefined;
  /** Date of the price list, `2026-10-10`. */
  readonly listDate: string;
  /** Facts that a person should see beside the figure. */
  readonly notes: readonly string[];
}

interface Price {
  readonly creditsPerSecond: number;
  readonly isOverridden: boolean;
}

/** Prices are counted in millionths of a credit and seconds in tenths, so that products are whole and exact. */
const MILLION = 1_000_000;

function isPrice(value: number | undefined): value is number {
  return value !== undefined && Number.isFinite(value) && value >= 0;
}

function findPrice(request: GenerationRequest, { overrides = [] }: EstimateOptions): Price | undefined {
  const column = request.videos.length > 0 ? 'withVideo' : 'withoutVideo';
  const fitting = overrides.flatMap(({ isOnlyRaising = false, ...price }) => {
    const fits =
      price.quality === request.quality && (price.tier === request.tier || price.tier === request.model);
    const creditsPerSecond = price[column];
    return fits && isPrice(creditsPerSecond) ? [{ isOnlyRaising, creditsPerSecond }] : [];
  });
  const own = fitting.findLast(({ isOnlyRaising }) => !isOnlyRaising)?.creditsPerSecond;
  const listed = PRICES.find((price) => price.tier === request.tier && price.quality === request.quality);
  const known = own ?? listed?.[column];
  if (known === undefined) return undefined;
  const raised = fitting.filter(({ isOnlyRaising }) => isOnlyRaising).map((price) => price.creditsPerSecond);
  const creditsPerSecond = Math.max(known, ...raised);
  return { creditsPerSecond, isOverridden: own !== undefined || creditsPerSecond > known };
}

/** Tenths of a second, rounded up; differences below a microsecond are floating-point noise (1.1 × 10 > 11). */
function toTenthsUp(seconds: number): number {
  return Math.ceil(Math.round(seconds * MILLION) / (MILLION / 10));
}

/** What is billed, in tenths of a second: the output and, with reference videos, at least as much input. */
function billedTenths({ videos }: GenerationRequest, outputSeconds: number, inputSeconds: number): number {
  const input = videos.length > 0 ? Math.max(inputSeconds, outputSeconds) : 0;
  return toTenthsUp(outputSeconds) + toTenthsUp(input);
}

function toCredits(request: GenerationRequest, price: Price, tenths: number): number {
  const factorTenths = request.contentFilter === false ? NO_CONTENT_FILTER_TENTHS : 10;
  return (Math.round(price.creditsPerSecond * MILLION) * tenths * factorTenths) / (MILLION * 100);
}

function notesFor(
  { videos, contentFilter, webSearch }: GenerationRequest,
  price: Price | undefined,
): string[] {
  return [
    price?.isOverridden && 'price per second from your own settings',
    videos.length > 0 && 'seconds of reference video are billed too',
    contentFilter === false && '1.1 times the price without the content filter',
    webSearch === true && `plus ${WEB_SEARCH_CREDITS} a search, for searches that happen`,
  ].filter((note) => typeof note === 'string');
}

function unknownPrice(request: GenerationRequest): string {
  return `the price list of ${PRICE_LIST_DATE} has no price for ${request.model}${request.quality === undefined ? '' : ` at ${request.quality}`}`;
}

/**
 * Estimates what a request costs, by the price list or the user's own prices. Unknown models, qualities and lengths of
 * reference videos give no figure rather than a wrong one.
 */
export function estimateCredits(request: GenerationRequest, options: EstimateOptions = {}): CreditEstimate {
  const price = findPrice(request, options);
  const common = { listDate: PRICE_LIST_DATE, notes: notesFor(request, price) };
  const { inputVideoSeconds } = options;
  const { durationSeconds } = request;
  if (durationSeconds === undefined) {
    const reason = price === undefined ? unknownPrice(request) : 'the duration is left to the model';
    return { ...common, reason };
  }
  const isLengthKnown =
    inputVideoSeconds !== undefined && Number.isFinite(inputVideoSeconds) && inputVideoSeconds > 0;
  if (request.videos.length > 0 && !isLengthKnown) {
    const reason = 'the length of the reference videos is not known';
    if (price === undefined) return { ...common, reason: `${unknownPrice(request)}, and ${reason}` };
    const atLeast = toCredits(request, price, billedTenths(request, durationSeconds, 0));
    const mostTenths = billedTenths(request, durationSeconds, MEDIA_LIMITS.video.maxTotalSeconds);
    return { ...common, reason, atLeast, atMost: toCredits(request, price, mostTenths) };
  }
  const tenths = billedTenths(request, durationSeconds, inputVideoSeconds ?? 0);
  const billedSeconds = tenths / 10;
  if (price === undefined) return { ...common, billedSeconds, reason: unknownPrice(request) };
  const credits = toCredits(request, price, tenths);
  return { ...common, billedSeconds, credits, usd: credits / CREDITS_PER_USD };
}
