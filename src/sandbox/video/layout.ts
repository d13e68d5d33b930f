import type { Box } from './canvas.ts';
import { MACROBLOCK_PX } from './mosaic.ts';
import { CELL_PX } from './pixel-font.ts';
import { placeSources, type SourcePlace } from './place-sources.ts';
import type { VideoSpec } from './types.ts';
import { fitText, type MeasureText, plainText, wrapText } from './wrap-text.ts';

export type Ink = 'strong' | 'soft' | 'accent' | 'onAccent';

/** One line of text; `scale` is the side of one font pixel. */
export interface TextRun {
  readonly text: string;
  readonly xPx: number;
  readonly yPx: number;
  readonly scale: number;
  readonly ink: Ink;
}

export interface Wheel {
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
const LABEL_CELLS = 9 * 8;

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
  const indentCells = LABEL_CELLS + widest <= widthCells ? LABEL_CELLS : 0;
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
