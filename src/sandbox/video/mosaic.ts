import type { Box, YuvCanvas } from './canvas.ts';

/** H.264 codes a picture in squares of this side. */
export const MACROBLOCK_PX = 16;

const LEVELS = 7;
const DARKEST = 30;
const STEP = 28;

/** The rows of the canvas that hold `box`, from the start of a macroblock down to the lower edge. */
export function stripFrom(canvas: YuvCanvas, box: Box): Box {
  const yPx = Math.floor(box.yPx / MACROBLOCK_PX) * MACROBLOCK_PX;
  return { xPx: 0, yPx, widthPx: canvas.widthPx, heightPx: canvas.heightPx - yPx };
}

/**
 * Fills a strip of whole macroblocks with one grey each, unlike all around. An encoder finds nothing to improve in a
 * macroblock of one grey and nothing similar to move there, so that later frames leave the strip as it is.
 */
export function fillMosaic(canvas: YuvCanvas, strip: Box): void {
  const { luma, chromaU, chromaV, widthPx } = canvas;
  for (let y = strip.yPx; y < strip.yPx + strip.heightPx; y++) {
    const row = Math.floor(y / MACROBLOCK_PX);
    for (let column = 0; column * MACROBLOCK_PX < widthPx; column++) {
      const grey = DARKEST + STEP * ((column + 3 * row) % LEVELS);
      const start = y * widthPx + column * MACROBLOCK_PX;
      luma.fill(grey, start, Math.min(start + MACROBLOCK_PX, (y + 1) * widthPx));
    }
  }
  const chromaStart = (strip.yPx / 2) * (widthPx / 2);
  const chromaEnd = ((strip.yPx + strip.heightPx) / 2) * (widthPx / 2);
  chromaU.fill(128, chromaStart, chromaEnd);
  chromaV.fill(128, chromaStart, chromaEnd);
}
