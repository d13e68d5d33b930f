import type { Input, InputTrack, Source } from 'mediabunny';
import type { MediaFacts } from './media-facts.ts';

export type ClipFacts = Pick<
  MediaFacts,
  | 'widthPx'
  | 'heightPx'
  | 'isTurned'
  | 'framesPerSecond'
  | 'seconds'
  | 'videoCodec'
  | 'audioCodec'
  | 'channels'
>;

export interface ClipInspection {
  /** Absent where the library can't read the file. */
  readonly facts?: ClipFacts | undefined;
  /** What the head says of the length, where it says anything. */
  readonly declaredSeconds?: number | undefined;
}

/** 60 frames a second for more than the longest clip that is taken; a longer one is judged by its start. */
const MAX_FRAMES_COUNTED = 2_000;

/**
 * Pixels, frames a second, length and codecs of a clip or a sound, from its index; packets are counted, never decoded.
 * The library reads what it needs and holds at most 8 MiB.
 */
export async function inspectClip(path: string): Promise<ClipInspection> {
  const { FilePathSource } = await import('mediabunny');
  return inspectSource(new FilePathSource(path, { handleUnhandledError: () => undefined }));
}

/** The same from the first bytes of a file: enough where the index comes first. */
export async function inspectClipHead(head: Uint8Array): Promise<ClipInspection> {
  const { BufferSource } = await import('mediabunny');
  return inspectSource(new BufferSource(head));
}

async function inspectSource(source: Source): Promise<ClipInspection> {
  const { ALL_FORMATS, Input } = await import('mediabunny');
  const input = new Input({ formats: ALL_FORMATS, source });
  try {
    const declaredSeconds = await input.getDurationFromMetadata().catch(() => null);
    return { facts: await readFacts(input), declaredSeconds: declaredSeconds ?? undefined };
  } catch {
    // Whatever it says is about its own inside; what matters to the person is that the file can't be read.
    return {};
  } finally {
    input.dispose();
  }
}

async function readFacts(input: Input): Promise<ClipFacts> {
  const tracks = await input.getTracks();
  const video = await input.getPrimaryVideoTrack();
  const audio = await input.getPrimaryAudioTrack();
  const seconds = await lengthOf(tracks.filter((track) => track === video || track === audio));
  const sound =
    audio === null ? {} : { audioCodec: audio.codec ?? 'unknown', channels: audio.numberOfChannels };
  if (video === null) return { seconds, ...sound };
  const { averagePacketRate } = await video.computePacketStats(MAX_FRAMES_COUNTED);
  const isSwapped = video.rotation % 180 !== 0;
  return {
    seconds,
    ...sound,
    videoCodec: video.codec ?? 'unknown',
    widthPx: isSwapped ? video.codedHeight : video.codedWidth,
    heightPx: isSwapped ? video.codedWidth : video.codedHeight,
    isTurned: video.rotation !== 0,
    framesPerSecond: averagePacketRate > 0 ? averagePacketRate : undefined,
  };
}

/** Some files start their clock late, so that the end alone would count too much. */
async function lengthOf(tracks: readonly InputTrack[]): Promise<number | undefined> {
  const starts = await Promise.all(tracks.map((track) => track.getFirstTimestamp()));
  const ends = await Promise.all(tracks.map((track) => track.computeDuration()));
  const seconds = Math.max(...ends) - Math.min(...starts.map((start) => Math.max(0, start)));
  return Number.isFinite(seconds) && seconds > 0 ? seconds : undefined;
}
