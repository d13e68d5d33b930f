import type { MediaLimits, Range } from '../request/limits.ts';
import type { MediaFacts } from './media-facts.ts';

interface Pixels {
  readonly widthPx: number;
  readonly heightPx: number;
}

/** What to cut out of the middle first, where the shape is wrong, and the size to scale it to. */
export interface FittedPixels extends Pixels {
  readonly crop?: Pixels | undefined;
}

/** Away from the very limits, as sizes are rounded to even numbers. */
const MARGIN = 0.02;

/**
 * The nearest size within the limits: the middle part where the picture is too long or too high, then scaled as little
 * as it must be, both sides even. Undefined where nothing needs to change, or nothing is known.
 */
export function fitPixels(
  { widthPx, heightPx }: Pick<MediaFacts, 'widthPx' | 'heightPx'>,
  limits: MediaLimits,
): FittedPixels | undefined {
  const { sidePx, widthByHeight, areaPx } = limits;
  if (widthPx === undefined || heightPx === undefined || sidePx === undefined) return undefined;
  const crop = widthByHeight === undefined ? undefined : cropTo({ widthPx, heightPx }, widthByHeight);
  const from = crop ?? { widthPx, heightPx };
  const factor = scaleFactor(from, { sidePx, areaPx });
  if (crop === undefined && factor === 1) return undefined;
  const size = { widthPx: even(from.widthPx * factor), heightPx: even(from.heightPx * factor) };
  return { crop, ...(widthByHeight === undefined ? size : keepShape(size, widthByHeight)) };
}

/** Rounding can push a shape that is just within the limits over them: two pixels less on the longer side bring it back. */
function keepShape({ widthPx, heightPx }: Pixels, range: Range): Pixels {
  const ratio = widthPx / heightPx;
  if (ratio > range.max) return { widthPx: widthPx - 2, heightPx };
  return ratio < range.min ? { widthPx, heightPx: heightPx - 2 } : { widthPx, heightPx };
}

function cropTo({ widthPx, heightPx }: Pixels, range: Range): Pixels | undefined {
  const ratio = widthPx / heightPx;
  if (ratio > range.max) return { widthPx: even(heightPx * range.max * (1 - MARGIN)), heightPx };
  if (ratio < range.min) return { widthPx, heightPx: even((widthPx / range.min) * (1 - MARGIN)) };
  return undefined;
}

/** 1 where the size may stay; else the least change, a little beyond the limit that forced it. */
function scaleFactor(
  { widthPx, heightPx }: Pixels,
  { sidePx, areaPx }: { readonly sidePx: Range; readonly areaPx: Range | undefined },
): number {
  const area = widthPx * heightPx;
  const most = Math.min(
    sidePx.max / Math.max(widthPx, heightPx),
    areaPx === undefined ? Number.POSITIVE_INFINITY : Math.sqrt(areaPx.max / area),
  );
  const least = Math.max(
    sidePx.min / Math.min(widthPx, heightPx),
    areaPx === undefined ? 0 : Math.sqrt(areaPx.min / area),
  );
  if (most < 1) return most * (1 - MARGIN / 2);
  return least > 1 ? least * (1 + MARGIN / 2) : 1;
}

function even(px: number): number {
  return Math.max(2, Math.round(px / 2) * 2);
}
