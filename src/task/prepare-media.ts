import { isAbsolute, relative, resolve } from 'node:path';
import pMap from 'p-map';
import { hashFile } from '../download/target.ts';
import type { Inspection, MediaFacts } from '../media/facts.ts';
import { type MediaItem, type MediaReview, reviewMedia } from '../media/judge.ts';
import { type LocalMedia, type UploadDependencies, uploadFile } from '../media/upload.ts';
import { MEDIA_KINDS } from '../request/models.ts';
import type { MediaLists } from '../request/resolve.ts';
import type { EmitEvent } from './events.ts';

export interface PreparedMedia {
  /** One for each entry of the lists, in the order of images, videos, audios. */
  readonly reviews: readonly MediaReview[];
  /** Empty where anything is wrong. */
  readonly local: readonly LocalMedia[];
  /** Length of all reference videos together; undefined where it is not known. */
  readonly inputVideoSeconds?: number | undefined;
}

export interface PrepareMediaOptions {
  /** Labels of files inside it are relative. */
  readonly workingFolder: string;
  /** Looks at a URL; absent = URLs are not looked at. */
  readonly checkUrl?: ((url: string) => Promise<Inspection>) | undefined;
}

/**
 * Looks at all media of a request before anything is sent: types, limits and sums of local files (absolute paths), and of
 * URLs where asked. Local files that may be sent are hashed: their content, not their place, is part of what the request
 * is. The libraries are loaded only for a request that has media.
 */
export async function prepareMedia(lists: MediaLists, options: PrepareMediaOptions): Promise<PreparedMedia> {
  const items = listItems(lists, options.workingFolder);
  const reviews = withShapeRemark(
    lists.operation,
    await reviewMedia(items, { checkUrl: options.checkUrl, isOneRequest: true }),
  );
  const isGood = reviews.every(({ problems }) => problems.length === 0);
  const local = isGood ? await hashLocal(reviews) : [];
  return { reviews, local, inputVideoSeconds: inputSeconds(reviews) };
}

function inputSeconds(reviews: readonly MediaReview[]): number | undefined {
  const videos = reviews.filter(({ item }) => item.kind === 'video').map(({ facts }) => facts?.seconds);
  const known = videos.filter((seconds) => seconds !== undefined);
  if (videos.length === 0 || known.length < videos.length) return undefined;
  return known.reduce((sum, seconds) => sum + seconds);
}

/** Differences that rounding to whole pixels makes. */
const SAME_SHAPE = 0.02;

/** The service cuts a last frame of another shape to that of the first. */
function withShapeRemark(
  operation: MediaLists['operation'],
  reviews: readonly MediaReview[],
): readonly MediaReview[] {
  const [from, to] = reviews.map(
    ({ facts }) => (facts?.widthPx ?? Number.NaN) / (facts?.heightPx ?? Number.NaN),
  );
  const last = reviews[1];
  const isOther = Math.abs((from ?? Number.NaN) / (to ?? Number.NaN) - 1) >= SAME_SHAPE;
  if (operation !== 'i2v' || last === undefined || !isOther) return reviews;
  const remark = 'has another shape than the first frame, and will be cut to it';
  return reviews.with(1, { ...last, remarks: [...last.remarks, remark] });
}

/** Whether an entry of a media list is a path. */
export function isLocalEntry(entry: string): boolean {
  return !/^https?:/i.test(entry);
}

function listItems(lists: MediaLists, workingFolder: string): readonly MediaItem[] {
  return MEDIA_KINDS.flatMap((kind) =>
    (lists[`${kind}_urls`] ?? []).map((location, index) => {
      const isLocal = isLocalEntry(location);
      const frame = index === 0 ? 'first frame' : 'last frame';
      return {
        kind,
        location,
        isLocal,
        name: `${kind} ${index + 1}`,
        role: lists.operation === 'i2v' && kind === 'image' ? frame : undefined,
        label: isLocal ? toLabel(location, workingFolder) : location,
      };
    }),
  );
}

/** A path that works from the working directory, and is short inside it. */
function toLabel(path: string, workingFolder: string): string {
  const below = relative(workingFolder, path);
  return below === '' || below.startsWith('..') || isAbsolute(below) ? path : below;
}

/** A file or URL on its own: no media list gives it a name. */
export function toLoneItem(entry: string, workingFolder: string): MediaItem {
  const isLocal = isLocalEntry(entry);
  const location = isLocal ? resolve(workingFolder, entry) : entry;
  const label = isLocal ? toLabel(location, workingFolder) : entry;
  return { name: label, label, location, isLocal };
}

/** Each file once, with the names of all its places. */
export async function hashLocal(reviews: readonly MediaReview[]): Promise<readonly LocalMedia[]> {
  const local = new Map<string, LocalMedia>();
  for (const { item, facts } of reviews) {
    if (!item.isLocal || facts === undefined) continue;
    const known = local.get(item.location);
    const media = known ?? toLocalMedia(item, facts, await hashFile(item.location));
    local.set(item.location, known === undefined ? media : { ...media, name: `${media.name}, ${item.name}` });
  }
  return [...local.values()];
}

/** What an upload needs to know of a file. */
function toLocalMedia(
  { location, name }: Pick<MediaItem, 'location' | 'name'>,
  { sizeBytes, mimeType, format }: MediaFacts,
  sha256: string,
): LocalMedia {
  const extension = `.${format === 'jpeg' ? 'jpg' : format}`;
  return { path: location, name, sha256, sizeBytes, extension, mimeType: MIME_TYPES[format] ?? mimeType };
}

/** The usual one of several names for a type. */
const MIME_TYPES: Readonly<Record<string, string>> = { wav: 'audio/wav', mp3: 'audio/mpeg' };

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
    const onProgress = (progress: Parameters<Parameters<typeof uploadFile>[2]['onProgress']>[0]) =>
      emit({ ...progress, name: media.name, path: media.path });
    try {
      return await uploadFile(deps, media, { onProgress, signal: all });
    } catch (error) {
      ending.abort(error);
      throw error;
    }
  };
  const uploads = await pMap(local, async (media) => [media.path, (await upload(media)).fileUrl] as const, {
    concurrency: UPLOADS_AT_ONCE,
  });
  return new Map(uploads);
}
