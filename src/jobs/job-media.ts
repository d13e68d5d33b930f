import { resolve } from 'node:path';
import {
  isLocalEntry,
  type MediaLists,
  type PreparedMedia,
  prepareMedia,
} from '../generate/prepare-media.ts';
import type { MediaReview } from '../media/review-media.ts';
import { MEDIA_KINDS } from '../request/limits.ts';
import type { GenerationRequest, Problem } from '../request/types.ts';

/** Looks at the media of a request: types, limits, hashes of local files. URLs are taken as they are. */
export type ReadMedia = (lists: MediaLists) => Promise<PreparedMedia>;

const NO_MEDIA: PreparedMedia = { reviews: [], local: [] };

/** Reads each set of media once, however many jobs share it. */
export function createMediaReader(workingFolder: string): ReadMedia {
  const known = new Map<string, Promise<PreparedMedia>>();
  return ({ operation, images, videos, audios }) => {
    if (images.length + videos.length + audios.length === 0) return Promise.resolve(NO_MEDIA);
    const lists = { operation, images, videos, audios };
    const key = JSON.stringify(lists);
    const reading = known.get(key) ?? prepareMedia(lists, { workingFolder });
    known.set(key, reading);
    return reading;
  };
}

/** The request with local paths counted from the folder of its job file. Pure. */
export function withAbsolutePaths(request: GenerationRequest, folder: string): GenerationRequest {
  const absolute = (list: readonly string[]): readonly string[] =>
    list.map((entry) => (isLocalEntry(entry) ? resolve(folder, entry) : entry));
  return {
    ...request,
    images: absolute(request.images),
    videos: absolute(request.videos),
    audios: absolute(request.audios),
  };
}

/** What is wrong with media, at the places where the job names them. Pure. */
export function mediaProblems(
  reviews: readonly MediaReview[],
  { images, videos, audios }: MediaLists,
  describe: (keyPath: readonly (string | number)[]) => string,
): readonly Problem[] {
  const counts = { image: images.length, video: videos.length, audio: audios.length };
  const places = MEDIA_KINDS.flatMap((kind) =>
    Array.from({ length: counts[kind] }, (_, index) => [`${kind}s`, index] as const),
  );
  return reviews.flatMap(({ item, problems }, position): Problem[] =>
    problems.map(({ is, allowed }) => ({
      source: describe(places[position] ?? []),
      value: item.label,
      message: `${is}: ${allowed}`,
    })),
  );
}
