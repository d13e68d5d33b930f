import type { Quality, Tier } from './models.ts';

/** Day on which the list prices were read. They change: an estimate is always "about", with this date. */
export const PRICE_LIST_DATE = '2026-10-10';

export const CREDITS_PER_USD = 68;

/** Times the price with `content_filter: false`, in tenths. */
export const NO_CONTENT_FILTER_TENTHS = 11;

export const WEB_SEARCH_CREDITS = 0.04;

export interface PriceRow {
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
