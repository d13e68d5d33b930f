// biome-ignore-all lint/style/noRestrictedGlobals: the library adds listeners to the process, which nothing else can take off
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { containListeners } from '../../platform/process.ts';
import type { VideoMaker, VideoSpec } from '../clip-store.ts';
import { drawScene } from './draw.ts';

/** Frame rate of every clip. */
const FRAMES_PER_SECOND = 24;
const SAMPLE_RATE_HZ = 48_000;
const AUDIO_FORMAT = { format: 'f32', numberOfChannels: 1, sampleRate: SAMPLE_RATE_HZ } as const;
const AAC_FRAME_SAMPLES = 1024;

let last: Promise<unknown> = Promise.resolve();

/**
 * Makes a playable MP4: H.264 of exactly the given pixels (even numbers) at 24 frames a second, AAC audio if asked for. The
 * prompt is its title; a pattern, and the media of the request, are its picture. Equal specs give equal bytes. One clip at a
 * time: the frames of a 4k clip fill a good part of the memory that the encoder shares.
 */
export const makeVideo: VideoMaker = (spec) => {
  const made = last.then(() => makeClip(spec));
  last = made.catch(() => {});
  return made;
};

async function makeClip(spec: VideoSpec): Promise<Uint8Array> {
  const { widthPx, heightPx, durationSeconds, prompt, taskId, sources = [] } = spec;
  const { drawLoop, stills } = await drawScene({ widthPx, heightPx }, `${taskId} ${prompt}`, sources);
  // One second of motion is encoded once and repeated: each second begins with a key frame of its own.
  const loop = await encodeSecond(spec, drawLoop);
  const seconds = Array.from({ length: Math.ceil(durationSeconds) }, () => loop);
  const { first, last: end } = stills;
  if (first !== undefined) seconds[0] = await encodeSecond(spec, () => first);
  if (end !== undefined) seconds[seconds.length - 1] = await encodeSecond(spec, () => end);
  const frameCount = Math.round(durationSeconds * FRAMES_PER_SECOND);
  const packets = seconds.flatMap((second) => second.packets).slice(0, frameCount);
  return muxMp4(spec, { ...loop, packets });
}

// Of 10-51, lower is better: edges stay sharp at this value, and a 4k key frame stays small.
const QUANTIZATION_PARAMETER = 26;
const FASTEST = 10;

/** Encodes frames with a constant quantiser, so that equal frames give equal packets. The first is a key frame. */
async function encodeSecond(spec: VideoSpec, draw: (share: number) => Uint8Array) {
  // Emscripten's runtime would make every unhandled rejection of the program its own abort.
  const encoder = await containListeners(async () => {
    const { default: library } = await import('h264-mp4-encoder');
    return library.createH264MP4Encoder();
  });
  encoder.width = spec.widthPx;
  encoder.height = spec.heightPx;
  encoder.frameRate = FRAMES_PER_SECOND;
  encoder.groupOfPictures = FRAMES_PER_SECOND;
  encoder.quantizationParameter = QUANTIZATION_PARAMETER;
  encoder.speed = FASTEST;
  try {
    encoder.initialize();
    for (let frame = 0; frame < FRAMES_PER_SECOND; frame += 1) {
      // Timers, sockets and signals have their turn.
      await setImmediate();
      encoder.addFrameYuv(draw(frame / FRAMES_PER_SECOND));
    }
    encoder.finalize();
    const file = encoder.FS.readFile(encoder.outputFilename);
    encoder.FS.unlink(encoder.outputFilename);
    return await readPackets(file);
  } finally {
    encoder.delete();
  }
}

/** One second of H.264 as MP4 holds it (length-prefixed), and what a decoder must know (AVCDecoderConfigurationRecord). */
async function readPackets(file: Uint8Array) {
  const { BufferSource, EncodedPacketSink, Input, MP4 } = await import('mediabunny');
  const input = new Input({ source: new BufferSource(file), formats: [MP4] });
  try {
    const track = await input.getPrimaryVideoTrack();
    const config = await track?.getDecoderConfig();
    if (!track || !(config?.description instanceof Uint8Array))
      throw new TypeError(`the H.264 encoder gave no video track (${file.byteLength} bytes)`);
    const packets: Uint8Array[] = [];
    for await (const packet of new EncodedPacketSink(track).packets()) packets.push(packet.data);
    return { codec: config.codec, description: config.description, packets };
  } finally {
    input.dispose();
  }
}

