import type { Box } from './canvas.ts';
import type { VideoSource } from './types.ts';

/** Where one of the sources is shown, and its name below it. */
export interface SourcePlace {
  readonly source: VideoSource;
  readonly box: Box;
  /** Upper left corner of the name. */
  readonly labelXPx: number;
  readonly labelYPx: number;
}

const NARROWEST_CELL = 56;
const LABEL_CELLS = 20;
const GAP_CELLS = 8;

/**
 * Boxes for the sources in rows that end at the bottom of `box`; `topPx` is where they begin. Empty without sources. At
 * most half of the box is taken.
 */
export function placeSources(
  sources: readonly VideoSource[],
  box: Box,
  scale: number,
): { readonly places: readonly SourcePlace[]; readonly topPx: number } {
  const bottomPx = box.yPx + box.heightPx;
  if (sources.length === 0) return { places: [], topPx: bottomPx };
  const gapPx = GAP_CELLS * scale;
  const perRow = Math.max(
    1,
    Math.min(sources.length, Math.floor(box.widthPx / (NARROWEST_CELL * scale + gapPx))),
  );
  const rowCount = Math.ceil(sources.length / perRow);
  const cellWidthPx = (box.widthPx - gapPx * (perRow - 1)) / perRow;
  const labelPx = LABEL_CELLS * scale;
  const cellHeightPx = Math.min(cellWidthPx * 0.75, box.heightPx / 2 / rowCount - labelPx - gapPx);
  const rowPx = cellHeightPx + labelPx + gapPx;
  const topPx = bottomPx - rowPx * rowCount;
  const places = sources.map((source, index): SourcePlace => {
    const xPx = box.xPx + (index % perRow) * (cellWidthPx + gapPx);
    const yPx = topPx + Math.floor(index / perRow) * rowPx + gapPx / 2;
    // A cell of a long row is narrow, of a short one no wider than a picture looks well in.
    const widthPx = Math.min(cellWidthPx, cellHeightPx * 1.6);
    return {
      source,
      box: { xPx, yPx, widthPx, heightPx: cellHeightPx },
      labelXPx: Math.round(xPx),
      labelYPx: Math.round(yPx + cellHeightPx + 2 * scale),
    };
  });
  return { places, topPx: Math.floor(topPx) };
}
