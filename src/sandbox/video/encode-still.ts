import { createCanvas } from './canvas.ts';
import { coverBox } from './draw-picture.ts';
import { fillRoundedBox } from './draw-shapes.ts';
import { drawText } from './draw-text.ts';
import { type EncodedVideo, encodeH264 } from './encode-h264.ts';
import type { SceneLayout } from './layout.ts';
import type { SourcePicture } from './load-pictures.ts';
import type { Palette } from './palette.ts';
import type { PixelFont } from './pixel-font.ts';
import { FRAMES_PER_SECOND } from './timing.ts';
import type { VideoSpec } from './types.ts';

export interface StillStyle {
  readonly layout: SceneLayout;
  readonly palette: Palette;
  readonly font: PixelFont;
}

/** One second of a picture that fills the frame, cut to its shape as the service does, with the badge on it. */
export async function encodeStill(
  { widthPx, heightPx }: VideoSpec,
  picture: SourcePicture,
  { layout, palette, font }: StillStyle,
): Promise<EncodedVideo> {
  const canvas = createCanvas(widthPx, heightPx);
  coverBox(canvas, { xPx: 0, yPx: 0, widthPx, heightPx }, picture);
  const { badge } = layout;
  fillRoundedBox(canvas, { ...badge, radiusPx: badge.heightPx * 0.3 }, palette.accent);
  for (const run of layout.runs.filter(({ ink }) => ink === 'onAccent')) {
    drawText(canvas, run, { font, color: palette.onAccent });
  }
  return encodeH264({
    widthPx,
    heightPx,
    frameCount: FRAMES_PER_SECOND,
    keyFrameEvery: FRAMES_PER_SECOND,
    drawFrame: () => canvas.pixels,
  });
}
