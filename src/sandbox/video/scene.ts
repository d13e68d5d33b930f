import { yieldToEventLoop } from '../../platform/clock.ts';
import type { VideoSource, VideoSpec } from '../clip-store.ts';
import {
  alignBox,
  type Box,
  copyBox,
  createCanvas,
  createMeasure,
  darkestLuma,
  dimTo,
  drawText,
  fillDisc,
  fillGlow,
  fillMosaic,
  fillRoundedBox,
  MACROBLOCK_PX,
  type Palette,
  paletteOf,
  seedOf,
  stripFrom,
  strokeCircle,
  type YuvCanvas,
  type YuvColor,
} from './draw.ts';
import { FRAMES_PER_SECOND } from './encode.ts';
import type { SourcePicture } from './sources.ts';
import { CELL_PX, fitText, type MeasureText, type PixelFont, plainText, wrapText } from './text.ts';

/** Draws a picture into a box (its edges moved to even pixels), its middle part where the shapes differ. */
export function coverBox(canvas: YuvCanvas, box: Box, picture: SourcePicture): void {
  const area = alignBox(canvas, box);
  const scale = Math.min(picture.widthPx / area.widthPx, picture.heightPx / area.heightPx);
  const leftPx = (picture.widthPx - area.widthPx * scale) / 2;
  const topPx = (picture.heightPx - area.heightPx * scale) / 2;
  const placeOf = (x: number, y: number): number => {
    const column = Math.min(picture.widthPx - 1, Math.floor(leftPx + (x - area.xPx + 0.5) * scale));
    const row = Math.min(picture.heightPx - 1, Math.floor(topPx + (y - area.yPx + 0.5) * scale));
    return (row * picture.widthPx + column) * 3;
  };
  for (let y = area.yPx; y < area.yPx + area.heightPx; y += 1) {
    for (let x = area.xPx; x < area.xPx + area.widthPx; x += 1) {
      const at = placeOf(x, y);
      canvas.luma[y * canvas.widthPx + x] = picture.yuv[at] ?? 16;
      if (x % 2 !== 0 || y % 2 !== 0) continue;
      const chroma = (y / 2) * (canvas.widthPx / 2) + x / 2;
      canvas.chromaU[chroma] = picture.yuv[at + 1] ?? 128;
      canvas.chromaV[chroma] = picture.yuv[at + 2] ?? 128;
    }
  }
}

/** The largest box of the picture's shape at the left of another, above whose name it stands. */
function containBox(box: Box, { widthPx, heightPx }: Pick<SourcePicture, 'widthPx' | 'heightPx'>): Box {
  const scale = Math.min(box.widthPx / widthPx, box.heightPx / heightPx);
  const width = widthPx * scale;
  const height = heightPx * scale;
  return {
    xPx: box.xPx,
    yPx: box.yPx + (box.heightPx - height) / 2,
    widthPx: width,
    heightPx: height,
  };
}

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

type Ink = 'strong' | 'soft' | 'accent' | 'onAccent';

/** One line of text; `scale` is the side of one font pixel. */
interface TextRun {
  readonly text: string;
  readonly xPx: number;
  readonly yPx: number;
  readonly scale: number;
  readonly ink: Ink;
}

interface Wheel {
  readonly centerXPx: number;
  readonly centerYPx: number;
  /** Nothing of the wheel lies further from its centre. */
  readonly radiusPx: number;
}

/** The place of everything in the picture; the wheel changes in every frame, the clock once a second. */
export interface SceneLayout {
  readonly badge: Box;
  readonly runs: readonly TextRun[];
  readonly wheel: Wheel;
  readonly clock: { readonly label: Omit<TextRun, 'text'>; readonly bar: Box };
  /** The box that holds all of the clock. */
  readonly clockBox: Box;
  readonly sources: readonly SourcePlace[];
  /** Side of one font pixel of the smallest text. */
  readonly scale: number;
}

interface Frame {
  readonly unitPx: number;
  readonly scale: number;
  readonly inner: Box;
  readonly measure: MeasureText;
}

