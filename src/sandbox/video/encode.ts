import { createRequire } from 'node:module';
import { yieldToEventLoop } from '../../platform/clock.ts';
import { containListeners } from '../../platform/process.ts';

/** Frame rate of every clip; also the length of the loop of motion, which lasts one second. */
export const FRAMES_PER_SECOND = 24;

export const SAMPLE_RATE_HZ = 48_000;

// Intervals of a major pentatonic scale, in semitones: any of them sound well together.
const SCALE = [0, 2, 4, 7, 9, 12] as const;
const ROOT_HZ = 220;
const FADE_SECONDS = 0.25;
const VOLUME = 0.16;

/**
 * A quiet chord with one soft note a second, mono, -1 to 1. The notes depend on the seed; beginning and end fade.
 */
export function makeTone(seed: Uint8Array, sampleCount: number): Float32Array {
  const durationSeconds = sampleCount / SAMPLE_RATE_HZ;
  const rootHz = noteHz(((seed[3] ?? 0) % 12) - 5);
  const samples = new Float32Array(sampleCount);
  for (let index = 0; index < sampleCount; index++) {
    const seconds = index / SAMPLE_RATE_HZ;
    const beat = Math.floor(seconds);
    const sinceBeat = seconds - beat;
    const interval = SCALE[(seed[(4 + beat) % seed.length] ?? 0) % SCALE.length] ?? 0;
    const chord = sine(rootHz, seconds) + 0.5 * sine(rootHz * 1.5, seconds);
    const note =
      sine(rootHz * 2 * 2 ** (interval / 12), seconds) *
      Math.exp(-4 * sinceBeat) *
      Math.min(1, sinceBeat * 60);
    const fade = Math.min(1, seconds / FADE_SECONDS, (durationSeconds - seconds) / FADE_SECONDS);
    samples[index] = VOLUME * fade * (0.6 * chord + note);
  }
  return samples;
}

function noteHz(semitones: number): number {
  return ROOT_HZ * 2 ** (semitones / 12);
}

function sine(frequencyHz: number, seconds: number): number {
  return Math.sin(2 * Math.PI * frequencyHz * seconds);
}

export interface EncodeOptions {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly frameCount: number;
  /** 1: every frame is a key frame. */
  readonly keyFrameEvery: number;
  /** The I420 pixels of a frame; read before the next one is asked for. */
  readonly drawFrame: (frame: number) => Uint8Array;
}

/** H.264 access units as MP4 holds them (length-prefixed), and what a decoder must know. */
export interface EncodedVideo {
  readonly codec: string;
  /** The AVCDecoderConfigurationRecord. */
  readonly description: Uint8Array;
  readonly packets: readonly { readonly data: Uint8Array; readonly isKey: boolean }[];
}

// Of 10-51, lower is better: text stays sharp at this value, and a 4k key frame stays small.
const QUANTIZATION_PARAMETER = 26;
const FASTEST = 10;
let outputCount = 0;

/** Encodes frames with a constant quantiser, so that equal frames give equal packets. Yields before each frame. */
export async function encodeH264(options: EncodeOptions): Promise<EncodedVideo> {
  const { createH264MP4Encoder } = loadEncoder();
  const encoder = await createH264MP4Encoder();
  // All encoders share one file system in memory.
  outputCount += 1;
  encoder.outputFilename = `video-${outputCount}.mp4`;
  encoder.width = options.widthPx;
  encoder.height = options.heightPx;
  encoder.frameRate = FRAMES_PER_SECOND;
  encoder.groupOfPictures = options.keyFrameEvery;
  encoder.quantizationParameter = QUANTIZATION_PARAMETER;
  encoder.speed = FASTEST;
  try {
    encoder.initialize();
    for (let frame = 0; frame < options.frameCount; frame++) {
      await yieldToEventLoop();
      encoder.addFrameYuv(options.drawFrame(frame));
    }
    encoder.finalize();
    const file = encoder.FS.readFile(encoder.outputFilename);
    encoder.FS.unlink(encoder.outputFilename);
    return await readPackets(file, options.keyFrameEvery);
  } finally {
    encoder.delete();
  }
}

/** Emscripten's runtime would make every unhandled rejection of the program its own abort. */
function loadEncoder(): typeof import('h264-mp4-encoder') {
  const require = createRequire(import.meta.url);
  return containListeners(() => require('h264-mp4-encoder'));
}

/** The encoder's own index calls every frame a key frame, so that the order must say which ones are. */
async function readPackets(file: Uint8Array, keyFrameEvery: number): Promise<EncodedVideo> {
  const { BufferSource, EncodedPacketSink, Input, MP4 } = await import('mediabunny');
  const input = new Input({ source: new BufferSource(file), formats: [MP4] });
  try {
    const track = await input.getPrimaryVideoTrack();
    const config = await track?.getDecoderConfig();
    if (!track || !(config?.description instanceof Uint8Array)) {
      throw new TypeError(`the H.264 encoder gave no video track (${file.byteLength} bytes)`);
    }
    const packets: { data: Uint8Array; isKey: boolean }[] = [];
    for await (const packet of new EncodedPacketSink(track).packets()) {
      packets.push({ data: packet.data, isKey: packets.length % keyFrameEvery === 0 });
    }
    return { codec: config.codec, description: config.description, packets };
  } finally {
    input.dispose();
  }
}

