import { lstat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import type {
  FreshLink,
  LinkJob,
  MediaExpectation,
  MediaFacts,
  OnExisting,
  SavedFile,
} from '../config/output-pattern.ts';
import { numberedPaths, publishFile } from '../platform/durable-file.ts';
import { makeFolder } from '../platform/folders.ts';
import {
  diskFailed,
  downloadFailed,
  InvalidVideoError,
  type KeptPart,
  notVerified,
  resultGone,
  SavedElsewhereError,
  UnverifiedError,
} from './errors.ts';
import {
  type AttemptEnd,
  createRetryPolicy,
  type DownloadDependencies,
  fetchPart,
  type RetryPolicy,
} from './fetch.ts';
import { linkIdentity, partPaths } from './output.ts';
import { openPart, type PartFile, type PartOpener, readPartRecord, requireOwnFiles } from './part-file.ts';
import { type Content, exists, hasContent, hashFile } from './target.ts';
import { checkStructure, compareMedia, verifyVideo } from './verify.ts';

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
 * @throws InvalidVideoError: the part still stands; EvolinkError `download` (not verified): the part stays;
 * SavedElsewhereError: the name was taken; errors of the disk
 */
async function commitPart(part: PartFile, job: SaveLinkJob): Promise<SavedFile> {
  await part.flush();
  // The disk is the slower of the two, and has nothing to wait for.
  const [media] = await Promise.all([verify(part, job), part.sync()]);
  const sizeBytes = part.sizeBytes();
  const content = { sizeBytes, sha256: await part.seal() };
  if (media instanceof UnverifiedError && job.limits.acceptsUnverified !== true)
    throw notVerified(job, media.message, { path: part.paths.part, sizeBytes });
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

/** @throws InvalidVideoError where another download may be better */
async function verify(part: PartFile, { limits }: SaveLinkJob): Promise<MediaFacts | UnverifiedError> {
  try {
    await checkStructure(part.toReadable(), part.source().totalBytes);
    return await verifyVideo(part.paths.part);
  } catch (error) {
    if (error instanceof UnverifiedError) return error;
    const isAccepted = limits.acceptsUnverified === true && error instanceof InvalidVideoError;
    if (isAccepted && !error.isPage && part.isWhole()) return new UnverifiedError(error.message);
    throw error;
  }
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
  await requireOwnFiles(paths, job.taskId);
  const record = await readPartRecord(paths.record);
  if (record === undefined || record === 'unreadable' || record.sha256 === undefined) return undefined;
  if (record.taskId !== job.taskId || (await exists(paths.part))) return undefined;
  const content = { sizeBytes: record.syncedBytes, sha256: record.sha256 };
  for (const path of numberedPaths(job.target)) {
    if (!(await exists(path))) return undefined;
    if (!(await hasContent(path, content))) continue;
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

type NamedFile = SavedFile & { readonly path: string };

type Media = MediaFacts | UnverifiedError;

function toSaved(
  job: CommitJob,
  path: string,
  { media, ...content }: Content & { readonly media: Media },
): NamedFile {
  return media instanceof UnverifiedError
    ? { path, ...content, warnings: [`the video was not verified: ${media.message}`] }
    : { path, ...content, media, warnings: compareMedia(job.expectation ?? {}, media) };
}

/** Its bytes are those on record, which were judged before they were published. */
function toUnverified(error: unknown): UnverifiedError {
  if (!(error instanceof UnverifiedError)) throw error;
  return error;
}

function atTarget(job: CommitJob, saved: NamedFile): NamedFile {
  if (saved.path === job.target) return saved;
  throw new SavedElsewhereError(saved, job);
}

export interface SaveLinkDependencies extends DownloadDependencies {
  /** A seam for disks that fail. */
  readonly opener?: PartOpener | undefined;
}

/** `target` is absolute; its folder is made where it is missing. */
export interface SaveLinkJob extends LinkJob, Pick<CommitJob, 'target' | 'onExisting' | 'onPublished'> {}

/** The state of one save: which link and part are in use, and what has been tried. */
interface Save {
  readonly deps: SaveLinkDependencies;
  readonly job: SaveLinkJob;
  readonly policy: RetryPolicy;
  link: FreshLink;
  part: PartFile;
  /** Parts of links that a fresh one has replaced: of no use once the file is saved. */
  readonly oldParts: PartFile[];
  hasRestarted: boolean;
  hasRefreshed: boolean;
  /** The last content that was complete but no video. */
  flawed?: (KeptPart & { readonly sha256: string }) | undefined;
}

/** A save that has not asked for anything yet. */
function createSave(deps: SaveLinkDependencies, job: SaveLinkJob, part: PartFile): Save {
  const save: Save = {
    deps,
    job,
    policy: createRetryPolicy({ ...deps, job, linkExpiresAtMs: () => save.link.linkExpiresAtMs }),
    link: { link: job.link, linkExpiresAtMs: job.linkExpiresAtMs },
    part,
    oldParts: [],
    hasRestarted: false,
    hasRefreshed: false,
  };
  return save;
}

/** What a message can say of the bytes that stay on the disk; `undefined` when there are none. */
function keptPart({ part, flawed }: Save): KeptPart | undefined {
  const sizeBytes = part.sizeBytes();
  return sizeBytes > 0 ? { path: part.paths.part, sizeBytes, totalBytes: part.source().totalBytes } : flawed;
}

/**
 * Attempts until the file is saved or there is no point in another one.
 * @throws as `saveLink`, but with the system's own errors of the disk
 */
async function saveByAttempts(save: Save): Promise<SavedFile> {
  const { deps, job, policy } = save;
  for (;;) {
    job.signal.throwIfAborted();
    const { part, link } = save;
    const end: AttemptEnd = part.isWhole()
      ? { kind: 'whole' }
      : await fetchPart(deps, { link: link.link, part, job });
    if (!(end.kind === 'retry' && end.isSlow === true)) policy.noteSize(part.sizeBytes());
    const saved = end.kind === 'whole' ? await tryCommit(save) : await prepareNext(save, end);
    if (saved !== undefined) return saved;
  }
}

/** The saved file, or `undefined` when what came is no video and another attempt is due. */
async function tryCommit(save: Save): Promise<SavedFile | undefined> {
  try {
    const saved = await commitPart(save.part, save.job);
    await discardOld(save);
    return saved;
  } catch (error) {
    if (error instanceof SavedElsewhereError) await discardOld(save);
    if (!(error instanceof InvalidVideoError)) throw error;
    await afterFlaw(save, error);
    return undefined;
  }
}

async function afterFlaw(save: Save, { message, isPage }: InvalidVideoError): Promise<void> {
  const { part, job } = save;
  const content = { path: part.paths.part, sizeBytes: part.sizeBytes(), sha256: part.sha256() };
  const earlier = save.flawed?.sha256 ?? part.source().sha256;
  if (part.isWhole() && !isPage && earlier === content.sha256) {
    await part.seal();
    throw notVerified(job, `${message} (the same bytes came twice)`, content);
  }
  save.flawed = content;
  await part.distrust();
  // A dead link may answer with a page and status 200.
  if (isPage) await refresh(save, message);
  else await waitForNext(save, message);
}

async function prepareNext(save: Save, end: Exclude<AttemptEnd, { kind: 'whole' }>): Promise<undefined> {
  const { deps, job } = save;
  switch (end.kind) {
    case 'more':
      return undefined;
    case 'retry':
      return waitForNext(save, end.reason, end.retryAfterMs);
    case 'ask-again': {
      deps.emit({ kind: 'download-restarted', taskId: job.taskId, reason: end.reason });
      if (save.hasRestarted) return waitForNext(save, end.reason);
      save.hasRestarted = true;
      return undefined;
    }
    case 'expired':
      return refresh(save, `the host answered ${end.status}`);
    case 'fail':
      throw downloadFailed(job, end.reason, { ...end, part: keptPart(save) });
  }
}

/** Asks the service for a fresh link: at once the first time, then as often as the attempts allow. */
async function refresh(save: Save, reason: string): Promise<undefined> {
  const { deps, job, link } = save;
  const fresh = await job.refreshLink();
  if (fresh === 'gone') throw gone(save, `${reason}, and the service has no link for it any more`);
  const isFirst = !save.hasRefreshed && fresh.link !== link.link;
  save.hasRefreshed = true;
  save.link = {
    link: fresh.link,
    linkExpiresAtMs: fresh.linkExpiresAtMs ?? (fresh.link === link.link ? link.linkExpiresAtMs : undefined),
  };
  if (linkIdentity(fresh.link) !== linkIdentity(link.link)) await changePart(save);
  if (isFirst) return undefined;
  try {
    return await waitForNext(save, reason);
  } catch (error) {
    const expiresAtMs = save.link.linkExpiresAtMs;
    const isOver = expiresAtMs !== undefined && expiresAtMs <= deps.clock.now();
    throw isOver && !job.signal.aborted ? gone(save, reason) : error;
  }
}

function gone(save: Save, reason: string) {
  const { deps, job, link } = save;
  return resultGone(job, { reason, expiredAtMs: link.linkExpiresAtMs, nowMs: deps.clock.now() });
}

/** A link to another path is another file until proven otherwise: it gets a part of its own. */
async function changePart(save: Save): Promise<void> {
  const { deps, job, part } = save;
  if (part.sizeBytes() > 0) {
    deps.emit({
      kind: 'download-restarted',
      taskId: job.taskId,
      reason: 'the fresh link leads to another place',
    });
  }
  await part.suspend();
  save.oldParts.push(part);
  save.part = await openPart({ target: job.target, taskId: job.taskId, link: save.link.link }, deps.opener);
}

async function waitForNext(save: Save, reason: string, retryAfterMs?: number): Promise<undefined> {
  const outcome = await save.policy.wait(reason, retryAfterMs);
  if (outcome === 'go-on') return undefined;
  const { maxAttempts } = save.job.limits;
  const why =
    outcome === 'too-late'
      ? 'waiting longer would outlast the time there is'
      : `${maxAttempts} attempts without progress`;
  throw downloadFailed(save.job, `${reason} (${why})`, { part: keptPart(save) });
}

/** Leftovers are never worth failing a saved file for. */
async function discardOld({ oldParts }: Save): Promise<void> {
  for (const part of oldParts) await part.discard().catch(() => undefined);
}

/**
 * Saves one result: continues what an earlier run left, repeats what may pass by itself, asks for a fresh link when the link
 * is dead, verifies, and gives the file its name in one step. Whatever ends it, what has come is kept for the next run.
 * @throws EvolinkError `download` (9), `expired` (10), `local-io` (11; `SavedElsewhereError` when the file is whole but
 * its name was taken); what `refreshLink` throws; the signal's reason when aborted
 */
export async function saveLink(deps: SaveLinkDependencies, job: SaveLinkJob): Promise<SavedFile> {
  job.signal.throwIfAborted();
  try {
    const existing =
      (await finishCommit(job)) ?? (job.onExisting === 'skip' ? await keepExisting(job) : undefined);
    return existing ?? (await download(deps, job));
  } catch (error) {
    throw diskFailed(error, job);
  }
}

async function download(deps: SaveLinkDependencies, job: SaveLinkJob): Promise<SavedFile> {
  await makeFolder(dirname(job.target));
  const part = await openPart(job, deps.opener);
  if (part.rejection !== undefined) {
    deps.emit({
      kind: 'download-restarted',
      taskId: job.taskId,
      reason: `what was kept is not used: ${part.rejection}`,
    });
  }
  const save = createSave(deps, job, part);
  try {
    return await saveByAttempts(save);
  } catch (error) {
    const kept = keptPart(save);
    await save.part.suspend();
    throw diskFailed(error, job, kept);
  }
}