// What moves must not share a macroblock with the clock, which only key frames change, nor lie beside it.
const KEEP_APART_PX = 2 * MACROBLOCK_PX;
const LONGEST_PROMPT_SHOWN = 2000;
const ROW_CELLS = 20;
const PROMPT_ROW_CELLS = 19;
const LAYOUT_LABEL_CELLS = 9 * 8;

/** Places everything for one spec. Pure; `measure` gives widths in font pixels. */
export function layOutScene(spec: VideoSpec, measure: MeasureText): SceneLayout {
  const unitPx = Math.min(spec.widthPx, spec.heightPx);
  const marginPx = even(unitPx * 0.06);
  const inner = {
    xPx: marginPx,
    yPx: marginPx,
    widthPx: even(spec.widthPx - 2 * marginPx),
    heightPx: even(spec.heightPx - 2 * marginPx),
  };
  const frame = { unitPx, scale: Math.max(1, Math.round(unitPx / 480)), inner, measure };
  const clock = placeClock(frame);
  const header = placeHeader(frame, spec);
  const bottomPx = clock.clockBox.yPx - Math.max(KEEP_APART_PX, 14 * frame.scale);
  const { wheel, column } = placeColumns(frame, header.badge, bottomPx);
  const details = placeDetails(frame, spec, { ...column, heightPx: bottomPx - column.yPx });
  const above = { ...column, heightPx: details.topPx - column.yPx };
  const sources = placeSources(spec.sources ?? [], above, frame.scale);
  const prompt = placePrompt(frame, spec.prompt, { ...column, heightPx: sources.topPx - column.yPx });
  const runs = [...header.runs, ...prompt, ...details.runs];
  return { ...clock, badge: header.badge, wheel, runs, sources: sources.places, scale: frame.scale };
}

function placeClock({ scale, inner }: Frame): Pick<SceneLayout, 'clock' | 'clockBox'> {
  const barHeightPx = 6 * scale;
  const heightPx = barHeightPx + ROW_CELLS * scale;
  const yPx = inner.yPx + inner.heightPx - heightPx;
  return {
    clockBox: { ...inner, yPx, heightPx },
    clock: {
      label: { xPx: inner.xPx, yPx, scale, ink: 'strong' },
      bar: { ...inner, yPx: yPx + ROW_CELLS * scale, heightPx: barHeightPx },
    },
  };
}

function placeHeader({ scale, inner, measure }: Frame, spec: VideoSpec): { badge: Box; runs: TextRun[] } {
  const text = 'SANDBOX';
  const badge = {
    xPx: inner.xPx,
    yPx: inner.yPx,
    widthPx: (measure(text) + 16) * scale,
    heightPx: (CELL_PX + 6) * scale,
  };
  const yPx = badge.yPx + 3 * scale;
  const besidePx = badge.xPx + badge.widthPx + 10 * scale;
  const maxWidth = (inner.xPx + inner.widthPx - besidePx) / scale;
  const operation = fitText(plainText(spec.operation), { maxWidth, measure });
  return {
    badge,
    runs: [
      { text, xPx: badge.xPx + 8 * scale, yPx, scale, ink: 'onAccent' },
      { text: operation, xPx: besidePx, yPx, scale, ink: 'soft' },
    ],
  };
}

/** Wide pictures: text left, wheel right. Others: the wheel above the text. */
function placeColumns(frame: Frame, badge: Box, bottomPx: number): { wheel: Wheel; column: Box } {
  const { unitPx, inner } = frame;
  const gapPx = even(unitPx * 0.05);
  const topPx = badge.yPx + badge.heightPx + gapPx;
  if (inner.widthPx > inner.heightPx * 1.15) {
    const radiusPx = Math.floor(Math.min(bottomPx - inner.yPx, inner.widthPx * 0.34) / 2);
    const wheel = {
      radiusPx,
      centerXPx: inner.xPx + inner.widthPx - radiusPx,
      centerYPx: Math.round((inner.yPx + bottomPx) / 2),
    };
    const widthPx = inner.widthPx - 2 * radiusPx - gapPx;
    return { wheel, column: { xPx: inner.xPx, yPx: topPx, widthPx, heightPx: bottomPx - topPx } };
  }
  const radiusPx = Math.floor(Math.min(inner.widthPx * 0.42, (bottomPx - topPx) * 0.2));
  const wheel = {
    radiusPx,
    centerXPx: inner.xPx + Math.round(inner.widthPx / 2),
    centerYPx: topPx + radiusPx,
  };
  const yPx = topPx + 2 * radiusPx + gapPx;
  return { wheel, column: { ...inner, yPx, heightPx: bottomPx - yPx } };
}

