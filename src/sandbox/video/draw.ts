import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { VideoSource } from '../clip-store.ts';

/** Luma and the two chromas of a pixel in BT.709, limited range (16-235 luma, 16-240 chroma). */
type Yuv = readonly [y: number, u: number, v: number];
/** The colour at a place of a box: from its left and from its top, 0 to 1. */
type ColorAt = (across: number, down: number) => Yuv;

interface Size {
  readonly widthPx: number;
  readonly heightPx: number;
}

/**
 * Paints a box, whole pixels inside the frame, into an I420 picture, the form that the encoder reads: all luma, then two
 * planes of chroma at half the width and height, which are even.
 */
function paint(
  pixels: Uint8Array,
  { widthPx, heightPx }: Size,
  box: Size & { readonly xPx: number; readonly yPx: number },
  colorAt: ColorAt,
): void {
  const chromaU = widthPx * heightPx;
  const chromaV = chromaU * 1.25;
  for (let y = box.yPx; y < box.yPx + box.heightPx; y += 1) {
    for (let x = box.xPx; x < box.xPx + box.widthPx; x += 1) {
      const [luma, u, v] = colorAt((x + 0.5 - box.xPx) / box.widthPx, (y + 0.5 - box.yPx) / box.heightPx);
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
function patternOf(text: string): ColorAt {
  const seed = createHash('sha512').update(text).digest();
  const hue = ((seed[0] ?? 0) / 128) * Math.PI;
  const colors = [0, 0.5, 2.2, 4].map((turn, index): Yuv => {
    const angle = hue + turn;
    return [60 + 16 * index, 128 + Math.round(70 * Math.cos(angle)), 128 + Math.round(70 * Math.sin(angle))];
  });
  return (across, down) => {
    const cell = Math.floor(down * CELLS) * CELLS + Math.floor(Math.min(across, 1 - across) * CELLS);
    return colors[(seed[cell] ?? 0) % colors.length] ?? [60, 128, 128];
  };
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

/** A picture that fills its box, upright; undefined for what is no JPEG, PNG or WebP, is animated, is broken or has too many pixels. */
async function readPicture(path: string): Promise<ColorAt | undefined> {
  try {
    const bytes = await readFile(path);
    const { imageSize } = await import('image-size');
    const { width: shownWidth, height: shownHeight, orientation = 1, type = '' } = imageSize(bytes);
    const decoder = shownWidth * shownHeight > MAX_PIXELS ? undefined : await DECODERS[type]?.();
    if (decoder === undefined) return undefined;
    const { width, height, data } = decoder.decode(bytes);
    return (across, down) => {
      // Turned the right way up by its EXIF orientation, 1 to 8 (CIPA DC-008 §4.6.4, tag 0x0112).
      const x = [2, 3, 6, 7].includes(orientation) ? 1 - across : across;
      const y = [3, 4, 7, 8].includes(orientation) ? 1 - down : down;
      const [column, row] = orientation >= 5 ? [y, x] : [x, y];
      const pixel = (share: number, count: number) => Math.min(count - 1, Math.floor(share * count));
      const at = 4 * (pixel(row, height) * width + pixel(column, width));
      // On black where it lets light through.
      const opacity = (data[at + 3] ?? 255) / 255 / 255;
      return toYuv((data[at] ?? 0) * opacity, (data[at + 1] ?? 0) * opacity, (data[at + 2] ?? 0) * opacity);
    };
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

// The encoder sums differences over a macroblock in 16 bits: where a pixel changes by 128 and more on average, the sum
// overflows and the change is lost. The darkest colour of a pattern is 60.
const LIGHT: Yuv = [170, 128, 128];

/**
 * Draws a pattern that follows from `text`, the media of the request in a row at the bottom, and a light that crosses the
 * top once a second.
 * @returns `drawLoop`: a frame of a loop that begins anew every second; `stills`: what fills the first and the last second
 */
export async function drawScene(size: Size, text: string, sources: readonly VideoSource[]) {
  const { widthPx, heightPx } = size;
  const whole = { xPx: 0, yPx: 0, ...size };
  const createFrame = () => new Uint8Array((widthPx * heightPx * 3) / 2);
  const backdrop = createFrame();
  paint(backdrop, size, whole, patternOf(text));
  const stills: Partial<Record<'first' | 'last', Uint8Array>> = {};
  const tilePx = Math.floor(Math.min(heightPx / 4, widthPx / sources.length));
  // One at a time: decoded pictures are large.
  for (const [index, { picturePath, role, label, note }] of sources.entries()) {
    const picture = picturePath === undefined ? undefined : await readPicture(picturePath);
    const tile = { xPx: index * tilePx, yPx: heightPx - tilePx, widthPx: tilePx, heightPx: tilePx };
    paint(backdrop, size, tile, picture ?? patternOf(`${label} ${note}`));
    if (picture === undefined || role === undefined) continue;
    stills[role] = createFrame();
    paint(stills[role], size, whole, picture);
  }
  const frame = createFrame();
  const light = { widthPx: Math.floor(widthPx / 8), heightPx: Math.floor(heightPx / 16) };
  const drawLoop = (share: number): Uint8Array => {
    frame.set(backdrop);
    const xPx = Math.floor(share * (widthPx - light.widthPx));
    paint(frame, size, { xPx, yPx: 0, ...light }, () => LIGHT);
    return frame;
  };
  return { drawLoop, stills };
}
