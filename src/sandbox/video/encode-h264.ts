import { createRequire } from 'node:module';
import { containListeners } from '../../platform/contain-listeners.ts';
import { yieldToEventLoop } from '../../platform/yield.ts';
import { FRAMES_PER_SECOND } from './timing.ts';

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
