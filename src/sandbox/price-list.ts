/** Date of the service's public price list below. Credits per second of billed time. */
export const PRICE_LIST_DATE = '2026-10-10';

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
