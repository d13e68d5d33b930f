import { isAbsolute, relative, resolve } from 'node:path';
import pMap from 'p-map';
import { hashFile } from '../download/target.ts';
import type { CheckUrl } from '../media/check-url.ts';
import { type MediaItem, type MediaReview, reviewMedia } from '../media/judge.ts';
import {
  type LocalMedia,
  type UploadDependencies,
  type UploadProgress,
  uploadFile,
} from '../media/upload.ts';
import { MEDIA_KINDS } from '../request/models.ts';
import { redactAddress } from '../request/public-url.ts';
import type { MediaLists } from '../request/resolve.ts';
import type { EmitEvent } from './events.ts';

export interface PreparedMedia {
  /** One for each entry of the lists, in the order of images, videos, audios. */
  readonly reviews: readonly MediaReview[];
  /** Empty where anything is wrong. */
  readonly local: readonly LocalMedia[];
  /** Length of all reference videos together; not a number where that of one is not known. */
  readonly inputVideoSeconds?: number;
}

export interface PrepareMediaOptions {
  /** Labels of files inside it are relative. */
  readonly workingFolder: string;
  /** Looks at a URL; absent = URLs are not looked at. */
  readonly checkUrl?: CheckUrl | undefined;
}

/** Differences that rounding to whole pixels makes. */
const SAME_SHAPE = 0.02;

/**
 * Looks at all media of a request before anything is sent: types, limits and sums of local files (absolute paths), and of
 * URLs where asked. Local files that may be sent are hashed: their content, not their place, is part of what the request
 * is. The libraries are loaded only for a request that has media.
 */
export async function prepareMedia(
  lists: MediaLists,
  { workingFolder, checkUrl }: PrepareMediaOptions,
): Promise<PreparedMedia> {
  const isFrames = lists.operation === 'i2v';
  const items = MEDIA_KINDS.flatMap((kind) =>
    (lists[`${kind}_urls`] ?? []).map((entry, index) => {
      const frame = index === 0 ? 'first frame' : 'last frame';
      const role = isFrames && kind === 'image' ? frame : undefined;
      return { ...toLoneItem(entry, workingFolder), kind, name: `${kind} ${index + 1}`, role };
    }),
  );
  let reviews = await reviewMedia(items, { checkUrl, isOneRequest: true });
  const [first, last] = reviews;
  // The service cuts a last frame of another shape to that of the first.
  if (isFrames && last !== undefined && Math.abs(shapeOf(first) / shapeOf(last) - 1) >= SAME_SHAPE) {
    const remark = 'has another shape than the first frame, and will be cut to it';
    reviews = reviews.with(1, { ...last, remarks: [...last.remarks, remark] });
  }
  const isGood = reviews.every(({ problems }) => problems.length === 0);
  const videos = reviews.filter(({ item }) => item.kind === 'video');
  return {
    reviews,
    local: isGood ? await hashLocal(reviews) : [],
    inputVideoSeconds: videos.reduce((sum, { facts }) => sum + (facts?.seconds ?? Number.NaN), 0),
  };
}

function shapeOf(review: MediaReview | undefined): number {
  const { widthPx = Number.NaN, heightPx = Number.NaN } = review?.facts ?? {};
  return widthPx / heightPx;
}

/** Whether an entry of a media list is a path. */
export function isLocalEntry(entry: string): boolean {
  return !/^https?:/i.test(entry);
}

/** A file or URL on its own: no media list gives it a name. */
export function toLoneItem(entry: string, workingFolder: string): MediaItem {
  const isLocal = isLocalEntry(entry);
  const location = isLocal ? resolve(workingFolder, entry) : entry;
  const below = relative(workingFolder, location);
  // A path that works from the working folder, and is short inside it.
  const isInside = isLocal && below !== '' && !below.startsWith('..') && !isAbsolute(below);
  const label = isInside ? below : isLocal ? location : redactAddress(entry);
  return { name: label, label, location, isLocal };
}

/** The usual one of several names for a type. */
const MIME_TYPES: Readonly<Record<string, string>> = { wav: 'audio/wav', mp3: 'audio/mpeg' };

/** What uploads need to know: each file once, with the names of all its places. */
export async function hashLocal(reviews: readonly MediaReview[]): Promise<readonly LocalMedia[]> {
  const local = new Map<string, LocalMedia>();
  for (const { item, facts } of reviews) {
    const { location: path, isLocal, name } = item;
    if (!isLocal || facts === undefined) continue;
    const { format, sizeBytes, mimeType: type } = facts;
    const mimeType = MIME_TYPES[format] ?? type;
    const extension = `.${format === 'jpeg' ? 'jpg' : format}`;
    const known = local.get(path);
    const media = known ?? { path, name, sha256: await hashFile(path), sizeBytes, extension, mimeType };
    local.set(path, known === undefined ? media : { ...known, name: `${known.name}, ${name}` });
  }
  return [...local.values()];
}

/** Enough to fill a line; more would only share it. */
const UPLOADS_AT_ONCE = 3;

/**
 * Uploads local media, each content once, some at a time.
 * @returns the URL of each path
 * @throws EvolinkError; then nothing was submitted
 */
export async function uploadMedia(
  deps: UploadDependencies,
  local: readonly LocalMedia[],
  { emit, signal }: { readonly emit: EmitEvent; readonly signal: AbortSignal },
): Promise<ReadonlyMap<string, string>> {
  // One that fails stops the others: the request can't be made without it.
  const ending = new AbortController();
  const all = AbortSignal.any([signal, ending.signal]);
  const upload = async (media: LocalMedia) => {
    const { name, path } = media;
    const report = (progress: UploadProgress) => emit({ ...progress, name, path });
    const { fileUrl } = await uploadFile(deps, media, report, all);
    return [path, fileUrl] as const;
  };
  try {
    return new Map(await pMap(local, upload, { concurrency: UPLOADS_AT_ONCE }));
  } catch (error) {
    ending.abort(error);
    throw error;
  }
}
