import { basename, dirname, extname, join } from 'node:path';
import { MEDIA_LIMITS, type MediaKind, type MediaLimits, type Range } from '../request/models.ts';
import type { MediaFacts, MediaProblem, MediaRule } from './facts.ts';

interface Pixels {
  readonly widthPx: number;
  readonly heightPx: number;
}

/** What to cut out of the middle first, where the shape is wrong, and the size to scale it to. */
interface FittedPixels extends Pixels {
  readonly crop?: Pixels | undefined;
}

/** Away from the very limits, as sizes are rounded to even numbers. */
const MARGIN = 0.02;
const even = (px: number): number => Math.max(2, Math.round(px / 2) * 2);

/**
 * The nearest size within the limits: the middle part where the picture is too long or too high, then scaled as little
 * as it must be, both sides even. Undefined where nothing needs to change, or nothing is known.
 */
export function fitPixels(
  { widthPx, heightPx }: Partial<Pick<MediaFacts, 'widthPx' | 'heightPx'>>,
  { sidePx, widthByHeight, areaPx = { min: 0, max: Number.POSITIVE_INFINITY } }: MediaLimits,
): FittedPixels | undefined {
  if (widthPx === undefined || heightPx === undefined || !sidePx || !widthByHeight) return undefined;
  const crop = cropTo({ widthPx, heightPx }, widthByHeight);
  const from = crop ?? { widthPx, heightPx };
  const area = from.widthPx * from.heightPx;
  const [short, long] = [Math.min(from.widthPx, from.heightPx), Math.max(from.widthPx, from.heightPx)];
  const most = Math.min(sidePx.max / long, Math.sqrt(areaPx.max / area));
  const least = Math.max(sidePx.min / short, Math.sqrt(areaPx.min / area));
  const factor = most < 1 ? most * (1 - MARGIN / 2) : least > 1 ? least * (1 + MARGIN / 2) : 1;
  if (crop === undefined && factor === 1) return undefined;
  const size = { widthPx: even(from.widthPx * factor), heightPx: even(from.heightPx * factor) };
  // Rounding can push a shape that is just within the limits over them.
  const ratio = size.widthPx / size.heightPx;
  if (ratio > widthByHeight.max) size.widthPx -= 2;
  if (ratio < widthByHeight.min) size.heightPx -= 2;
  return { crop, ...size };
}

