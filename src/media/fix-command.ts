import { basename, dirname, extname, join } from 'node:path';
import { MEDIA_LIMITS, type MediaKind, type MediaLimits, type Range } from '../request/models.ts';
import type { MediaFacts, MediaProblem, MediaRule } from './facts.ts';

interface Pixels {
  readonly widthPx: number;
  readonly heightPx: number;
}

/** What to cut out of the middle first, where the shape is wrong, and the size to scale it to. */
export interface FittedPixels extends Pixels {
  readonly crop?: Pixels | undefined;
}

/** Away from the very limits, as sizes are rounded to even numbers. */
const MARGIN = 0.02;

/**
 * The nearest size within the limits: the middle part where the picture is too long or too high, then scaled as little
 * as it must be, both sides even. Undefined where nothing needs to change, or nothing is known.
 */
export function fitPixels(
  { widthPx, heightPx }: Pick<MediaFacts, 'widthPx' | 'heightPx'>,
  limits: MediaLimits,
): FittedPixels | undefined {
  const { sidePx, widthByHeight, areaPx } = limits;
  if (widthPx === undefined || heightPx === undefined || sidePx === undefined) return undefined;
  const crop = widthByHeight === undefined ? undefined : cropTo({ widthPx, heightPx }, widthByHeight);
  const from = crop ?? { widthPx, heightPx };
  const factor = scaleFactor(from, { sidePx, areaPx });
  if (crop === undefined && factor === 1) return undefined;
  const size = { widthPx: even(from.widthPx * factor), heightPx: even(from.heightPx * factor) };
  return { crop, ...(widthByHeight === undefined ? size : keepShape(size, widthByHeight)) };
}

/** Rounding can push a shape that is just within the limits over them: two pixels less on the longer side bring it back. */
function keepShape({ widthPx, heightPx }: Pixels, range: Range): Pixels {
  const ratio = widthPx / heightPx;
  if (ratio > range.max) return { widthPx: widthPx - 2, heightPx };
  return ratio < range.min ? { widthPx, heightPx: heightPx - 2 } : { widthPx, heightPx };
}

function cropTo({ widthPx, heightPx }: Pixels, range: Range): Pixels | undefined {
  const ratio = widthPx / heightPx;
  if (ratio > range.max) return { widthPx: even(heightPx * range.max * (1 - MARGIN)), heightPx };
  if (ratio < range.min) return { widthPx, heightPx: even((widthPx / range.min) * (1 - MARGIN)) };
  return undefined;
}

/** 1 where the size may stay; else the least change, a little beyond the limit that forced it. */
function scaleFactor(
  { widthPx, heightPx }: Pixels,
  { sidePx, areaPx }: { readonly sidePx: Range; readonly areaPx: Range | undefined },
): number {
  const area = widthPx * heightPx;
  const most = Math.min(
    sidePx.max / Math.max(widthPx, heightPx),
    areaPx === undefined ? Number.POSITIVE_INFINITY : Math.sqrt(areaPx.max / area),
  );
  const least = Math.max(
    sidePx.min / Math.min(widthPx, heightPx),
    areaPx === undefined ? 0 : Math.sqrt(areaPx.min / area),
  );
  if (most < 1) return most * (1 - MARGIN / 2);
  return least > 1 ? least * (1 + MARGIN / 2) : 1;
}

function even(px: number): number {
  return Math.max(2, Math.round(px / 2) * 2);
}

export interface Broken {
  /** As the command is to name it. */
  readonly path: string;
  readonly kind: MediaKind;
  readonly facts: MediaFacts | undefined;
  readonly problems: readonly MediaProblem[];
  /** Leave this much of the clip, for a sum that is too long. */
  readonly trimToSeconds?: number | undefined;
}

