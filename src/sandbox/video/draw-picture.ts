import { alignBox, type Box, type YuvCanvas } from './canvas.ts';
import type { SourcePicture } from './load-pictures.ts';

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
export function containBox(
  box: Box,
  { widthPx, heightPx }: Pick<SourcePicture, 'widthPx' | 'heightPx'>,
): Box {
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
