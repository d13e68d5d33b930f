import { yieldToEventLoop } from '../../platform/yield.ts';
import { copyBox, createCanvas, darkestLuma, type YuvCanvas, type YuvColor } from './canvas.ts';
import { fillDisc, fillGlow, fillRoundedBox, strokeCircle } from './draw-shapes.ts';
import { drawSources } from './draw-sources.ts';
import { createMeasure, drawText } from './draw-text.ts';
import { layOutScene, type SceneLayout } from './layout.ts';
import type { SourcePicture } from './load-pictures.ts';
import { fillMosaic, stripFrom } from './mosaic.ts';
import { dimTo, type Palette, paletteOf, seedOf } from './palette.ts';
import type { PixelFont } from './pixel-font.ts';
import { FRAMES_PER_SECOND } from './timing.ts';
import type { VideoSpec } from './types.ts';

/** Draws frames into one canvas: each call overwrites the picture of the one before. */
export interface Scene {
  /**
   * The wheel at a frame of the one-second loop, and a mosaic where the clock is: the encoder skips that part in
   * every frame but the first, so that the frames which follow fit any clock.
   */
  drawLoopFrame(loopFrame: number): Uint8Array;
  /** The first frame of the loop, the clock at the given second. */
  drawSecond(second: number): Uint8Array;
}

interface Painter {
  readonly canvas: YuvCanvas;
  readonly layout: SceneLayout;
  readonly palette: Palette;
  readonly font: PixelFont;
}

// The encoder sums differences over a macroblock in 16 bits: where a pixel changes by 128 and more on average, the sum
// overflows and the change is lost.
const GREATEST_CHANGE = 116;
// Every second a ring turns by one dot, which brings it back to the picture it began with.
const OUTER_DOTS = 9;
const INNER_DOTS = 6;

/** Draws what stays, once; frames then touch only what changes. */
export async function createScene(
  spec: VideoSpec,
  font: PixelFont,
  pictures: ReadonlyMap<string, SourcePicture> = new Map(),
): Promise<Scene> {
  const backdrop = createCanvas(spec.widthPx, spec.heightPx);
  const palette = paletteOf(seedOf(spec.prompt));
  const layout = layOutScene(spec, createMeasure(font));
  await fillGradient(backdrop, palette);
  drawStill({ canvas: backdrop, layout, palette, font });
  drawSources({ canvas: backdrop, palette, font, scale: layout.scale }, layout.sources, pictures);
  await yieldToEventLoop();
  const canvas = createCanvas(spec.widthPx, spec.heightPx);
  canvas.pixels.set(backdrop.pixels);
  const { centerXPx, centerYPx, radiusPx } = layout.wheel;
  const sidePx = 2 * radiusPx;
  const wheelBox = {
    xPx: centerXPx - radiusPx,
    yPx: centerYPx - radiusPx,
    widthPx: sidePx,
    heightPx: sidePx,
  };

  const strip = stripFrom(canvas, layout.clockBox);
  const painter = { canvas, layout, palette, font };
  const brightest = darkestLuma(backdrop, wheelBox) + GREATEST_CHANGE;
  const wheelPainter = { ...painter, palette: dimTo(palette, brightest) };
  let drawn: number | undefined;

  const drawFrame = (loopFrame: number): void => {
    if (loopFrame === drawn) return;
    copyBox(backdrop, canvas, wheelBox);
    drawWheel(wheelPainter, loopFrame);
    drawn = loopFrame;
  };
  return {
    drawLoopFrame: (loopFrame) => {
      drawFrame(loopFrame);
      fillMosaic(canvas, strip);
      return canvas.pixels;
    },
    drawSecond: (second) => {
      drawFrame(0);
      copyBox(backdrop, canvas, strip);
      drawClock(painter, { second, durationSeconds: spec.durationSeconds });
      return canvas.pixels;
    },
  };
}

async function fillGradient(canvas: YuvCanvas, { from, to }: Palette): Promise<void> {
  const { widthPx, heightPx, luma, chromaU, chromaV } = canvas;
  const reach = widthPx + heightPx;
  const fillRow = (
    plane: Uint8Array,
    row: { index: number; widthPx: number; step: number },
    ends: [number, number],
  ) => {
    const start = row.index * row.widthPx;
    const perPx = (row.step * (ends[1] - ends[0])) / reach;
    const first = ends[0] + row.index * perPx + 0.5;
    for (let x = 0; x < row.widthPx; x++) plane[start + x] = first + x * perPx;
  };
  for (let y = 0; y < heightPx; y++) {
    fillRow(luma, { index: y, widthPx, step: 1 }, [from.y, to.y]);
    if (y % 2 === 0) {
      const row = { index: y / 2, widthPx: widthPx / 2, step: 2 };
      fillRow(chromaU, row, [from.u, to.u]);
      fillRow(chromaV, row, [from.v, to.v]);
    }
    if (y % 512 === 511) await yieldToEventLoop();
  }
}

