import { resolve } from 'node:path';
import type { LocalMedia, MediaLists } from '../generate/prepare-media.ts';
import type { MediaReview } from '../media/review-media.ts';
import type { RequestDraft, Sourced } from '../request/types.ts';
import type { MediaEvent } from '../ui/media-events.ts';
import type { Context } from './context.ts';
import type { Session } from './session.ts';
import { createUrlCheck } from './url-check.ts';

/** The media of a job, looked at; nothing is uploaded yet. */
export interface JobMedia {
  readonly reviews: readonly MediaReview[];
  readonly local: readonly LocalMedia[];
  /** SHA-256 by path of the local ones. */
  readonly hashes: ReadonlyMap<string, string>;
  readonly inputVideoSeconds?: number | undefined;
  readonly warnings: readonly string[];
  /** What the plan shows: `image 1 = style.png, 1600×1200`. */
  readonly events: readonly MediaEvent[];
}

const NO_MEDIA: JobMedia = { reviews: [], local: [], hashes: new Map(), warnings: [], events: [] };

/** A draft whose local paths count from a folder: the one where a flag was typed, or the one of its job file. Pure. */
export function withAbsoluteMedia(draft: RequestDraft, folder: string): RequestDraft {
  const absolute = (list: readonly Sourced<unknown>[] | undefined) =>
    list?.map((at) => (isPath(at.value) ? { ...at, value: resolve(folder, at.value) } : at));
  return {
    ...draft,
    images: absolute(draft.images),
    videos: absolute(draft.videos),
    audios: absolute(draft.audios),
  };
}

/** Anything that is no URL of whatever scheme; two letters at least, as `C:` begins a path. */
function isPath(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.trim() !== '' &&
    !/^([a-z][a-z0-9+.-]+:\/\/|(https?|data|file):)/i.test(value)
  );
}

export interface JobMediaOptions {
  readonly draft: RequestDraft;
  readonly isCheckingUrls: boolean;
}

/**
 * Looks at the media of a draft, also of one that is wrong elsewhere, so that one report names everything. Loads nothing
 * for a request without media.
 */
export async function prepareJobMedia(
  context: Context,
  session: Session,
  { draft, isCheckingUrls }: JobMediaOptions,
): Promise<JobMedia> {
  const lists = toMediaLists(draft);
  if (lists.images.length + lists.videos.length + lists.audios.length === 0) return NO_MEDIA;
  const { mediaHashes, prepareMedia, shortLabel } = await import('../generate/prepare-media.ts');
  const { describePlanFacts } = await import('../media/describe-facts.ts');
  const checkUrl = isCheckingUrls ? await createUrlCheck(context, session) : undefined;
  const { reviews, local, inputVideoSeconds } = await prepareMedia(lists, {
    workingFolder: context.cwd,
    checkUrl,
  });
  return {
    reviews,
    local,
    inputVideoSeconds,
    hashes: mediaHashes(local),
    warnings: reviews.flatMap(({ item, remarks }) =>
      remarks.map((text) => `${item.name} "${item.label}" ${text}`),
    ),
    events: reviews.map(({ item, facts }) => ({
      kind: 'media',
      name: item.name,
      role: item.role,
      label: shortLabel(item),
      facts: facts && describePlanFacts(facts),
      isLocal: item.isLocal,
    })),
  };
}

/** The media of a draft as texts. Entries of another type are reported elsewhere. */
export function toMediaLists({ operation, images, videos, audios }: RequestDraft): MediaLists {
  const texts = (list: readonly Sourced<unknown>[] | undefined) =>
    (list ?? []).flatMap(({ value }) => (isPath(value) || isWebAddress(value) ? [value] : []));
  return { operation, images: texts(images), videos: texts(videos), audios: texts(audios) };
}

function isWebAddress(value: unknown): value is string {
  return typeof value === 'string' && /^https?:\/\//i.test(value);
}
