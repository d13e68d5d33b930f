import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../../platform/process.ts';
import type { VideoSource } from '../clip-store.ts';
import { decodePicture, type Picture } from '../media-facts.ts';

const TIME_LIMIT_MS = 10_000;

/**
 * The first picture of a clip (MP4 or MOV) as a PNG, upright, by the `ffmpeg` of this machine: no small library decodes
 * what cameras and editors write (H.264 High, HEVC). Undefined where there is none, or it can't decode the clip in 10 s.
 */
async function readFirstFrame(clipPath: string, maxSidePx: number): Promise<Uint8Array | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'evolink-frame-')).catch(() => undefined);
  if (folder === undefined) return undefined;
  try {
    const scale = `scale='min(${maxSidePx},iw)':'min(${maxSidePx},ih)':force_original_aspect_ratio=decrease`;
    // One demuxer and local files only: what looks like a clip must not make it open anything else.
    const input = ['-protocol_whitelist', 'file', '-f', 'mov', '-i', clipPath];
    const output = ['-map', '0:v:0', '-frames:v', '1', '-vf', scale, '-threads', '1', 'frame.png'];
    // In a folder of its own, as Windows looks for programs where it is first.
    const { exitCode } = await runCommand(['ffmpeg', '-v', 'error', '-nostdin', ...input, ...output], {
      timeoutMs: TIME_LIMIT_MS,
      cwd: folder,
    });
    return exitCode === 0 ? await readFile(join(folder, 'frame.png')) : undefined;
  } catch {
    return undefined;
  } finally {
    await rm(folder, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** A picture no larger than a clip can show, in BT.709, limited range, three bytes a pixel: luma, U, V; upright. */
export interface SourcePicture {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly yuv: Uint8Array;
}

/** Pictures, and the first pictures of clips, by the label of their source; what can't be read or decoded is left out. One at a time: they are large. */
export async function loadPictures(
  sources: readonly VideoSource[],
  maxSidePx: number,
): Promise<ReadonlyMap<string, SourcePicture>> {
  const pictures = new Map<string, SourcePicture>();
  for (const source of sources) {
    const bytes = await readSource(source, maxSidePx);
    const picture = bytes && (await decodePicture(bytes).catch(() => undefined));
    if (picture !== undefined) pictures.set(source.label, shrink(picture, maxSidePx));
  }
  return pictures;
}

async function readSource(
  { picturePath, clipPath }: VideoSource,
  maxSidePx: number,
): Promise<Uint8Array | undefined> {
  if (picturePath !== undefined) return readFile(picturePath).catch(() => undefined);
  return clipPath === undefined ? undefined : readFirstFrame(clipPath, maxSidePx);
}

/** Averages whole squares of pixels: at most `maxSidePx` a side, never larger than the original. */
export function shrink(picture: Picture, maxSidePx: number): SourcePicture {
  const step = Math.max(1, Math.ceil(Math.max(picture.widthPx, picture.heightPx) / maxSidePx));
  const storedWidth = Math.max(1, Math.floor(picture.widthPx / step));
  const storedHeight = Math.max(1, Math.floor(picture.heightPx / step));
  const isSwapped = picture.orientation >= 5;
  const widthPx = isSwapped ? storedHeight : storedWidth;
  const heightPx = isSwapped ? storedWidth : storedHeight;
  const yuv = new Uint8Array(widthPx * heightPx * 3);
  for (let y = 0; y < heightPx; y += 1) {
    for (let x = 0; x < widthPx; x += 1) {
      const [atX, atY] = storedPlace(x, y, { widthPx, heightPx, orientation: picture.orientation });
      writeYuv(yuv, (y * widthPx + x) * 3, average(picture, { x: atX * step, y: atY * step, step }));
    }
  }
  return { widthPx, heightPx, yuv };
}

/** Where an upright pixel is stored (CIPA DC-008 §4.6.4, tag 0x0112). */
function storedPlace(
  x: number,
  y: number,
  { widthPx, heightPx, orientation }: { widthPx: number; heightPx: number; orientation: number },
): readonly [x: number, y: number] {
  const right = widthPx - 1 - x;
  const below = heightPx - 1 - y;
  switch (orientation) {
    case 2:
      return [right, y];
    case 3:
      return [right, below];
    case 4:
      return [x, below];
    case 5:
      return [y, x];
    case 6:
      return [y, right];
    case 7:
      return [below, right];
    case 8:
      return [below, x];
    default:
      return [x, y];
  }
}

type Rgb = readonly [red: number, green: number, blue: number];

/** The mean of a square on a black ground where it lets light through. */
function average({ widthPx, rgba }: Picture, { x, y, step }: { x: number; y: number; step: number }): Rgb {
  let red = 0;
  let green = 0;
  let blue = 0;
  for (let row = y; row < y + step; row += 1) {
    for (let column = x; column < x + step; column += 1) {
      const at = (row * widthPx + column) * 4;
      const opacity = (rgba[at + 3] ?? 255) / 255;
      red += (rgba[at] ?? 0) * opacity;
      green += (rgba[at + 1] ?? 0) * opacity;
      blue += (rgba[at + 2] ?? 0) * opacity;
    }
  }
  const count = step * step * 255;
  return [red / count, green / count, blue / count];
}

/** ITU-R BT.709, limited range. */
function writeYuv(yuv: Uint8Array, at: number, [red, green, blue]: Rgb): void {
  const luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  yuv[at] = Math.round(16 + 219 * luma);
  yuv[at + 1] = Math.round(128 + (224 * (blue - luma)) / 1.8556);
  yuv[at + 2] = Math.round(128 + (224 * (red - luma)) / 1.5748);
}
