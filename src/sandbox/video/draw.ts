import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { VideoSource } from '../clip-store.ts';

/** Luma and the two chromas of a pixel in BT.709, limited range (16-235 luma, 16-240 chroma). */
type Yuv = readonly [y: number, u: number, v: number];
type ColorAt = (xPx: number, yPx: number) => Yuv;

interface Size {
  readonly widthPx: number;
  readonly heightPx: number;
}

interface Box extends Size {
  readonly xPx: number;
  readonly yPx: number;
}

/** An I420 picture, the form that the encoder reads: all luma, then two planes of chroma at half the width and height. */
interface Frame extends Size {
  readonly pixels: Uint8Array;
}

/** Width and height must be even. */
function createFrame({ widthPx, heightPx }: Size): Frame {
  return { widthPx, heightPx, pixels: new Uint8Array((widthPx * heightPx * 3) / 2) };
}

/** Paints a box, as far as it lies inside the frame. */
function paint({ widthPx, heightPx, pixels }: Frame, box: Box, colorAt: ColorAt): void {
  const rightPx = Math.min(widthPx, Math.floor(box.xPx + box.widthPx));
  const bottomPx = Math.min(heightPx, Math.floor(box.yPx + box.heightPx));
  const chromaU = widthPx * heightPx;
  const chromaV = chromaU * 1.25;
  for (let y = Math.max(0, Math.floor(box.yPx)); y < bottomPx; y += 1) {
    for (let x = Math.max(0, Math.floor(box.xPx)); x < rightPx; x += 1) {
      const [luma, u, v] = colorAt(x, y);
      pixels[y * widthPx + x] = luma;
      if (x % 2 !== 0 || y % 2 !== 0) continue;
      const at = (y / 2) * (widthPx / 2) + x / 2;
      pixels[chromaU + at] = u;
      pixels[chromaV + at] = v;
    }
  }
}

const CELLS = 8;

/** A mirrored pattern of four colours that follows from a text: two texts are told apart at a glance. */
function patternOf(text: string, { xPx, yPx, widthPx, heightPx }: Box): ColorAt {
  const seed = createHash('sha512').update(text).digest();
  const hue = ((seed[0] ?? 0) / 128) * Math.PI;
  const colors = [0, 0.5, 2.2, 4].map((turn, index): Yuv => {
    const angle = hue + turn;
    return [60 + 16 * index, 128 + Math.round(70 * Math.cos(angle)), 128 + Math.round(70 * Math.sin(angle))];
  });
  const cellPx = Math.max(2, Math.ceil(Math.min(widthPx, heightPx) / CELLS));
  return (x, y) => {
    const column = Math.floor(Math.min(x - xPx, xPx + widthPx - 1 - x) / cellPx);
    const row = Math.floor((y - yPx) / cellPx);
    const color = (seed[(row * CELLS + column) % seed.length] ?? 0) % colors.length;
    return colors[color] ?? [60, 128, 128];
  };
}

/** A decoded picture, upright. */
interface Picture extends Size {
  readonly colorAt: ColorAt;
}

/** `contain` shows all of a picture inside the box, `cover` fills the box with its middle. */
function paintPicture(frame: Frame, box: Box, picture: Picture, fit: 'contain' | 'cover'): void {
  const scales = [box.widthPx / picture.widthPx, box.heightPx / picture.heightPx];
  const scale = fit === 'contain' ? Math.min(...scales) : Math.max(...scales);
  const size = { widthPx: picture.widthPx * scale, heightPx: picture.heightPx * scale };
  const xPx = box.xPx + (box.widthPx - size.widthPx) / 2;
  const yPx = box.yPx + (box.heightPx - size.heightPx) / 2;
  const clamp = (value: number, sidePx: number) => Math.min(sidePx - 1, Math.max(0, Math.floor(value)));
  paint(frame, { xPx, yPx, ...size }, (x, y) =>
    picture.colorAt(
      clamp((x + 0.5 - xPx) / scale, picture.widthPx),
      clamp((y + 0.5 - yPx) / scale, picture.heightPx),
    ),
  );
}

interface Decoded {
  readonly width: number;
  readonly height: number;
  /** Four bytes a pixel: red, green, blue, opacity. */
  readonly data: ArrayLike<number>;
}

const DECODERS: Readonly<Record<string, () => Promise<{ decode: (bytes: Uint8Array) => Decoded }>>> = {
  jpg: () => import('@cwasm/jpeg-turbo'),
  png: () => import('@cwasm/lodepng'),
  webp: () => import('@cwasm/webp'),
};

/** Its pixels alone take 96 MB, twice for a moment. */
const MAX_PIXELS = 24_000_000;

