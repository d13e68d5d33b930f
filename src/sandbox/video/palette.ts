import { createHash } from 'node:crypto';
import type { YuvColor } from './canvas.ts';

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
