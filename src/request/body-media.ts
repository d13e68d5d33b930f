import type { BodyReader } from './body-reader.ts';
import { problemAt } from './findings.ts';
import type { Operation, RequestDraft, Sourced } from './types.ts';

export type BodyMedia = Pick<RequestDraft, 'images' | 'videos' | 'audios'>;

function readList(reader: BodyReader, key: string): readonly Sourced<unknown>[] | undefined {
  const list = reader.at(key);
  if (list === undefined) return undefined;
  if (Array.isArray(list.value)) {
    return list.value.map((value: unknown, index) => ({ value, source: reader.describe([key, index]) }));
  }
  reader.problems.push(problemAt(list, 'must be a list, also where there is only one'));
  return undefined;
}

/** One list under either of its two names; both at once is a problem. */
function readEither(
  reader: BodyReader,
  key: string,
  apiKey: string,
): readonly Sourced<unknown>[] | undefined {
  const own = readList(reader, key);
  const api = readList(reader, apiKey);
  const at = reader.at(key);
  if (at !== undefined && reader.at(apiKey) !== undefined) {
    reader.problems.push(problemAt(at, `and ${apiKey} are the same list; leave one of the two out`));
  }
  return own ?? api;
}

/** `first` and `last`: the frames of `i2v` by name. */
function readFrames(reader: BodyReader, operation: Operation | undefined): readonly Sourced<unknown>[] {
  const first = reader.at('first');
  const last = reader.at('last');
  const given = [first, last].filter((frame) => frame !== undefined);
  const [frame] = given;
  if (frame === undefined) return [];
  if (operation !== undefined && operation !== 'i2v') {
    reader.problems.push(problemAt(frame, 'is only for i2v; use images'));
  } else if (first === undefined) {
    reader.problems.push(problemAt(frame, 'needs the first frame too; give first'));
  }
  const list = ['images', 'image_urls'].find((key) => reader.at(key) !== undefined);
  if (list !== undefined) {
    reader.problems.push(problemAt(frame, `and ${list} are the same images; leave one of the two out`));
  }
  return given;
}

/** The reference media of a body, each with its place, in order. */
export function readBodyMedia(reader: BodyReader, operation: Operation | undefined): BodyMedia {
  const frames = readFrames(reader, operation);
  const images = readEither(reader, 'images', 'image_urls');
  return {
    images: images ?? (frames.length === 0 ? undefined : frames),
    videos: readEither(reader, 'videos', 'video_urls'),
    audios: readEither(reader, 'audios', 'audio_urls'),
  };
}