/** Decodes a JPEG, PNG or WebP; undefined for what is none, is animated, is broken or has too many pixels. */
async function readPicture(path: string): Promise<Picture | undefined> {
  try {
    const bytes = await readFile(path);
    const { imageSize } = await import('image-size');
    const { width: shownWidth, height: shownHeight, orientation = 1, type = '' } = imageSize(bytes);
    const decoder = shownWidth * shownHeight > MAX_PIXELS ? undefined : await DECODERS[type]?.();
    if (decoder === undefined) return undefined;
    const { width, height, data } = decoder.decode(bytes);
    // Turned the right way up by its EXIF orientation, 1 to 8 (CIPA DC-008 §4.6.4, tag 0x0112).
    const isSwapped = orientation >= 5;
    const [widthPx, heightPx] = isSwapped ? [height, width] : [width, height];
    const colorAt: ColorAt = (x, y) => {
      const atX = [2, 3, 6, 7].includes(orientation) ? widthPx - 1 - x : x;
      const atY = [3, 4, 7, 8].includes(orientation) ? heightPx - 1 - y : y;
      const at = 4 * (isSwapped ? atX * width + atY : atY * width + atX);
      // On black where it lets light through.
      const opacity = (data[at + 3] ?? 255) / 255 / 255;
      return toYuv((data[at] ?? 0) * opacity, (data[at + 1] ?? 0) * opacity, (data[at + 2] ?? 0) * opacity);
    };
    return { widthPx, heightPx, colorAt };
  } catch {
    return undefined;
  }
}

/** ITU-R BT.709, limited range; channels 0 to 1. */
function toYuv(red: number, green: number, blue: number): Yuv {
  const luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  const u = Math.round(128 + (224 * (blue - luma)) / 1.8556);
  return [Math.round(16 + 219 * luma), u, Math.round(128 + (224 * (red - luma)) / 1.5748)];
}

export interface Scene {
  /** What a second of the clip shows: frames of a loop that begins anew every second. */
  readonly drawLoop: (share: number) => Uint8Array;
  /** Pictures that fill the first and the last second. */
  readonly stills: Readonly<Partial<Record<'first' | 'last', Frame>>>;
}

/**
 * Draws a pattern that follows from `text`, the media of the request in rows at the bottom, and a light that crosses the
 * top once a second.
 */
export async function drawScene(size: Size, text: string, sources: readonly VideoSource[]): Promise<Scene> {
  const whole: Box = { xPx: 0, yPx: 0, ...size };
  const backdrop = createFrame(size);
  paint(backdrop, whole, patternOf(text, whole));
  const stills: Partial<Record<'first' | 'last', Frame>> = {};
  // One at a time: decoded pictures are large.
  for (const [index, source] of sources.entries()) {
    const picture = source.picturePath === undefined ? undefined : await readPicture(source.picturePath);
    const box = tileOf(index, sources.length, size);
    if (picture === undefined) paint(backdrop, box, patternOf(`${source.label} ${source.note}`, box));
    else paintPicture(backdrop, box, picture, 'contain');
    if (picture === undefined || source.role === undefined) continue;
    const still = createFrame(size);
    paintPicture(still, whole, picture, 'cover');
    stills[source.role] = still;
  }
  const frame = createFrame(size);
  const light = { widthPx: size.widthPx / 8, heightPx: size.heightPx / 16 };
  const drawLoop = (share: number): Uint8Array => {
    frame.pixels.set(backdrop.pixels);
    const xPx = share * (size.widthPx - light.widthPx);
    paint(frame, { xPx, yPx: 0, ...light }, () => LIGHT);
    return frame.pixels;
  };
  return { drawLoop, stills };
}

// The encoder sums differences over a macroblock in 16 bits: where a pixel changes by 128 and more on average, the sum
// overflows and the change is lost. The darkest colour of a pattern is 60.
const LIGHT: Yuv = [170, 128, 128];
const TILES_IN_A_ROW = 8;

/** The place of one of the media: rows of at most eight from the bottom, in the lower half. */
function tileOf(index: number, count: number, { widthPx, heightPx }: Size): Box {
  const columns = Math.min(count, TILES_IN_A_ROW);
  const rows = Math.ceil(count / TILES_IN_A_ROW);
  const rowPx = Math.min(heightPx / 4, heightPx / 2 / rows);
  const columnPx = Math.min(widthPx / columns, rowPx * 2);
  const gapPx = Math.ceil(rowPx / 16);
  return {
    xPx: (index % columns) * columnPx + gapPx,
    yPx: heightPx - rowPx * (rows - Math.floor(index / columns)) + gapPx,
    widthPx: columnPx - 2 * gapPx,
    heightPx: rowPx - 2 * gapPx,
  };
}
