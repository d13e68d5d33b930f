import type { MediaRule } from '../../../src/media/facts.ts';
import type { MediaKind } from '../../../src/request/models.ts';

/** `ok`, `remark` (taken, with a doubt that is told), or the rules that are broken. */
type Verdict = 'ok' | 'remark' | readonly MediaRule[];

export interface FixtureRow {
  readonly name: string;
  /** What it is given as. */
  readonly kind: MediaKind;
  readonly verdict: Verdict;
}

type Row = readonly [name: string, verdict: Verdict];

const IMAGES: readonly Row[] = [
  ['jpeg.jpg', 'ok'],
  ['jpeg-444.jpg', 'ok'],
  ['jpeg-gray.jpg', 'ok'],
  ['jpeg-progressive.jpg', 'ok'],
  ['jpeg-late-size.jpg', 'ok'],
  ['png.png', 'ok'],
  ['png-alpha.png', 'ok'],
  ['png-16bit.png', 'ok'],
  ['webp-lossy.webp', 'ok'],
  ['webp-lossless.webp', 'ok'],
  ['webp-alpha.webp', 'ok'],
  ['webp-animated.webp', 'remark'],
  ['exif-3.jpg', 'ok'],
  ['exif-6.jpg', 'ok'],
  ['exif-8.jpg', 'ok'],
  ['exif-6-ratio.jpg', 'ok'],
  ['png-named.jpg', 'ok'],
  ['no-name', 'ok'],
  ['side-300.png', 'ok'],
  ['side-299.png', ['sides']],
  ["a picture's name $(x) 그림.png", ['sides']],
  ['side-6000.png', 'ok'],
  ['side-6001.png', ['sides']],
  ['ratio-2.5.png', 'ok'],
  ['ratio-2.51.png', ['ratio']],
  ['ratio-0.4.png', 'ok'],
  ['ratio-0.39.png', ['ratio']],
  ['all-wrong.png', ['sides', 'ratio']],
  ['bomb.png', ['sides']],
  ['gif.gif', ['type']],
  ['bmp.bmp', ['type']],
  ['tiff.tiff', ['type']],
  ['avif.avif', ['type']],
  ['heic.heic', ['type']],
  ['svg.svg', ['type']],
  ['text.png', ['type']],
  ['html.jpg', ['type']],
  ['one-byte.jpg', ['type']],
  ['mp4.mp4', ['type']],
  ['wav.wav', ['type']],
  ['empty.png', ['whole']],
  ['truncated.jpg', ['whole']],
  ['truncated.png', ['whole']],
  ['truncated.webp', ['whole']],
];

const VIDEOS: readonly Row[] = [
  ['mp4.mp4', 'ok'],
  ['mp4-mute.mp4', 'ok'],
  ['mp4-faststart.mp4', 'ok'],
  ['mp4-fragmented.mp4', 'ok'],
  ['mov.mov', 'ok'],
  ['mov-pcm.mov', 'ok'],
  ['mov-named.mp4', 'ok'],
  ['m4v.m4v', 'ok'],
  ['hevc.mp4', 'ok'],
  ['prores.mov', 'remark'],
  ['rotated-90.mp4', 'ok'],
  ['rotated-180.mp4', 'ok'],
  ['rotated-270.mov', 'ok'],
  ['anamorphic.mp4', 'ok'],
  ['vfr-ok.mp4', 'ok'],
  ['vfr-20-30.mp4', ['frame-rate']],
  ['fps-24.mp4', 'ok'],
  ['fps-23.976.mp4', 'remark'],
  ['fps-23.mp4', ['frame-rate']],
  ['fps-25.mp4', 'ok'],
  ['fps-29.97.mp4', 'ok'],
  ['fps-59.94.mp4', 'ok'],
  ['fps-60.mp4', 'ok'],
  ['fps-61.mp4', ['frame-rate']],
  ['seconds-2.mp4', 'ok'],
  ['seconds-1.8.mp4', ['length']],
  ['seconds-15.mp4', 'ok'],
  ['seconds-15.5.mp4', ['length']],
  ['area-409600.mp4', 'ok'],
  ['area-408320.mp4', ['area']],
  ['area-2086876.mp4', 'ok'],
  ['area-2088024.mp4', ['area']],
  ['full-hd.mp4', 'ok'],
  ['four-k.mp4', ['area']],
  ['side-300.mp4', ['area']],
  ['side-298.mp4', ['sides', 'ratio', 'area']],
  ['ratio-2.5.mp4', 'ok'],
  ['ratio-2.51.mp4', ['ratio']],
  ['ratio-0.39.mp4', ['ratio']],
  ['webm.webm', ['type']],
  ['mkv.mkv', ['type']],
  ['avi.avi', ['type']],
  ['gif.gif', ['type']],
  ['sound-only.mp4', ['type']],
  ['mp3-named.mp4', ['type']],
  ['png.png', ['type']],
  ['empty.mp4', ['whole']],
  ['truncated-mp4.mp4', ['whole']],
  ['truncated-mp4-faststart.mp4', ['whole']],
  ['truncated-mov.mov', ['whole']],
];

const SOUNDS: readonly Row[] = [
  ['wav.wav', 'ok'],
  ['wav-stereo.wav', 'ok'],
  ['wav-24bit.wav', 'ok'],
  ['wav-float.wav', 'ok'],
  ['wav-adpcm.wav', ['readable']],
  ['mp3-mono.mp3', 'ok'],
  ['mp3-stereo.mp3', 'ok'],
  ['mp3-vbr.mp3', 'ok'],
  ['mp3-vbr-uneven.mp3', 'ok'],
  ['mp3-vbr-no-header.mp3', 'ok'],
  ['mp3-cover.mp3', 'ok'],
  ['mp3-named.mp4', 'ok'],
  ['seconds-2.wav', 'ok'],
  ['seconds-1.8.wav', ['length']],
  ['seconds-15.wav', 'ok'],
  ['seconds-15.5.wav', ['length']],
  ['seconds-2.mp3', 'ok'],
  ['seconds-1.8.mp3', ['length']],
  ['seconds-15.mp3', 'remark'],
  ['seconds-15.5.mp3', ['length']],
  ['m4a.m4a', ['type']],
  ['aac.aac', ['type']],
  ['flac.flac', ['type']],
  ['ogg.ogg', ['type']],
  ['jpeg.jpg', ['type']],
  ['empty.mp3', ['whole']],
  ['truncated.wav', ['whole']],
  ['truncated.mp3', ['whole']],
];

function toRows(kind: MediaKind, rows: readonly Row[]): readonly FixtureRow[] {
  return rows.map(([name, verdict]) => ({ name, kind, verdict }));
}

/** Every file of test/fixtures/media with what is to be said of it. */
export const FIXTURES: readonly FixtureRow[] = [
  ...toRows('image', IMAGES),
  ...toRows('video', VIDEOS),
  ...toRows('audio', SOUNDS),
];
