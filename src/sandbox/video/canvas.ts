/** A colour in BT.709, limited range (16-235 luma, 16-240 chroma). */
export interface YuvColor {
  readonly y: number;
  readonly u: number;
  readonly v: number;
}

export interface Box {
  readonly xPx: number;
  readonly yPx: number;
  readonly widthPx: number;
  readonly heightPx: number;
}

/** An I420 picture: one full-size plane of luma, then two planes of chroma at half the width and height. */
export interface YuvCanvas {
  readonly widthPx: number;
  readonly heightPx: number;
  /** The three planes in one buffer, the form that the encoder reads. */
  readonly pixels: Uint8Array;
  readonly luma: Uint8Array;
  readonly chromaU: Uint8Array;
  readonly chromaV: Uint8Array;
}

/** How much of a pixel a shape covers, 0-1. */
export type Coverage = (xPx: number, yPx: number) => number;

/** A black canvas. Width and height must be even. */
export function createCanvas(widthPx: number, heightPx: number): YuvCanvas {
  const lumaSize = widthPx * heightPx;
  const pixels = new Uint8Array((lumaSize * 3) / 2);
  return {
    widthPx,
    heightPx,
    pixels,
    luma: pixels.subarray(0, lumaSize),
    chromaU: pixels.subarray(lumaSize, lumaSize * 1.25),
    chromaV: pixels.subarray(lumaSize * 1.25),
  };
}

/** The smallest box on even pixels, inside the canvas, that holds `box`: chroma has one sample for 2×2 pixels. */
export function alignBox(canvas: YuvCanvas, box: Box): Box {
  const xPx = Math.max(0, Math.floor(box.xPx / 2) * 2);
  const yPx = Math.max(0, Math.floor(box.yPx / 2) * 2);
  const rightPx = Math.min(canvas.widthPx, Math.ceil((box.xPx + box.widthPx) / 2) * 2);
  const bottomPx = Math.min(canvas.heightPx, Math.ceil((box.yPx + box.heightPx) / 2) * 2);
  return { xPx, yPx, widthPx: Math.max(0, rightPx - xPx), heightPx: Math.max(0, bottomPx - yPx) };
}

/** The lowest luma in a box. */
export function darkestLuma(canvas: YuvCanvas, box: Box): number {
  const { xPx, yPx, widthPx, heightPx } = alignBox(canvas, box);
  let darkest = 255;
  for (let row = yPx; row < yPx + heightPx; row++) {
    const start = row * canvas.widthPx + xPx;
    for (let at = start; at < start + widthPx; at++) darkest = Math.min(darkest, canvas.luma[at] ?? 255);
  }
  return darkest;
}

/** Copies the pixels of `box` between canvases of one size. */
export function copyBox(from: YuvCanvas, to: YuvCanvas, box: Box): void {
  const { xPx, yPx, widthPx, heightPx } = alignBox(to, box);
  for (let row = yPx; row < yPx + heightPx; row++) {
    const start = row * to.widthPx + xPx;
    to.luma.set(from.luma.subarray(start, start + widthPx), start);
  }
  const chromaWidth = to.widthPx / 2;
  for (let row = yPx / 2; row < (yPx + heightPx) / 2; row++) {
    const start = row * chromaWidth + xPx / 2;
    const end = start + widthPx / 2;
    to.chromaU.set(from.chromaU.subarray(start, end), start);
    to.chromaV.set(from.chromaV.subarray(start, end), start);
  }
}

/** Blends `color` into the canvas inside `box`, pixel by pixel as far as `coverage` says. */
export function shade(canvas: YuvCanvas, box: Box, ink: { color: YuvColor; coverage: Coverage }): void {
  const { color, coverage } = ink;
  const { luma, chromaU, chromaV, widthPx } = canvas;
  const area = alignBox(canvas, box);
  const blendLuma = (xPx: number, yPx: number): number => {
    const share = coverage(xPx, yPx);
    if (share <= 0) return 0;
    const at = yPx * widthPx + xPx;
    const under = luma[at] ?? 0;
    luma[at] = Math.round(under + (color.y - under) * share);
    return share;
  };
  for (let y = area.yPx; y < area.yPx + area.heightPx; y += 2) {
    for (let x = area.xPx; x < area.xPx + area.widthPx; x += 2) {
      const share =
        (blendLuma(x, y) + blendLuma(x + 1, y) + blendLuma(x, y + 1) + blendLuma(x + 1, y + 1)) / 4;
      if (share === 0) continue;
      const at = (y / 2) * (widthPx / 2) + x / 2;
      const underU = chromaU[at] ?? 128;
      const underV = chromaV[at] ?? 128;
      chromaU[at] = Math.round(underU + (color.u - underU) * share);
      chromaV[at] = Math.round(underV + (color.v - underV) * share);
    }
  }
}