function drawStill({ canvas, layout, palette, font }: Painter): void {
  const { badge, runs, wheel } = layout;
  fillRoundedBox(canvas, { ...badge, radiusPx: badge.heightPx * 0.3 }, palette.accent);
  for (const run of runs) drawText(canvas, run, { font, color: palette[run.ink] });
  fillDisc(canvas, { ...wheel, radiusPx: wheel.radiusPx - 1, alpha: 0.12 }, palette.soft);
  const lineWidthPx = Math.max(1, wheel.radiusPx / 120);
  for (const [share, alpha] of [
    [0.82, 0.35],
    [0.52, 0.25],
  ] as const) {
    strokeCircle(canvas, { ...wheel, radiusPx: wheel.radiusPx * share, lineWidthPx, alpha }, palette.soft);
  }
}

function drawWheel(painter: Painter, loopFrame: number): void {
  const { palette } = painter;
  const share = loopFrame / FRAMES_PER_SECOND;
  drawDots(painter, { count: OUTER_DOTS, orbit: 0.82, size: 0.085, turn: share, color: palette.accent });
  drawDots(painter, { count: INNER_DOTS, orbit: 0.52, size: 0.045, turn: -share, color: palette.strong });
  drawFrameNumber(painter, loopFrame);
}

/** Dots on a circle, the lower ones larger and brighter, as if nearer. */
function drawDots(
  { canvas, layout }: Painter,
  ring: { count: number; orbit: number; size: number; turn: number; color: YuvColor },
): void {
  const { centerXPx, centerYPx, radiusPx } = layout.wheel;
  for (let dot = 0; dot < ring.count; dot++) {
    const angle = (2 * Math.PI * (dot + ring.turn)) / ring.count;
    const nearness = (1 + Math.sin(angle)) / 2;
    const place = {
      centerXPx: centerXPx + Math.cos(angle) * radiusPx * ring.orbit,
      centerYPx: centerYPx + Math.sin(angle) * radiusPx * ring.orbit,
    };
    const dotPx = radiusPx * ring.size * (0.45 + 0.55 * nearness);
    fillGlow(canvas, { ...place, radiusPx: dotPx * 2, alpha: 0.1 + 0.35 * nearness }, ring.color);
    fillDisc(canvas, { ...place, radiusPx: dotPx, alpha: 0.45 + 0.55 * nearness }, ring.color);
  }
}

function drawFrameNumber({ canvas, layout, palette, font }: Painter, loopFrame: number): void {
  const { centerXPx, centerYPx, radiusPx } = layout.wheel;
  const measure = createMeasure(font);
  const large = Math.max(1, Math.round(radiusPx / 45));
  const small = Math.max(1, Math.round(radiusPx / 110));
  const lines = [
    {
      text: String(loopFrame).padStart(2, '0'),
      scale: large,
      yPx: centerYPx - 12 * large,
      color: palette.strong,
    },
    { text: `/${FRAMES_PER_SECOND}`, scale: small, yPx: centerYPx + 4 * large, color: palette.soft },
  ];
  for (const { text, scale, yPx, color } of lines) {
    const xPx = Math.round(centerXPx - (measure(text) * scale) / 2);
    drawText(canvas, { text, xPx, yPx, scale }, { font, color });
  }
}

function drawClock(
  { canvas, layout, palette, font }: Painter,
  { second, durationSeconds }: { second: number; durationSeconds: number },
): void {
  const { label, bar } = layout.clock;
  const text = `${clockTime(second)} / ${clockTime(durationSeconds)}`;
  drawText(canvas, { ...label, text }, { font, color: palette[label.ink] });
  const count = Math.max(1, Math.ceil(durationSeconds));
  const gapPx = bar.heightPx / 2;
  const widthPx = (bar.widthPx - gapPx * (count - 1)) / count;
  for (let index = 0; index < count; index++) {
    const segment = { ...bar, xPx: bar.xPx + index * (widthPx + gapPx), widthPx, radiusPx: bar.heightPx / 2 };
    fillRoundedBox(canvas, segment, index <= second ? palette.accent : palette.onAccent);
  }
}

function clockTime(seconds: number): string {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}
