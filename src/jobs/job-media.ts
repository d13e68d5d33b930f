import { resolve } from 'node:path';
import {
  isLocalEntry,
  type MediaLists,
  type PreparedMedia,
  prepareMedia,
} from '../generate/prepare-media.ts';
import { describeFacts } from '../media/describe-facts.ts';
import type { MediaReview } from '../media/review-media.ts';
import type { GenerationRequest, Problem, RequestDraft } from '../request/types.ts';
import { quoteCommand } from '../ui/quote-command.ts';

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

/** Where each medium of a draft was named, in the order of the reviews: images, videos, audios. Pure. */
export function mediaSources({ images, videos, audios }: RequestDraft): readonly string[] {
  return [images, videos, audios].flatMap((list) => (list ?? []).map(({ source }) => source));
}

/** What is wrong with media, under the keys that name them, with what they are and the command that mends them. Pure. */
export function mediaProblems(
  reviews: readonly MediaReview[],
  sources: readonly string[],
): readonly Problem[] {
  return reviews.flatMap(({ item, facts, problems, mend }, position): Problem[] =>
    problems.map(({ is, allowed }, index) => {
      const known = facts === undefined || facts.sizeBytes === 0 ? '' : ` (it is ${describeFacts(facts)})`;
      const isLast = index === problems.length - 1;
      const mending = mend === undefined || !isLast ? '' : `\nto mend it: ${quoteCommand(mend)}`;
      return {
        source: sources[position] ?? item.name,
        value: item.label,
        message: `${is}: ${allowed}${known}${mending}`,
      };
    }),
  );
}
