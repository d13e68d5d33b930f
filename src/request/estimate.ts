import { type GenerationRequest, isRequestKey } from './fields.ts';
import {
  CREDITS_PER_USD,
  findModel,
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
  readonly without_video?: number | undefined;
  readonly with_video?: number | undefined;
  /** Of a project file, which may come from somebody else: it counts only where it is above the price known without it. */
  readonly isOnlyRaising?: boolean | undefined;
}

interface EstimateOptions {
  /** What a task costs where the price list can't say it. */
  readonly priceCredits?: number | undefined;
  /** Length of all reference videos together; undefined where it is not known. */
  readonly inputVideoSeconds?: number | undefined;
  /** Prices of the user's own, over the list; `tier` may also be a model id. The last one that fits wins. */
  readonly prices?: readonly PriceOverride[] | undefined;
}

/** Credits without web searches. Either `credits`, or bounds, or only the reason why nothing is known. */
export interface CreditEstimate {
  readonly credits?: number | undefined;
  readonly usd?: number | undefined;
  readonly billedSeconds?: number | undefined;
  /** Where the length of the reference videos is not known: the least and the most that it can cost. */
  readonly atLeast?: number | undefined;
  readonly atMost?: number | undefined;
  /** Where `credits` come from: `list prices of 2026-10-10`, `as --price-credits says`. */
  readonly origin?: string | undefined;
  /** Why `credits` is not known. */
  readonly reason?: string | undefined;
  /** Date of the price list, `2026-10-10`. */
  readonly listDate: string;
  /** Facts that a person should see beside the figure. */
  readonly notes: readonly string[];
}

/** Prices are counted in millionths of a credit and seconds in tenths, so that products are whole and exact. */
const MILLION = 1_000_000;

/** Credits a second: the user's own price over the list, and never below what a project file raises it to. */
function findPrice({ tier, body }: GenerationRequest, overrides: readonly PriceOverride[]) {
  const { model, quality, video_urls: videos } = body;
  const column = videos === undefined ? 'without_video' : 'with_video';
  const fits = (price: PriceOverride) =>
    price.quality === quality && (price.tier === tier || price.tier === model) && price[column] !== undefined;
  const own = overrides.findLast((price) => fits(price) && price.isOnlyRaising !== true)?.[column];
  const listed = PRICES.find((price) => price.tier === tier && price.quality === quality);
  const known = own ?? listed?.[column];
  if (known === undefined) return undefined;
  const raised = overrides.filter((price) => fits(price) && price.isOnlyRaising === true);
  const creditsPerSecond = Math.max(known, ...raised.map((price) => price[column] ?? 0));
  const leastCredits = listed?.leastCredits ?? 0;
  return { creditsPerSecond, leastCredits, isOverridden: own !== undefined || creditsPerSecond > known };
}

/** Tenths of a second, rounded up; differences below a microsecond are floating-point noise (1.1 × 10 > 11). */
function toTenthsUp(seconds: number): number {
  return Math.ceil(Math.round(seconds * MILLION) / (MILLION / 10));
}

/**
 * Estimates what a request costs, by the price list or the user's own prices. Unknown models, qualities and lengths of
 * reference videos give no figure rather than a wrong one.
 */
export function estimateCredits(request: GenerationRequest, options: EstimateOptions = {}): CreditEstimate {
  const { model, quality, duration } = request.body;
  const hasVideo = request.body.video_urls !== undefined;
  const isUnfiltered = request.body.content_filter === false;
  // A length that the model chooses is budgeted at the longest.
  const isOpen = duration === -1;
  const durationSeconds = isOpen ? findModel(model)?.limits.duration.max : duration;
  const { inputVideoSeconds = 0, prices = [], priceCredits } = options;
  const price = findPrice(request, prices);
  const ofSettings = price?.isOverridden === true ? 'price per second from your own settings' : undefined;
  const notes = [
    ofSettings,
    hasVideo && 'seconds of reference video are billed too',
    isUnfiltered && '1.1 times the price without the content filter',
    isOpen &&
      durationSeconds !== undefined &&
      `at most: the model chooses the length, up to ${durationSeconds} s`,
    request.body.model_params?.web_search === true &&
      `plus ${WEB_SEARCH_CREDITS} a search, for searches that happen`,
  ].filter((note) => typeof note === 'string');
  const common = { listDate: PRICE_LIST_DATE, notes };
  const unknown = (reason: string, bounds: { atLeast?: number; atMost?: number } = {}): CreditEstimate => {
    if (priceCredits === undefined) return { ...common, reason, ...bounds };
    const origin = 'as --price-credits says';
    notes.push(origin);
    return { ...common, credits: priceCredits, usd: priceCredits / CREDITS_PER_USD, origin };
  };
  const field = Object.keys(request.body).find((key) => !isRequestKey(key));
  if (field !== undefined) return unknown(`the field ${field} may change the price`);
  if (price === undefined) {
    const at = quality === undefined ? '' : ` at ${quality}`;
    return unknown(`the price list of ${PRICE_LIST_DATE} has no price for ${model}${at}`);
  }
  if (durationSeconds === undefined) return unknown('the duration is left to the model');
  const cost = (inputSeconds: number) => {
    // With reference videos, at least as much input is billed as output.
    const input = hasVideo ? Math.max(inputSeconds, durationSeconds) : 0;
    const tenths = toTenthsUp(durationSeconds) + toTenthsUp(input);
    const factorTenths = isUnfiltered ? NO_CONTENT_FILTER_TENTHS : 10;
    const millionths = Math.round(price.creditsPerSecond * MILLION) * tenths * factorTenths;
    return {
      billedSeconds: tenths / 10,
      credits: Math.max(price.leastCredits, millionths / (MILLION * 100)),
    };
  };
  if (hasVideo && !(inputVideoSeconds > 0)) {
    const reason = 'the length of the reference videos is not known';
    const [atLeast, atMost] = [cost(0).credits, cost(MEDIA_LIMITS.video.maxTotalSeconds).credits];
    return unknown(reason, { atLeast, atMost });
  }
  const { billedSeconds, credits } = cost(inputVideoSeconds);
  const origin = ofSettings ?? `list prices of ${PRICE_LIST_DATE}`;
  return { ...common, billedSeconds, credits, usd: credits / CREDITS_PER_USD, origin };
}