/** What ffmpeg itself can't read everywhere; ImageMagick can. */
const MAGICK_FORMATS: readonly string[] = [
  'heic',
  'heif',
  'avif',
  'jxl',
  'psd',
  'jp2',
  'cr2',
  'nef',
  'arw',
  'dng',
];
/** Headroom under the size limit, as a bit rate is kept on average only. */
const SIZE_SHARE = 0.85;
/** Noise as a JPEG of the quality given here takes this much of what it takes as a PNG; a photo takes far less. */
const LARGEST_JPEG_SHARE = 0.75;
const AUDIO_BITS_PER_SECOND = 128_000;

/**
 * The command, as arguments, that makes a file which passes out of one that does not: all its faults at once. Undefined
 * where no command can help (a cut file, one of another kind).
 */
export function mendCommand(broken: Broken): readonly string[] | undefined {
  const { facts, problems, kind } = broken;
  const rules = new Set(problems.map(({ rule }) => rule));
  if (rules.has('whole') || facts === undefined) return undefined;
  if (kind === 'image') return facts.kind === 'image' ? mendPicture(broken, rules) : undefined;
  if (kind === 'video') return mendVideo(broken, rules);
  return facts.kind === 'audio' || facts.audioCodec !== undefined ? mendSound(broken, rules) : undefined;
}

/** Beside the original, never over it; with the type that it had, so that `x.ogg` and `x.m4a` do not become one file. */
function outputPath(path: string, extension: string): string {
  const own = extname(path);
  const had = own.toLowerCase() === extension ? '' : `-${own.slice(1)}`;
  return join(dirname(path), `${basename(path, own)}${own === '' ? '' : had}-fixed${extension}`);
}

/** A path that begins with a dash would be read as an option. */
function pathArgument(path: string): string {
  return path.startsWith('-') ? `./${path}` : path;
}

function mendPicture({ path, facts }: Broken, rules: ReadonlySet<MediaRule>): readonly string[] | undefined {
  if (facts === undefined) return undefined;
  const input = pathArgument(path);
  const isKept = facts.format === 'png' && !rules.has('size');
  const target = pathArgument(outputPath(path, isKept ? '.png' : '.jpg'));
  const fitted = fitPixels(facts, MEDIA_LIMITS.image) ?? (rules.has('size') ? smaller(facts) : undefined);
  const isMagick =
    MAGICK_FORMATS.includes(facts.format) || facts.isAnimated === true || facts.isTurned === true;
  if (isMagick) {
    const resize = fitted === undefined ? [] : cropAndResize(fitted);
    return ['magick', `${input}[0]`, '-auto-orient', ...resize, target];
  }
  const filters = fitted === undefined ? [] : ['-vf', toFilters(fitted)];
  const quality = isKept ? [] : ['-q:v', '3'];
  return ['ffmpeg', '-i', input, ...filters, '-frames:v', '1', ...quality, target];
}

/** A picture that is too large a file, with fewer pixels: its type alone may save nothing (a JPEG, noise). */
function smaller({ format, widthPx, heightPx, sizeBytes }: MediaFacts): Fitted | undefined {
  if (widthPx === undefined || heightPx === undefined) return undefined;
  const { maxFileBytes, sidePx } = MEDIA_LIMITS.image;
  const jpegBytes = format === 'jpeg' ? sizeBytes : sizeBytes * LARGEST_JPEG_SHARE;
  const wanted = Math.sqrt((maxFileBytes * SIZE_SHARE) / jpegBytes);
  const least = sidePx.min / Math.min(widthPx, heightPx);
  const scale = Math.min(1, Math.max(wanted, least));
  if (scale === 1) return undefined;
  return { widthPx: toEven(widthPx * scale), heightPx: toEven(heightPx * scale) };
}

function toEven(px: number): number {
  return Math.ceil(px / 2) * 2;
}

type Fitted = NonNullable<ReturnType<typeof fitPixels>>;

