import { type Box, shade, type YuvCanvas, type YuvColor } from './canvas.ts';

export interface Disc {
  readonly centerXPx: number;
  readonly centerYPx: number;
  readonly radiusPx: number;
}

/** Fills a box with corners of the given radius. */
export function fillRoundedBox(canvas: YuvCanvas, box: Box & { radiusPx: number }, color: YuvColor): void {
  const { radiusPx } = box;
  const right = box.xPx + box.widthPx - radiusPx;
  const bottom = box.yPx + box.heightPx - radiusPx;
  const coverage = (xPx: number, yPx: number): number => {
    const dx = Math.max(box.xPx + radiusPx - (xPx + 0.5), xPx + 0.5 - right, 0);
    const dy = Math.max(box.yPx + radiusPx - (yPx + 0.5), yPx + 0.5 - bottom, 0);
    return clamp(radiusPx + 0.5 - Math.hypot(dx, dy));
  };
  shade(canvas, box, { color, coverage });
}

/** Fills a disc; `alpha` is its opacity, 0-1. */
export function fillDisc(canvas: YuvCanvas, disc: Disc & { alpha?: number }, color: YuvColor): void {
  const { alpha = 1, radiusPx } = disc;
  shade(canvas, boxAround(disc, radiusPx + 1), {
    color,
    coverage: (xPx, yPx) => alpha * clamp(radiusPx + 0.5 - distance(disc, xPx, yPx)),
  });
}

/** Light that fades from the centre of the disc to its edge. */
export function fillGlow(canvas: YuvCanvas, disc: Disc & { alpha: number }, color: YuvColor): void {
  const { alpha, radiusPx } = disc;
  shade(canvas, boxAround(disc, radiusPx), {
    color,
    coverage: (xPx, yPx) => alpha * clamp(1 - distance(disc, xPx, yPx) / radiusPx) ** 2,
  });
}

/** A circle drawn with a line of the given width. */
export function strokeCircle(
  canvas: YuvCanvas,
  circle: Disc & { lineWidthPx: number; alpha: number },
  color: YuvColor,
): void {
  const { radiusPx, lineWidthPx, alpha } = circle;
  shade(canvas, boxAround(circle, radiusPx + lineWidthPx), {
    color,
    coverage: (xPx, yPx) =>
      alpha * clamp(lineWidthPx / 2 + 0.5 - Math.abs(distance(circle, xPx, yPx) - radiusPx)),
  });
}

function distance({ centerXPx, centerYPx }: Disc, xPx: number, yPx: number): number {
  const dx = xPx + 0.5 - centerXPx;
  const dy = yPx + 0.5 - centerYPx;
  // Math.hypot takes several times as long, and this runs for every pixel.
  return Math.sqrt(dx * dx + dy * dy);
}

function boxAround({ centerXPx, centerYPx }: Disc, reachPx: number): Box {
  const sidePx = 2 * reachPx;
  return { xPx: centerXPx - reachPx, yPx: centerYPx - reachPx, widthPx: sidePx, heightPx: sidePx };
}

function clamp(share: number): number {
  return Math.min(1, Math.max(0, share));
}
