import { InvalidVideoError } from './invalid-video-error.ts';
import type { MediaFacts } from './types.ts';
import type { ReadableFile } from './walk-boxes.ts';

const CACHE_BYTES = 1024 * 1024;

/**
 * What the file says of its pictures and sound. Expects a file whose boxes and tables were checked. Asks the library for
 * nothing that makes it unroll sample tables (the duration, for one): its time would depend on numbers in the file.
 * @throws InvalidVideoError when the library can't make sense of it
 */
export async function readMediaFacts(file: ReadableFile): Promise<Omit<MediaFacts, 'durationSeconds'>> {
  const { CustomSource, Input, Logging, LogLevel, MP4, QTFF } = await import('mediabunny');
  Logging.level = LogLevel.Silent;
  const source = new CustomSource({
    getSize: () => file.sizeBytes,
    read: (start, end) => file.readAt(start, end - start),
    maxCacheSize: CACHE_BYTES,
    handleUnhandledError: () => undefined,
  });
  const input = new Input({ formats: [MP4, QTFF], source });
  try {
    const track = await input.getPrimaryVideoTrack();
    if (track === null) throw new InvalidVideoError('the file has no picture track that can be read');
    const size = { widthPx: await track.getDisplayWidth(), heightPx: await track.getDisplayHeight() };
    return { ...size, hasAudio: (await input.getPrimaryAudioTrack()) !== null };
  } catch (error) {
    if (error instanceof InvalidVideoError) throw error;
    throw new InvalidVideoError('the header of the video can not be read');
  } finally {
    input.dispose();
  }
}
