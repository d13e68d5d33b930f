import pMap from 'p-map';
import { type UploadDependencies, uploadFile } from '../media/upload.ts';
import type { EmitEvent } from './events.ts';
import type { LocalMedia } from './prepare-media.ts';

export interface UploadMediaOptions {
  readonly emit: EmitEvent;
  readonly signal: AbortSignal;
}

/** Enough to fill a line; more would only share it. */
const CONCURRENCY = 3;

/**
 * Uploads local media, each content once, some at a time.
 * @returns the URL of each path
 * @throws EvolinkError; then nothing was submitted
 */
export async function uploadMedia(
  deps: UploadDependencies,
  local: readonly LocalMedia[],
  { emit, signal }: UploadMediaOptions,
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
    concurrency: CONCURRENCY,
  });
  return new Map(uploads);
}
