import { basename, dirname, extname, join } from 'node:path';
import { MEDIA_LIMITS, type MediaKind, type MediaLimits } from '../request/models.ts';
import type { MediaFacts, MediaProblem } from './facts.ts';

/** Away from the very limits, as sizes are rounded to even numbers. */
const MARGIN = 0.02;
const even = (px: number): number => Math.max(2, Math.round(px / 2) * 2);

/**
 * The nearest size within the limits: the middle part (`crop`) where the picture is too long or too high, then scaled as
 * little as it must be, both sides even. Undefined where nothing needs to change, or nothing is known.
 */
export function fitPixels(
  { widthPx, heightPx }: Pick<MediaFacts, 'widthPx' | 'heightPx'>,
  { sidePx, widthByHeight, areaPx = { min: 0, max: Number.POSITIVE_INFINITY } }: MediaLimits,
) {
  if (widthPx === undefined || heightPx === undefined || !sidePx || !widthByHeight) return undefined;
  const { min, max } = widthByHeight;
  const width = widthPx / heightPx > max ? even(heightPx * max * (1 - MARGIN)) : widthPx;
  const height = widthPx / heightPx < min ? even((widthPx / min) * (1 - MARGIN)) : heightPx;
  const isCropped = width !== widthPx || height !== heightPx;
  const most = Math.min(sidePx.max / Math.max(width, height), Math.sqrt(areaPx.max / width / height));
  const least = Math.max(sidePx.min / Math.min(width, height), Math.sqrt(areaPx.min / width / height));
  const factor = most < 1 ? most * (1 - MARGIN / 2) : least > 1 ? least * (1 + MARGIN / 2) : 1;
  if (!isCropped && factor === 1) return undefined;
  const size = { widthPx: even(width * factor), heightPx: even(height * factor) };
  // Rounding can push a shape that is just within the limits over them.
  if (size.widthPx / size.heightPx > max) size.widthPx -= 2;
  if (size.widthPx / size.heightPx < min) size.heightPx -= 2;
  return { crop: isCropped ? { widthPx: width, heightPx: height } : undefined, ...size };
}

/** Extension and coding of what each kind becomes; `kept` where the file already has that format and is not too large. */
const TARGETS: Readonly<Record<MediaKind, { readonly kept?: string; readonly usual: string }>> = {
  image: { kept: '.png -frames:v 1', usual: '.jpg -frames:v 1 -q:v 3' },
  video: { usual: '.mp4 -c:v libx264 -pix_fmt yuv420p -c:a aac -movflags +faststart' },
  audio: { kept: '.wav -vn -c:a pcm_s16le', usual: '.mp3 -vn -c:a libmp3lame -b:a 192k' },
};

/** What ffmpeg itself can't read everywhere, and what it does not turn upright; ImageMagick does both. */
const MAGICK_FORMATS = /^(heic|heif|avif|jxl|psd|jp2|cr2|nef|arw|dng)$/;

/**
 * The command, as arguments, that makes a file which passes out of one that does not: all its faults at once. Undefined
 * where no command can help (a cut file, one of another kind).
 * @param path as the command is to name it
 * @param mostSeconds where a sum of clips is too long
 */
export function fixCommand(
  path: string,
  kind: MediaKind,
  facts: MediaFacts,
  problems: readonly MediaProblem[],
  mostSeconds = Number.POSITIVE_INFINITY,
): readonly string[] | undefined {
  const has = (rule: MediaProblem['rule']) => problems.some((problem) => problem.rule === rule);
  const { format, framesPerSecond = 0, seconds = Number.POSITIVE_INFINITY } = facts;
  const { min, max } = MEDIA_LIMITS.video.clipSeconds;
  if (has('whole') || !isConvertible(facts, kind) || mostSeconds < min) return undefined;
  const { kept = '', usual } = TARGETS[kind];
  const isKept = kept.startsWith(`.${format} `) && !has('size');
  const [extension = '', ...coding] = (isKept ? kept : usual).split(' ');
  // A path that begins with a dash would be read as an option.
  const [input = '', target = ''] = [path, outputPath(path, extension)].map((each) =>
    each.replace(/^-/, './-'),
  );
  const fitted = fitPixels(facts, MEDIA_LIMITS[kind]);
  const crop = fitted?.crop;
  if (kind === 'image' && (MAGICK_FORMATS.test(format) || facts.isAnimated || facts.isTurned)) {
    const area = crop && ['-gravity', 'center', '-crop', `${crop.widthPx}x${crop.heightPx}+0+0`, '+repage'];
    const size = fitted && ['-resize', `${fitted.widthPx}x${fitted.heightPx}!`];
    return ['magick', `${input}[0]`, '-auto-orient', ...(area ?? []), ...(size ?? []), target];
  }
  const filters = [
    crop && `crop=${crop.widthPx}:${crop.heightPx}`,
    fitted && `scale=${fitted.widthPx}:${fitted.heightPx}`,
    has('frame-rate') && `fps=${framesPerSecond < 24 ? 24 : 30}`,
  ].filter(Boolean);
  // A cut MP3 is padded to whole frames: the length is a little below the limit.
  const most = Math.min(mostSeconds, max) - (extension === '.mp3' ? 0.1 : 0);
  const [isShort, isLong] = kind === 'image' ? [] : [seconds < min, seconds > most];
  return [
    'ffmpeg',
    // Played again from the start until it is long enough.
    ...(isShort ? ['-stream_loop', String(Math.ceil(min / seconds))] : []),
    ...['-i', input],
    ...(isShort || isLong ? ['-t', String(isShort ? min : Number(most.toFixed(1)))] : []),
    ...(filters.length === 0 ? [] : ['-vf', filters.join(',')]),
    ...coding,
    // At most 15 s remain, so that this rate keeps any clip under half of the size limit.
    ...(kind === 'video' && has('size') ? ['-b:v', '12M'] : []),
    target,
  ];
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