function cropTo({ widthPx, heightPx }: Pixels, { min, max }: Range): Pixels | undefined {
  const ratio = widthPx / heightPx;
  if (ratio > max) return { widthPx: even(heightPx * max * (1 - MARGIN)), heightPx };
  return ratio < min ? { widthPx, heightPx: even((widthPx / min) * (1 - MARGIN)) } : undefined;
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

interface Target {
  readonly extension: string;
  readonly coding: readonly string[];
}

/** What each kind becomes; the first where the file already has that format and is not too large. */
const TARGETS: Readonly<Record<MediaKind, { readonly kept?: Target; readonly usual: Target }>> = {
  image: {
    kept: { extension: '.png', coding: ['-frames:v', '1'] },
    usual: { extension: '.jpg', coding: ['-frames:v', '1', '-q:v', '3'] },
  },
  video: {
    usual: {
      extension: '.mp4',
      coding: [...'-c:v libx264 -pix_fmt yuv420p -c:a aac -movflags +faststart'.split(' ')],
    },
  },
  audio: {
    kept: { extension: '.wav', coding: ['-vn', '-c:a', 'pcm_s16le'] },
    usual: { extension: '.mp3', coding: ['-vn', '-c:a', 'libmp3lame', '-b:a', '192k'] },
  },
};

/** What ffmpeg itself can't read everywhere, and what it does not turn upright; ImageMagick does both. */
const MAGICK_FORMATS = /^(heic|heif|avif|jxl|psd|jp2|cr2|nef|arw|dng)$/;

/**
 * The command, as arguments, that makes a file which passes out of one that does not: all its faults at once. Undefined
 * where no command can help (a cut file, one of another kind).
 */
export function fixCommand(broken: Broken): readonly string[] | undefined {
  const { path, kind, facts, problems } = broken;
  const rules = new Set(problems.map(({ rule }) => rule));
  if (facts === undefined || rules.has('whole') || !isConvertible(facts, kind)) return undefined;
  const { kept, usual } = TARGETS[kind];
  const isKept = kept !== undefined && kept.extension === `.${facts.format}` && !rules.has('size');
  const isMagick =
    kind === 'image' &&
    (MAGICK_FORMATS.test(facts.format) || facts.isAnimated === true || facts.isTurned === true);
  const { extension, coding } = isKept ? kept : usual;
  const [input, target] = [pathArgument(path), pathArgument(outputPath(path, extension))];
  const fitted = fitPixels(facts, MEDIA_LIMITS[kind]) ?? smaller(facts, kind, rules);
  if (isMagick) return ['magick', `${input}[0]`, '-auto-orient', ...magickResize(fitted), target];
  const { before, after } = kind === 'image' ? NO_LENGTH : lengthArguments(broken, facts, extension);
  const filters = [...ffmpegResize(fitted), ...frameRate(facts, rules)];
  const filter = filters.length === 0 ? [] : ['-vf', filters.join(',')];
  // At most 15 s remain, so that this rate keeps any clip under half of the size limit.
  const rate = kind === 'video' && rules.has('size') ? ['-b:v', '12M'] : [];
  return ['ffmpeg', ...before, '-i', input, ...after, ...filter, ...coding, ...rate, target];
}

/** A picture needs a picture, a clip needs a video track, a sound may come out of a clip. */
function isConvertible(facts: MediaFacts, kind: MediaKind): boolean {
  if (kind === 'audio') return facts.kind === 'audio' || facts.audioCodec !== undefined;
  return facts.kind === kind && (facts.videoCodec !== undefined || facts.audioCodec === undefined);
}

/** Beside the original, never over it; with the type that it had, so that `x.ogg` and `x.m4a` do not become one file. */
function outputPath(path: string, extension: string): string {
  const own = extname(path);
  const had = own.toLowerCase() === extension || own === '' ? '' : `-${own.slice(1)}`;
  return join(dirname(path), `${basename(path, own)}${had}-fixed${extension}`);
}

/** A path that begins with a dash would be read as an option. */
function pathArgument(path: string): string {
  return path.startsWith('-') ? `./${path}` : path;
}

/** A JPEG that is too large a file, with fewer pixels; of other pictures the conversion makes a smaller file. */
function smaller(
  { format, widthPx = 0, heightPx = 0, sizeBytes }: MediaFacts,
  kind: MediaKind,
  rules: ReadonlySet<MediaRule>,
): FittedPixels | undefined {
  if (kind !== 'image' || format !== 'jpeg' || !rules.has('size') || widthPx === 0) return undefined;
  const scale = Math.sqrt((MEDIA_LIMITS.image.maxFileBytes * 0.85) / sizeBytes);
  return { widthPx: even(widthPx * scale), heightPx: even(heightPx * scale) };
}

function magickResize(fitted: FittedPixels | undefined): readonly string[] {
  if (fitted === undefined) return [];
  const { crop, widthPx, heightPx } = fitted;
  const area = `${crop?.widthPx}x${crop?.heightPx}+0+0`;
  const cut = crop === undefined ? [] : ['-gravity', 'center', '-crop', area, '+repage'];
  return [...cut, '-resize', `${widthPx}x${heightPx}!`];
}

function ffmpegResize(fitted: FittedPixels | undefined): readonly string[] {
  if (fitted === undefined) return [];
  const { crop, widthPx, heightPx } = fitted;
  const cut = crop === undefined ? [] : [`crop=${crop.widthPx}:${crop.heightPx}`];
  return [...cut, `scale=${widthPx}:${heightPx}`];
}

function frameRate({ framesPerSecond = 0 }: MediaFacts, rules: ReadonlySet<MediaRule>): readonly string[] {
  return rules.has('frame-rate') ? [`fps=${framesPerSecond < 24 ? 24 : 30}`] : [];
}

const NO_LENGTH = { before: [], after: [] };

/** Too long: cut. Too short: played again from the start until it is long enough. */
function lengthArguments({ trimToSeconds }: Broken, { seconds }: MediaFacts, extension: string) {
  const { min, max: most } = MEDIA_LIMITS.video.clipSeconds;
  // A cut MP3 is padded to whole frames: the length is a little below the limit.
  const max = Math.min(trimToSeconds ?? most, most) - (extension === '.mp3' ? 0.1 : 0);
  if (seconds !== undefined && seconds < min)
    return { before: ['-stream_loop', String(Math.ceil(min / seconds))], after: ['-t', String(min)] };
  if (seconds !== undefined && seconds <= max) return NO_LENGTH;
  return { before: [], after: ['-t', String(Number(max.toFixed(1)))] };
}
