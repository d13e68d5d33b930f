import type { YuvCanvas } from './canvas.ts';
import { containBox, coverBox } from './draw-picture.ts';
import { fillRoundedBox } from './draw-shapes.ts';
import { createMeasure, drawText } from './draw-text.ts';
import type { SourcePicture } from './load-pictures.ts';
import type { Palette } from './palette.ts';
import type { PixelFont } from './pixel-font.ts';
import type { SourcePlace } from './place-sources.ts';
import { fitText, plainText, wrapText } from './wrap-text.ts';

export interface SourcePainter {
  readonly canvas: YuvCanvas;
  readonly palette: Palette;
  readonly font: PixelFont;
  /** Side of one font pixel. */
  readonly scale: number;
}

const LINE_CELLS = 18;

/** Draws the sources of a clip: pictures as they are, everything else as a box that says what is known of it. */
export function drawSources(
  { canvas, palette, font, scale }: SourcePainter,
  places: readonly SourcePlace[],
  pictures: ReadonlyMap<string, SourcePicture>,
): void {
  const measure = createMeasure(font);
  for (const { source, box, labelXPx, labelYPx } of places) {
    const picture = pictures.get(source.label);
    const maxWidth = box.widthPx / scale;
    if (picture !== undefined) coverBox(canvas, containBox(box, picture), picture);
    else {
      fillRoundedBox(canvas, { ...box, radiusPx: 4 * scale }, palette.onAccent);
      const maxLines = Math.max(1, Math.floor(box.heightPx / scale / LINE_CELLS));
      const { lines } = wrapText(plainText(source.note ?? ''), { maxWidth: maxWidth - 8, maxLines, measure });
      lines.forEach((text, index) => {
        const yPx = Math.round(box.yPx + (4 + index * LINE_CELLS) * scale);
        drawText(canvas, { text, xPx: labelXPx + 4 * scale, yPx, scale }, { font, color: palette.soft });
      });
    }
    const text = fitText(plainText(source.label), { maxWidth, measure });
    drawText(canvas, { text, xPx: labelXPx, yPx: labelYPx, scale }, { font, color: palette.accent });
  }
}
