import type { MediaRule } from '../../../src/media/facts.ts';
import { type MediaReview, reviewMedia } from '../../../src/media/judge.ts';
import type { MediaKind } from '../../../src/request/models.ts';

/** `ok`, `remark` (taken, with a doubt that is told), or the rules that are broken. */
type Verdict = 'ok' | 'remark' | readonly MediaRule[];

export interface FixtureRow {
  readonly name: string;
  /** What it is given as. */
  readonly kind: MediaKind;
  readonly verdict: Verdict;
}

/** A verdict (rules with a space between them), and the names of the files that have it. */
type Rows = readonly (readonly [verdict: string, names: string])[];

const IMAGES: Rows = [
  ['ok', 'jpeg.jpg jpeg-444.jpg jpeg-gray.jpg jpeg-progressive.jpg jpeg-late-size.jpg png.png'],
  ['ok', 'png-alpha.png png-16bit.png webp-lossy.webp webp-lossless.webp webp-alpha.webp exif-3.jpg'],
  ['ok', 'exif-6.jpg exif-8.jpg exif-6-ratio.jpg png-named.jpg no-name side-300.png side-6000.png'],
  ['ok', 'ratio-2.5.png ratio-0.4.png'],
  ['remark', 'webp-animated.webp'],
  ['sides', 'side-299.png side-6001.png bomb.png'],
  ['sides', "a|picture's|name|$(x)|그림.png"],
  ['ratio', 'ratio-2.51.png ratio-0.39.png'],
  ['sides ratio', 'all-wrong.png'],
  ['type', 'gif.gif bmp.bmp tiff.tiff avif.avif heic.heic svg.svg text.png html.jpg one-byte.jpg'],
  ['type', 'mp4.mp4 wav.wav'],
  ['whole', 'empty.png truncated.jpg truncated.png truncated.webp'],
];

const VIDEOS: Rows = [
  ['ok', 'mp4.mp4 mp4-mute.mp4 mp4-faststart.mp4 mp4-fragmented.mp4 mov.mov mov-pcm.mov'],
  ['ok', 'mov-named.mp4 m4v.m4v hevc.mp4 rotated-90.mp4 rotated-180.mp4 rotated-270.mov'],
  ['ok', 'anamorphic.mp4 vfr-ok.mp4 fps-24.mp4 fps-25.mp4 fps-29.97.mp4 fps-59.94.mp4 fps-60.mp4'],
  ['ok', 'seconds-2.mp4 seconds-15.mp4 area-409600.mp4 area-2086876.mp4 full-hd.mp4 ratio-2.5.mp4'],
  ['remark', 'prores.mov fps-23.976.mp4'],
  ['frame-rate', 'vfr-20-30.mp4 fps-23.mp4 fps-61.mp4'],
  ['length', 'seconds-1.8.mp4 seconds-15.5.mp4'],
  ['area', 'area-408320.mp4 area-2088024.mp4 four-k.mp4 side-300.mp4'],
  ['sides ratio area', 'side-298.mp4'],
  ['ratio', 'ratio-2.51.mp4 ratio-0.39.mp4'],
  ['type', 'webm.webm mkv.mkv avi.avi gif.gif sound-only.mp4 mp3-named.mp4 png.png'],
  ['whole', 'empty.mp4 truncated-mp4.mp4 truncated-mp4-faststart.mp4 truncated-mov.mov'],
];

const SOUNDS: Rows = [
  ['ok', 'wav.wav wav-stereo.wav wav-24bit.wav wav-float.wav mp3-mono.mp3 mp3-stereo.mp3 mp3-vbr.mp3'],
  ['ok', 'mp3-vbr-uneven.mp3 mp3-vbr-no-header.mp3 mp3-cover.mp3 mp3-named.mp4 seconds-2.wav'],
  ['ok', 'seconds-15.wav seconds-2.mp3'],
  ['readable', 'wav-adpcm.wav'],
  ['length', 'seconds-1.8.wav seconds-15.5.wav seconds-1.8.mp3 seconds-15.5.mp3'],
  ['remark', 'seconds-15.mp3'],
  ['type', 'm4a.m4a aac.aac flac.flac ogg.ogg jpeg.jpg'],
  ['whole', 'empty.mp3 truncated.wav truncated.mp3'],
];

function toRows(kind: MediaKind, rows: Rows): readonly FixtureRow[] {
  return rows.flatMap(([words, names]) => {
    const verdict: Verdict = words === 'ok' || words === 'remark' ? words : (words.split(' ') as MediaRule[]);
    // A bar stands for a space in a name.
    return names.split(' ').map((name) => ({ name: name.replaceAll('|', ' '), kind, verdict }));
  });
}

/** Every file of test/fixtures/media with what is to be said of it. */
export const FIXTURES: readonly FixtureRow[] = [
  ...toRows('image', IMAGES),
  ...toRows('video', VIDEOS),
  ...toRows('audio', SOUNDS),
];

/** What is said of a file on its own. */
export async function review(path: string, kind: MediaKind, label = path): Promise<MediaReview> {
  const items = [{ name: `${kind} 1`, label, location: path, isLocal: true, kind }];
  const [found] = await reviewMedia(items, { isOneRequest: true });
  if (found === undefined) throw new Error('no review');
  return found;
}
