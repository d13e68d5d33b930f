import { createHash } from 'node:crypto';
import { CELL_PX, type MeasureText, type PixelFont, type PixelGlyph } from './text.ts';

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
type Coverage = (xPx: number, yPx: number) => number;

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
function shade(canvas: YuvCanvas, box: Box, ink: { color: YuvColor; coverage: Coverage }): void {
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

export interface Palette {
  /** The background runs from the first to the second of these, corner to corner. */
  readonly from: YuvColor;
  readonly to: YuvColor;
  readonly strong: YuvColor;
  readonly soft: YuvColor;
  readonly accent: YuvColor;
  readonly onAccent: YuvColor;
}

/** 32 bytes that depend on the text alone. */
export function seedOf(text: string): Uint8Array {
  return createHash('sha256').update(text).digest();
}

/** Dark background, light text and one bright colour, whose hues follow from the seed. */
export function paletteOf(seed: Uint8Array): Palette {
  const hue = ((seed[0] ?? 0) * 256 + (seed[1] ?? 0)) % 360;
  const turn = 35 + ((seed[2] ?? 0) % 30);
  return {
    from: yuvOfHsl(hue, 0.62, 0.13),
    to: yuvOfHsl(hue + turn, 0.58, 0.33),
    strong: yuvOfHsl(hue, 0.4, 0.97),
    soft: yuvOfHsl(hue, 0.3, 0.78),
    accent: brightOfHue(hue + turn + 165),
    onAccent: yuvOfHsl(hue, 0.7, 0.1),
  };
}

/** The same palette, no colour brighter than the given luma. */
export function dimTo(palette: Palette, luma: number): Palette {
  const dim = (color: YuvColor): YuvColor => ({ ...color, y: Math.min(color.y, luma) });
  return {
    from: dim(palette.from),
    to: dim(palette.to),
    strong: dim(palette.strong),
    soft: dim(palette.soft),
    accent: dim(palette.accent),
    onAccent: dim(palette.onAccent),
  };
}

/** Blue and violet look darker than yellow at one lightness: lighter, until it stands out from the background. */
function brightOfHue(hue: number): YuvColor {
  let lightness = 0.64;
  let color = yuvOfHsl(hue, 0.92, lightness);
  while (color.y < 155) {
    lightness += 0.02;
    color = yuvOfHsl(hue, 0.92, lightness);
  }
  return color;
}

/** Hue in degrees, saturation and lightness 0-1. */
function yuvOfHsl(hue: number, saturation: number, lightness: number): YuvColor {
  const chroma = saturation * Math.min(lightness, 1 - lightness);
  const channel = (offset: number): number => {
    const k = (offset + hue / 30) % 12;
    return lightness - chroma * Math.max(-1, Math.min(k - 3, 9 - k, 1));
  };
  return yuvOfRgb({ red: channel(0), green: channel(8), blue: channel(4) });
}

/** ITU-R BT.709, limited range; channels 0-1. */
function yuvOfRgb({ red, green, blue }: { red: number; green: number; blue: number }): YuvColor {
  const luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  return {
    y: Math.round(16 + 219 * luma),
    u: Math.round(128 + (224 * (blue - luma)) / 1.8556),
    v: Math.round(128 + (224 * (red - luma)) / 1.5748),
  };
}

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
