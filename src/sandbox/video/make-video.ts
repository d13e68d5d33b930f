import type { VideoMaker, VideoSpec } from '../clip-store.ts';
import {
  createCanvas,
  createMeasure,
  drawText,
  fillRoundedBox,
  type Palette,
  paletteOf,
  seedOf,
} from './draw.ts';
import {
  type EncodedVideo,
  encodeH264,
  FRAMES_PER_SECOND,
  makeTone,
  muxMp4,
  SAMPLE_RATE_HZ,
} from './encode.ts';
import { coverBox, createScene, layOutScene, type Scene, type SceneLayout } from './scene.ts';
import { loadPictures, type SourcePicture } from './sources.ts';
import { loadPixelFont, type PixelFont } from './text.ts';

interface StillStyle {
  readonly layout: SceneLayout;
  readonly palette: Palette;
  readonly font: PixelFont;
}

/** One second of a picture that fills the frame, cut to its shape as the service does, with the badge on it. */
async function encodeStill(
  { widthPx, heightPx }: VideoSpec,
  picture: SourcePicture,
  { layout, palette, font }: StillStyle,
): Promise<EncodedVideo> {
  const canvas = createCanvas(widthPx, heightPx);
  coverBox(canvas, { xPx: 0, yPx: 0, widthPx, heightPx }, picture);
  const { badge } = layout;
  fillRoundedBox(canvas, { ...badge, radiusPx: badge.heightPx * 0.3 }, palette.accent);
  for (const run of layout.runs.filter(({ ink }) => ink === 'onAccent')) {
    drawText(canvas, run, { font, color: palette.onAccent });
  }
  return encodeH264({
    widthPx,
    heightPx,
    frameCount: FRAMES_PER_SECOND,
    keyFrameEvery: FRAMES_PER_SECOND,
    drawFrame: () => canvas.pixels,
  });
}

const AAC_FRAME_SAMPLES = 1024;

/**
 * Makes a playable MP4: H.264 of exactly the given pixels (even numbers) at 24 frames a second, AAC audio if asked
 * for, the prompt and the settings as the picture. Equal specs give equal bytes. Throws a RangeError when the pixels
 * are odd or the duration is not positive.
 */
export const makeVideo: VideoMaker = createVideoMaker();

/** One clip at a time: the frames of a 4k clip fill a good part of the memory that the encoder shares. */
function createVideoMaker(): VideoMaker {
  let font: Promise<PixelFont> | undefined;
  let last: Promise<unknown> = Promise.resolve();
  return (spec) => {
    const make = async (): Promise<Uint8Array> => {
      checkSpec(spec);
      font ??= loadPixelFont();
      return makeClip(spec, await font);
    };
    const made = last.then(make, make);
    last = made;
    return made;
  };
}

function checkSpec({ widthPx, heightPx, durationSeconds }: VideoSpec): void {
  if (![widthPx, heightPx].every((sidePx) => Number.isInteger(sidePx) && sidePx >= 2 && sidePx % 2 === 0)) {
    throw new RangeError(`width and height must be even numbers of pixels: ${widthPx}×${heightPx}`);
  }
  if (!(durationSeconds > 0 && durationSeconds <= 3600)) {
    throw new RangeError(`duration must be above 0 and at most 3600 seconds: ${durationSeconds}`);
  }
}

async function makeClip(spec: VideoSpec, font: PixelFont): Promise<Uint8Array> {
  const { widthPx, heightPx, durationSeconds, hasAudio } = spec;
  const pictures = await loadPictures(spec.sources ?? [], Math.max(widthPx, heightPx));
  const moving = await encodeScene(spec, await createScene(spec, font, pictures));
  const video = await withFrames(moving, spec, { font, pictures });
  const audio = hasAudio ? makeTone(seedOf(spec.prompt), wholeAacFrames(durationSeconds)) : undefined;
  return muxMp4({ widthPx, heightPx, video, audio });
}

/**
 * One second of motion is encoded once and repeated. Each second starts with a key frame of its own that shows the
 * time; what follows changes only the wheel, which lies apart, so the same packets fit after every one of them.
 */
async function encodeScene(spec: VideoSpec, scene: Scene): Promise<EncodedVideo> {
  const { widthPx, heightPx, durationSeconds } = spec;
  const loop = await encodeH264({
    widthPx,
    heightPx,
    frameCount: FRAMES_PER_SECOND,
    keyFrameEvery: FRAMES_PER_SECOND,
    drawFrame: scene.drawLoopFrame,
  });
  const seconds = await encodeH264({
    widthPx,
    heightPx,
    frameCount: Math.ceil(durationSeconds),
    keyFrameEvery: 1,
    drawFrame: scene.drawSecond,
  });
  if (!Buffer.from(loop.description).equals(seconds.description)) {
    throw new TypeError('the H.264 encoder described two runs of one size differently');
  }
  const frameCount = Math.max(1, Math.round(durationSeconds * FRAMES_PER_SECOND));
  const packets = Array.from({ length: frameCount }, (_, frame) => {
    const loopFrame = frame % FRAMES_PER_SECOND;
    const packet = loopFrame === 0 ? seconds.packets[frame / FRAMES_PER_SECOND] : loop.packets[loopFrame];
    if (packet === undefined) throw new TypeError(`the H.264 encoder left out frame ${frame}`);
    return packet;
  });
  return { ...seconds, packets };
}

interface Pictures {
  readonly font: PixelFont;
  readonly pictures: ReadonlyMap<string, SourcePicture>;
}

/** The first and the last frame of image-to-video fill the first and the last second; every second is whole in itself. */
async function withFrames(
  video: EncodedVideo,
  spec: VideoSpec,
  { font, pictures }: Pictures,
): Promise<EncodedVideo> {
  const seconds = video.packets.length / FRAMES_PER_SECOND;
  const packets = [...video.packets];
  const layout = layOutScene(spec, createMeasure(font));
  const style = { layout, font, palette: paletteOf(seedOf(spec.prompt)) };
  for (const { label, role } of spec.sources ?? []) {
    const picture = pictures.get(label);
    if (role === undefined || picture === undefined || seconds < 3) continue;
    const still = await encodeStill(spec, picture, style);
    if (!Buffer.from(video.description).equals(still.description))
      throw new TypeError('the H.264 encoder described two runs of one size differently');
    const second = role === 'first' ? 0 : Math.ceil(seconds) - 1;
    const start = second * FRAMES_PER_SECOND;
    const length = Math.min(FRAMES_PER_SECOND, packets.length - start);
    packets.splice(start, length, ...still.packets.slice(0, length));
  }
  return { ...video, packets };
}

/** Samples that end within the last video frame, one AAC frame left for what the encoder adds at the end. */
function wholeAacFrames(durationSeconds: number): number {
  const frames = Math.floor((durationSeconds * SAMPLE_RATE_HZ) / AAC_FRAME_SAMPLES) - 1;
  return Math.max(1, frames) * AAC_FRAME_SAMPLES;
}
