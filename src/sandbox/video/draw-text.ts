import { shade, type YuvCanvas, type YuvColor } from './canvas.ts';
import { CELL_PX, type PixelFont, type PixelGlyph } from './pixel-font.ts';
import type { MeasureText } from './wrap-text.ts';

export interface TextPlace {
  readonly text: string;
  readonly xPx: number;
  readonly yPx: number;
  /** Side of one font pixel. */
  readonly scale: number;
}

/** Widths in font pixels. */
export function createMeasure(font: PixelFont): MeasureText {
  return (text) => {
    let width = 0;
    for (const character of text) width += font.glyph(character.codePointAt(0) ?? 0).advancePx;
    return width;
  };
}

/** Draws one line of text; `xPx` and `yPx` are its upper left corner. */
export function drawText(
  canvas: YuvCanvas,
  place: TextPlace,
  ink: { font: PixelFont; color: YuvColor },
): void {
  let { xPx } = place;
  for (const character of place.text) {
    const glyph = ink.font.glyph(character.codePointAt(0) ?? 0);
    // A mark that combines is drawn over the letter before it.
    const leftPx = glyph.advancePx === 0 ? xPx - (CELL_PX / 2) * place.scale : xPx;
    drawGlyph(canvas, { glyph, xPx: leftPx, yPx: place.yPx, scale: place.scale }, ink.color);
    xPx += glyph.advancePx * place.scale;
  }
}

function drawGlyph(
  canvas: YuvCanvas,
  { glyph, xPx, yPx, scale }: { glyph: PixelGlyph; xPx: number; yPx: number; scale: number },
  color: YuvColor,
): void {
  const widthPx = Math.max(glyph.advancePx, CELL_PX) * scale;
  const coverage = (x: number, y: number): number => {
    const column = Math.floor((x - xPx) / scale);
    const row = glyph.rows[Math.floor((y - yPx) / scale)];
    return row !== undefined && column >= 0 && column < 32 && (row >>> (31 - column)) & 1 ? 1 : 0;
  };
  shade(canvas, { xPx, yPx, widthPx, heightPx: CELL_PX * scale }, { color, coverage });
}