const CONTAINERS = new Set(['moov', 'trak', 'mdia']);
const BOXES_WITH_TIMES = new Set(['mvhd', 'tkhd', 'mdhd']);

/**
 * Sets the creation and modification times of an MP4 to "not known" (0, ISO/IEC 14496-12 §8.2.2), in place: the
 * bytes of a clip must not depend on when it was made.
 */
function clearTimes(file: Uint8Array): Uint8Array {
  clearWithin(new DataView(file.buffer, file.byteOffset, file.byteLength), {
    start: 0,
    end: file.byteLength,
  });
  return file;
}

function clearWithin(view: DataView, { start, end }: { start: number; end: number }): void {
  for (let at = start; at + 8 <= end; ) {
    const type = String.fromCharCode(...[4, 5, 6, 7].map((offset) => view.getUint8(at + offset)));
    const sizeBytes = view.getUint32(at) === 1 ? Number(view.getBigUint64(at + 8)) : view.getUint32(at);
    if (sizeBytes < 8) return;
    if (CONTAINERS.has(type)) clearWithin(view, { start: at + 8, end: at + sizeBytes });
    if (BOXES_WITH_TIMES.has(type)) {
      // Two times of 32 bits in version 0 of the box, of 64 bits in version 1.
      const words = view.getUint8(at + 8) === 1 ? 4 : 2;
      for (let word = 0; word < words; word++) view.setUint32(at + 12 + 4 * word, 0);
    }
    at += sizeBytes;
  }
}

export interface MuxInput {
  readonly widthPx: number;
  readonly heightPx: number;
  /** In order of display; the first is a key frame. */
  readonly video: EncodedVideo;
  /** Mono at 48 kHz; absent: no audio track. */
  readonly audio?: Float32Array | undefined;
}

const AUDIO_BITS_PER_SECOND = 96_000;

/** An MP4 with the index before the media, so that browsers play it while it loads; the same bytes for equal input. */
export async function muxMp4(input: MuxInput): Promise<Uint8Array> {
  const mediabunny = await import('mediabunny');
  const { BufferTarget, EncodedVideoPacketSource, AudioSampleSource, Mp4OutputFormat, Output } = mediabunny;
  const target = new BufferTarget();
  const output = new Output({ format: new Mp4OutputFormat({ fastStart: 'in-memory' }), target });
  const videoSource = new EncodedVideoPacketSource('avc');
  output.addVideoTrack(videoSource, { frameRate: FRAMES_PER_SECOND });
  const audioSource = new AudioSampleSource({ codec: 'aac', bitrate: AUDIO_BITS_PER_SECOND });
  if (input.audio !== undefined) {
    const { registerAacEncoder } = await import('@mediabunny/aac-encoder');
    registerAacEncoder();
    output.addAudioTrack(audioSource);
  }
  try {
    await output.start();
    const audio = input.audio === undefined ? undefined : addAudio(mediabunny, audioSource, input.audio);
    await Promise.all([addVideo(mediabunny, videoSource, input), audio]);
    await output.finalize();
  } catch (error) {
    await output.cancel();
    throw error;
  }
  if (target.buffer === null) throw new TypeError('the MP4 writer ended without a file');
  return clearTimes(new Uint8Array(target.buffer));
}

type Mediabunny = typeof import('mediabunny');

async function addVideo(
  { EncodedPacket }: Mediabunny,
  source: InstanceType<Mediabunny['EncodedVideoPacketSource']>,
  { video, widthPx, heightPx }: MuxInput,
): Promise<void> {
  const decoderConfig = {
    codec: video.codec,
    description: video.description,
    codedWidth: widthPx,
    codedHeight: heightPx,
    colorSpace: { primaries: 'bt709', transfer: 'bt709', matrix: 'bt709', fullRange: false },
  } as const;
  for (const [frame, { data, isKey }] of video.packets.entries()) {
    const timing = [frame / FRAMES_PER_SECOND, 1 / FRAMES_PER_SECOND] as const;
    await source.add(new EncodedPacket(data, isKey ? 'key' : 'delta', ...timing), { decoderConfig });
  }
  source.close();
}

async function addAudio(
  { AudioSample }: Mediabunny,
  source: InstanceType<Mediabunny['AudioSampleSource']>,
  samples: Float32Array,
): Promise<void> {
  for (let start = 0; start < samples.length; start += SAMPLE_RATE_HZ) {
    const sample = new AudioSample({
      data: samples.subarray(start, start + SAMPLE_RATE_HZ),
      format: 'f32',
      numberOfChannels: 1,
      sampleRate: SAMPLE_RATE_HZ,
      timestamp: start / SAMPLE_RATE_HZ,
    });
    await source.add(sample);
    sample.close();
  }
  source.close();
}