/** Rows of label and value that end at the bottom of the box; without labels where they would not fit. */
function placeDetails(frame: Frame, spec: VideoSpec, box: Box): { runs: TextRun[]; topPx: number } {
  const { scale, measure } = frame;
  const rows = detailsOf(spec);
  const widthCells = box.widthPx / scale;
  const widest = Math.max(
    ...rows.filter(([label]) => label !== 'SOURCES').map(([, value]) => measure(value)),
  );
  const indentCells = LAYOUT_LABEL_CELLS + widest <= widthCells ? LAYOUT_LABEL_CELLS : 0;
  const topPx = box.yPx + box.heightPx - rows.length * ROW_CELLS * scale;
  const runs = rows.flatMap(([label, value], index): TextRun[] => {
    const at = { xPx: box.xPx, yPx: topPx + index * ROW_CELLS * scale, scale };
    const text = fitText(value, { maxWidth: widthCells - indentCells, measure });
    const valueRun: TextRun = { ...at, xPx: at.xPx + indentCells * scale, text, ink: 'soft' };
    return indentCells === 0 ? [valueRun] : [{ ...at, text: label, ink: 'accent' }, valueRun];
  });
  return { runs, topPx };
}

function detailsOf(spec: VideoSpec): [label: string, value: string][] {
  const { ratio, quality, widthPx, heightPx, durationSeconds, hasAudio } = spec;
  const pixels = `${widthPx}×${heightPx}`;
  const format = [ratio, quality, pixels, `${durationSeconds} s`, hasAudio ? 'audio' : 'mute'].join(' · ');
  const sources = (spec.sources ?? []).map((source) => source.label).join(', ');
  const rows: [string, string][] = [
    ['FORMAT', format],
    ['MODEL', spec.model],
    ['TASK', spec.taskId],
    ['SOURCES', sources],
  ];
  return rows
    .map(([label, value]): [string, string] => [label, plainText(value)])
    .filter(([, value]) => value !== '');
}

/** The prompt as large as it fits whole, else at the smallest size and cut. */
function placePrompt(frame: Frame, prompt: string, box: Box): TextRun[] {
  const { unitPx, scale: smallest, measure } = frame;
  const text = plainText([...prompt].slice(0, LONGEST_PROMPT_SHOWN).join(''));
  const heightPx = box.heightPx - 10 * smallest;
  for (let scale = Math.max(smallest, Math.round(unitPx / 130)); ; scale--) {
    const rowPx = PROMPT_ROW_CELLS * scale;
    const maxLines = Math.max(1, Math.floor(heightPx / rowPx));
    const { lines, cut, brokeWord } = wrapText(text, { maxWidth: box.widthPx / scale, maxLines, measure });
    if (scale > smallest && (cut || brokeWord)) continue;
    const yPx = box.yPx + even((heightPx - lines.length * rowPx) / 2);
    return lines.map((line, index) => ({
      text: line,
      xPx: box.xPx,
      yPx: yPx + index * rowPx,
      scale,
      ink: 'strong',
    }));
  }
}

function even(valuePx: number): number {
  return Math.round(valuePx / 2) * 2;
}

interface SourcePainter {
  readonly canvas: YuvCanvas;
  readonly palette: Palette;
  readonly font: PixelFont;
  /** Side of one font pixel. */
  readonly scale: number;
}

const LINE_CELLS = 18;

/** Draws the sources of a clip: pictures as they are, everything else as a box that says what is known of it. */
function drawSources(
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
