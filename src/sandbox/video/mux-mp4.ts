import { clearTimes } from './clear-times.ts';
import type { EncodedVideo } from './encode-h264.ts';
import { FRAMES_PER_SECOND } from './timing.ts';
import { SAMPLE_RATE_HZ } from './tone.ts';

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