function cropAndResize({ crop, widthPx, heightPx }: Fitted): readonly string[] {
  const cut =
    crop === undefined
      ? []
      : ['-gravity', 'center', '-crop', `${crop.widthPx}x${crop.heightPx}+0+0`, '+repage'];
  return [...cut, '-resize', `${widthPx}x${heightPx}!`];
}

function toFilters({ crop, widthPx, heightPx }: Fitted): string {
  const cut = crop === undefined ? '' : `crop=${crop.widthPx}:${crop.heightPx},`;
  return `${cut}scale=${widthPx}:${heightPx}`;
}

function mendVideo(
  { path, facts, trimToSeconds }: Broken,
  rules: ReadonlySet<MediaRule>,
): readonly string[] | undefined {
  if (facts?.kind !== 'video' || (facts.videoCodec === undefined && facts.audioCodec !== undefined))
    return undefined;
  const input = pathArgument(path);
  const target = pathArgument(outputPath(path, '.mp4'));
  const fitted = fitPixels(facts, MEDIA_LIMITS.video);
  const rate = rules.has('frame-rate') ? [`fps=${(facts.framesPerSecond ?? 0) < 24 ? 24 : 30}`] : [];
  const filters = [...(fitted === undefined ? [] : [toFilters(fitted)]), ...rate];
  const { before, after, seconds } = lengthArguments(facts, MEDIA_LIMITS.video.clipSeconds, trimToSeconds);
  return [
    'ffmpeg',
    ...before,
    '-i',
    input,
    ...after,
    ...(filters.length === 0 ? [] : ['-vf', filters.join(',')]),
    '-c:v',
    'libx264',
    '-pix_fmt',
    'yuv420p',
    ...(rules.has('size') ? ['-b:v', String(videoBitRate(seconds))] : []),
    '-c:a',
    'aac',
    '-movflags',
    '+faststart',
    target,
  ];
}

/** The rate that fills most of what the size limit leaves, at most what looks as good as any. */
function videoBitRate(seconds: number | undefined): number {
  const { maxFileBytes, maxTotalSeconds } = MEDIA_LIMITS.video;
  const bits = (maxFileBytes * 8 * SIZE_SHARE) / (seconds ?? maxTotalSeconds) - AUDIO_BITS_PER_SECOND;
  return Math.floor(Math.min(bits, 12_000_000) / 1000) * 1000;
}

function mendSound(
  { path, facts, trimToSeconds }: Broken,
  rules: ReadonlySet<MediaRule>,
): readonly string[] | undefined {
  if (facts === undefined) return undefined;
  const input = pathArgument(path);
  const isWav = facts.format === 'wav' && !rules.has('size');
  const target = pathArgument(outputPath(path, isWav ? '.wav' : '.mp3'));
  // A cut MP3 is padded to whole frames: the length is a little below the limit.
  const { before, after } = lengthArguments(
    facts,
    MEDIA_LIMITS.audio.clipSeconds,
    trimToSeconds,
    isWav ? 0 : 0.1,
  );
  const coding = isWav ? ['-c:a', 'pcm_s16le'] : ['-c:a', 'libmp3lame', '-b:a', '192k'];
  return ['ffmpeg', ...before, '-i', input, ...after, '-vn', ...coding, target];
}

/** Too long: cut. Too short: played again from the start until it is long enough. */
function lengthArguments(
  { seconds }: MediaFacts,
  range: { readonly min: number; readonly max: number },
  trimToSeconds: number | undefined,
  padding = 0,
) {
  const max = Math.min(trimToSeconds ?? range.max, range.max) - padding;
  if (seconds !== undefined && seconds < range.min) {
    const times = Math.ceil(range.min / seconds);
    return { before: ['-stream_loop', String(times)], after: ['-t', String(range.min)], seconds: range.min };
  }
  const isLong = seconds === undefined || seconds > max;
  const cutSeconds = Number(max.toFixed(1));
  return isLong
    ? { before: [], after: ['-t', String(cutSeconds)], seconds: cutSeconds }
    : { before: [], after: [], seconds };
}
