import { lstat, open, unlink } from 'node:fs/promises';
import { numberedPaths, publishFile } from '../platform/publish-file.ts';
import { compareMedia } from './compare-media.ts';
import { type Content, exists, hasContent } from './has-content.ts';
import { hashFile } from './hash-file.ts';
import { InvalidVideoError } from './invalid-video-error.ts';
import type { PartFile } from './part-file.ts';
import { readAllAt } from './part-handle.ts';
import { partPaths } from './part-name.ts';
import { readPartRecord } from './part-record.ts';
import { SavedElsewhereError } from './saved-elsewhere-error.ts';
import type { MediaExpectation, MediaFacts, OnExisting, SavedFile } from './types.ts';
import { verifyMp4 } from './verify-mp4.ts';

export interface CommitJob {
  readonly taskId: string;
  readonly target: string;
  readonly onExisting: OnExisting;
  readonly expectation?: MediaExpectation | undefined;
  /**
   * Runs once the file has its name, before the record beside it goes: what is noted here survives a process that dies
   * in between, as the next run finds the record and comes here again.
   */
  readonly onPublished?: ((saved: SavedFile & { readonly path: string }) => Promise<void>) | undefined;
}

/**
 * From a complete part to the finished file: verified, durable, its hash on record, published in one step, record removed.
 * A process that dies between any two of these leaves the part or the whole file; `finishCommit` does the rest.
 * @throws InvalidVideoError: the part still stands; SavedElsewhereError: the name was taken; errors of the disk
 */
export async function commitPart(part: PartFile, job: CommitJob): Promise<SavedFile> {
  await part.flush();
  // The disk is the slower of the two, and has nothing to wait for.
  const [media] = await Promise.all([verifyMp4(part.toReadable(), part.source().totalBytes), part.sync()]);
  const sizeBytes = part.sizeBytes();
  const content = { sizeBytes, sha256: await part.seal() };
  const { path } = await publishFile({
    part: part.paths.part,
    target: job.target,
    canReplace: job.onExisting === 'overwrite',
    isPublished: (existing) => hasContent(existing, content),
  });
  const saved = toSaved(job, path, { ...content, media });
  await job.onPublished?.(saved);
  // What is left over is not worth failing a saved file for.
  await part.discard().catch(() => undefined);
  return atTarget(job, saved);
}

/**
 * Finishes the commit of an earlier process that died after the file had its name: the record says what the file is, and
 * a file of the target's name (or a numbered one) is exactly that. `undefined` when there is nothing of the kind.
 * @throws SavedElsewhereError when it has a number
 */
export async function finishCommit(
  job: CommitJob & { readonly link: string },
): Promise<SavedFile | undefined> {
  const paths = partPaths(job.target, job);
  const record = await readPartRecord(paths.record);
  if (record === undefined || record === 'unreadable' || record.sha256 === undefined) return undefined;
  if (record.taskId !== job.taskId || (await exists(paths.part))) return undefined;
  const content = { sizeBytes: record.syncedBytes, sha256: record.sha256 };
  for (const path of numberedPaths(job.target)) {
    if (!(await exists(path))) return undefined;
    if (!(await hasContent(path, content))) continue;
    const media = await verifySaved(path, content.sizeBytes).catch(toUndefined);
    if (media === undefined) return undefined;
    const saved = toSaved(job, path, { ...content, media });
    await job.onPublished?.(saved);
    await unlink(paths.record).catch(() => undefined);
    return atTarget(job, saved);
  }
  return undefined;
}

/** An existing target is kept, as was asked for; `undefined` when there is none. */
export async function keepExisting({ target }: Pick<CommitJob, 'target'>): Promise<SavedFile | undefined> {
  if (!(await exists(target))) return undefined;
  const { size } = await lstat(target);
  return { path: target, sizeBytes: size, sha256: await hashFile(target), warnings: [], isSkipped: true };
}

type NamedFile = SavedFile & { readonly path: string };

function toSaved(job: CommitJob, path: string, file: Content & { readonly media: MediaFacts }): NamedFile {
  return { path, ...file, warnings: compareMedia(job.expectation ?? {}, file.media) };
}

function atTarget(job: CommitJob, saved: NamedFile): NamedFile {
  if (saved.path === job.target) return saved;
  throw new SavedElsewhereError(saved, job);
}

/** A record of other rules than today's: the file is left alone, and fetched anew. */
function toUndefined(error: unknown): undefined {
  if (!(error instanceof InvalidVideoError)) throw error;
}

async function verifySaved(path: string, sizeBytes: number): Promise<MediaFacts> {
  const handle = await open(path, 'r');
  try {
    return await verifyMp4(
      { sizeBytes, readAt: (position, length) => readAllAt(handle, position, length) },
      sizeBytes,
    );
  } finally {
    await handle.close();
  }
}
