import { lstat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { LinkJob, MediaFacts, OnExisting, SavedFile } from '../config/output-pattern.ts';
import { numberedPaths, publishFile } from '../platform/durable-file.ts';
import { makeFolder } from '../platform/folders.ts';
import {
  diskFailed,
  downloadFailed,
  type KeptPart,
  notVerified,
  SavedElsewhereError,
  UnverifiedError,
} from './errors.ts';
import { type DownloadDependencies, fetchLink, type Sink } from './fetch.ts';
import { partPaths } from './output.ts';
import { openPart, type PartFile, readPartRecord, requireOwnFiles } from './part-file.ts';
import { type Content, exists, hasContent, hashFile, requireSpace } from './target.ts';
import { compareMedia, verifyVideo } from './verify.ts';

type NamedFile = SavedFile & { readonly path: string };

export interface CommitJob extends Pick<LinkJob, 'taskId' | 'link' | 'expectation'> {
  /** Absolute; its folder is made where it is missing. */
  readonly target: string;
  readonly onExisting: OnExisting;
  /**
   * Runs once the file has its name, before the record beside it goes: what is noted here survives a process that dies
   * in between, as the next run finds the record and comes here again.
   */
  readonly onPublished?: ((saved: NamedFile) => Promise<void>) | undefined;
}

export interface SaveLinkJob extends LinkJob, CommitJob {}

/**
 * Saves one result: continues what an earlier run left, repeats what may pass by itself, asks for a fresh link when the link
 * is dead, verifies, and gives the file its name in one step. Whatever ends it, what has come is kept for the next run.
 * @throws EvolinkError `download` (9), `expired` (10), `local-io` (11; `SavedElsewhereError` when the file is whole but
 * its name was taken); what `refreshLink` throws; the signal's reason when aborted
 */
export async function saveLink(deps: DownloadDependencies, job: SaveLinkJob): Promise<SavedFile> {
  job.signal.throwIfAborted();
  let save: FileSave | undefined;
  try {
    const existing =
      (await finishCommit(job)) ?? (job.onExisting === 'skip' ? await keepExisting(job) : undefined);
    if (existing !== undefined) return existing;
    await makeFolder(dirname(job.target));
    const part = await openPart(job);
    if (part.rejection !== undefined) {
      const reason = `what was kept is not used: ${part.rejection}`;
      deps.emit({ kind: 'download-restarted', taskId: job.taskId, reason });
    }
    save = { job, part, oldParts: [] };
    return await fetchLink(deps, job, createFileSink(deps, save));
  } catch (error) {
    const kept = save && keptPart(save);
    await save?.part.suspend();
    throw diskFailed(error, job, kept);
  }
}

/** The state of one save. */
interface FileSave {
  readonly job: SaveLinkJob;
  part: PartFile;
  /** Parts of links that a fresh one has replaced: of no use once the file is saved. */
  readonly oldParts: PartFile[];
  /** The last content that was complete but no video. */
  flawed?: (KeptPart & { readonly sha256: string }) | undefined;
}

function createFileSink(deps: DownloadDependencies, save: FileSave): Sink {
  const { job } = save;
  return {
    sizeBytes: () => save.part.sizeBytes(),
    source: () => save.part.source(),
    isWhole: () => save.part.isWhole(),
    startOver: async (source) => {
      if (source.totalBytes !== undefined) await requireSpace(dirname(job.target), source.totalBytes);
      await save.part.startOver(source);
    },
    write: (chunk) => save.part.write(chunk),
    flush: () => save.part.flush(),
    distrust: () => save.part.distrust(),
    discard: () => save.part.discard(),
    changeLink: (link) => changeLink(deps, save, link),
    finish: () => commit(save),
    failure: (reason, more) => downloadFailed(job, reason, { ...more, part: keptPart(save) }),
  };
}

/** What a message can say of the bytes that stay on the disk; `undefined` when there are none. */
function keptPart({ part, flawed }: FileSave): KeptPart | undefined {
  const sizeBytes = part.sizeBytes();
  return sizeBytes > 0 ? { path: part.paths.part, sizeBytes, totalBytes: part.source().totalBytes } : flawed;
}

/** A link to another path is another file until proven otherwise: it gets a part of its own. */
async function changeLink({ emit }: DownloadDependencies, save: FileSave, link: string): Promise<void> {
  const { job, part } = save;
  if (partPaths(job.target, { ...job, link }).part === part.paths.part) return;
  const reason = 'the fresh link leads to another place';
  if (part.sizeBytes() > 0) emit({ kind: 'download-restarted', taskId: job.taskId, reason });
  await part.suspend();
  save.oldParts.push(part);
  save.part = await openPart({ ...job, link });
}

/**
 * From a complete part to the finished file: verified, durable, its hash on record, published in one step, record removed.
 * A process that dies between any two of these leaves the part or the whole file; `finishCommit` does the rest.
 * @throws InvalidVideoError: the part still stands; EvolinkError `download` (not verified): the part stays;
 * SavedElsewhereError: the name was taken; errors of the disk
 */
async function commit(save: FileSave): Promise<SavedFile> {
  const { job, part } = save;
  await part.flush();
  // The disk is the slower of the two, and has nothing to wait for.
  const [media] = await Promise.all([checkBoxes(save) ?? verify(part), part.sync()]);
  const content = { sizeBytes: part.sizeBytes(), sha256: await part.seal() };
  if (media instanceof UnverifiedError && job.limits.acceptsUnverified !== true)
    throw notVerified(job, media.message, { path: part.paths.part, sizeBytes: content.sizeBytes });
  const { path } = await publishFile({
    part: part.paths.part,
    target: job.target,
    canReplace: job.onExisting === 'overwrite',
    isPublished: (existing) => hasContent(existing, content),
  });
  const saved = toSaved(job, path, { ...content, media });
  await job.onPublished?.(saved);
  // What is left over is not worth failing a saved file for.
  for (const old of [part, ...save.oldParts]) await old.discard().catch(() => undefined);
  return atTarget(job, saved);
}

/** @throws InvalidVideoError where another download may be better */
function checkBoxes(save: FileSave): UnverifiedError | undefined {
  const { job, part, flawed } = save;
  const check = part.check();
  const flaw = check.flaw(true);
  if (flaw === undefined) return undefined;
  const sha256 = check.sha256();
  if (part.isWhole() && !flaw.isPage) {
    if (job.limits.acceptsUnverified === true) return new UnverifiedError(flaw.message);
    if (flawed?.sha256 === sha256 || part.isSealed())
      return new UnverifiedError(`${flaw.message} (the same bytes came twice)`);
  }
  save.flawed = { path: part.paths.part, sizeBytes: part.sizeBytes(), sha256 };
  throw flaw;
}

async function verify(part: PartFile): Promise<Media> {
  return verifyVideo(part.paths.part).catch(toUnverified);
}

/**
 * Finishes the commit of an earlier process that died after the file had its name: the record says what the file is, and
 * a file of the target's name (or a numbered one) is exactly that. `undefined` when there is nothing of the kind.
 * @throws SavedElsewhereError when it has a number
 */
export async function finishCommit(job: CommitJob): Promise<SavedFile | undefined> {
  const paths = partPaths(job.target, job);
  await requireOwnFiles(paths, job.taskId);
  const record = await readPartRecord(paths.record);
  if (record === undefined || record === 'unreadable' || record.sha256 === undefined) return undefined;
  if (record.taskId !== job.taskId || (await exists(paths.part))) return undefined;
  const content = { sizeBytes: record.syncedBytes, sha256: record.sha256 };
  for (const path of numberedPaths(job.target)) {
    if (!(await exists(path))) return undefined;
    if (!(await hasContent(path, content))) continue;
    // Its bytes are those on record, which were judged before they were published.
    const media = await verifyVideo(path).catch(toUnverified);
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

type Media = MediaFacts | UnverifiedError;

function toUnverified(error: unknown): UnverifiedError {
  if (!(error instanceof UnverifiedError)) throw error;
  return error;
}

function toSaved(
  { expectation = {} }: CommitJob,
  path: string,
  { media, ...content }: Content & { readonly media: Media },
): NamedFile {
  return media instanceof UnverifiedError
    ? { path, ...content, warnings: [`the video was not verified: ${media.message}`] }
    : { path, ...content, media, warnings: compareMedia(expectation, media) };
}

function atTarget(job: CommitJob, saved: NamedFile): NamedFile {
  if (saved.path === job.target) return saved;
  throw new SavedElsewhereError(saved, job);
}