/** An MP4 with the index before the media, so that browsers play it while it loads. */
async function muxMp4(spec: VideoSpec, video: Awaited<ReturnType<typeof readPackets>>): Promise<Uint8Array> {
  const mediabunny = await import('mediabunny');
  const { AudioSample, AudioSampleSource, BufferTarget, EncodedPacket } = mediabunny;
  const target = new BufferTarget();
  const format = new mediabunny.Mp4OutputFormat({ fastStart: 'in-memory' });
  const output = new mediabunny.Output({ format, target });
  const pictures = new mediabunny.EncodedVideoPacketSource('avc');
  output.addVideoTrack(pictures, { frameRate: FRAMES_PER_SECOND });
  const sound = new AudioSampleSource({ codec: 'aac', bitrate: 96_000 });
  if (spec.hasAudio) {
    const { registerAacEncoder } = await import('@mediabunny/aac-encoder');
    registerAacEncoder();
    output.addAudioTrack(sound);
  }
  output.setMetadataTags({ title: spec.prompt, comment: describe(spec) });

  await output.start();
  const decoderConfig = {
    codec: video.codec,
    description: video.description,
    codedWidth: spec.widthPx,
    codedHeight: spec.heightPx,
    colorSpace: { primaries: 'bt709', transfer: 'bt709', matrix: 'bt709', fullRange: false },
  } as const;
  for (const [frame, data] of video.packets.entries()) {
    const kind = frame % FRAMES_PER_SECOND === 0 ? 'key' : 'delta';
    const packet = new EncodedPacket(data, kind, frame / FRAMES_PER_SECOND, 1 / FRAMES_PER_SECOND);
    await pictures.add(packet, { decoderConfig });
  }
  const samples = spec.hasAudio ? makeTone(spec) : new Float32Array();
  for (let start = 0; start < samples.length; start += SAMPLE_RATE_HZ) {
    const data = samples.subarray(start, start + SAMPLE_RATE_HZ);
    const sample = new AudioSample({ ...AUDIO_FORMAT, data, timestamp: start / SAMPLE_RATE_HZ });
    await sound.add(sample);
    sample.close();
  }
  await output.finalize();
  if (target.buffer === null) throw new TypeError('the MP4 writer ended without a file');
  return clearTimes(Buffer.from(target.buffer), spec.hasAudio ? 2 : 1);
}

/** What went into the clip, for its comment tag. */
function describe({ model, taskId, ratio, quality, durationSeconds, sources = [] }: VideoSpec): string {
  const media = sources.map(({ label, note }) => `${label}: ${note}`);
  return ['evolink sandbox', model, `${ratio} ${quality} ${durationSeconds} s`, ...media, taskId].join('; ');
}

/** A quiet note that is struck once a second and fades; its pitch follows from the prompt. Mono. */
function makeTone({ prompt, durationSeconds }: VideoSpec): Float32Array {
  // Ends within the last video frame, one AAC frame left for what the encoder adds at the end.
  const frames = Math.floor((durationSeconds * SAMPLE_RATE_HZ) / AAC_FRAME_SAMPLES) - 1;
  const semitones = (createHash('sha256').update(prompt).digest()[0] ?? 0) % 24;
  const radiansPerSecond = 2 * Math.PI * 220 * 2 ** (semitones / 12);
  return Float32Array.from({ length: Math.max(1, frames) * AAC_FRAME_SAMPLES }, (_, index) => {
    const seconds = index / SAMPLE_RATE_HZ;
    const sinceBeat = seconds % 1;
    const volume = 0.2 * Math.min(1, sinceBeat * 60) * Math.exp(-3 * sinceBeat);
    return volume * Math.sin(radiansPerSecond * seconds);
  });
}

/**
 * Sets the creation and modification times of an MP4 to "not known" (0, ISO/IEC 14496-12 §8.2.2), in place: the bytes of a
 * clip must not depend on when it was made. The boxes are of version 0 and come in this order.
 */
function clearTimes(file: Buffer, trackCount: number): Buffer {
  let at = 0;
  for (const type of ['mvhd', ...Array.from({ length: trackCount }, () => ['tkhd', 'mdhd']).flat()]) {
    at = file.indexOf(type, at, 'latin1') + 4;
    file.fill(0, at + 4, at + 12);
  }
  return file;
}
