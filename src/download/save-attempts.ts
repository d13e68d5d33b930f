import { type CommitJob, commitPart } from './commit-part.ts';
import { downloadFailed, type KeptPart, resultGone } from './download-errors.ts';
import { type AttemptEnd, type DownloadDependencies, fetchPart } from './fetch-part.ts';
import { InvalidVideoError } from './invalid-video-error.ts';
import { openPart, type PartFile } from './part-file.ts';
import type { PartOpener } from './part-handle.ts';
import { linkIdentity } from './part-name.ts';
import { createRetryPolicy, type RetryPolicy } from './retry-policy.ts';
import { SavedElsewhereError } from './saved-elsewhere-error.ts';
import type { FreshLink, LinkJob, SavedFile } from './types.ts';

/** Flawed bytes of this size are not fetched a second time only to be found the same again. */
const COSTLY_BYTES = 1024 ** 2;

export interface SaveLinkDependencies extends DownloadDependencies {
  /** A seam for disks that fail. */
  readonly opener?: PartOpener | undefined;
}

/** `target` is absolute; its folder is made where it is missing. */
export interface SaveLinkJob extends LinkJob, Pick<CommitJob, 'target' | 'onExisting' | 'onPublished'> {}

/** The state of one save: which link and part are in use, and what has been tried. */
export interface Save {
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
export function createSave(deps: SaveLinkDependencies, job: SaveLinkJob, part: PartFile): Save {
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
export function keptPart({ part, flawed }: Save): KeptPart | undefined {
  const sizeBytes = part.sizeBytes();
  return sizeBytes > 0 ? { path: part.paths.part, sizeBytes, totalBytes: part.source().totalBytes } : flawed;
}

/**
 * Attempts until the file is saved or there is no point in another one.
 * @throws as `saveLink`, but with the system's own errors of the disk
 */
export async function saveByAttempts(save: Save): Promise<SavedFile> {
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
  const { part, flawed, job } = save;
  const content = { path: part.paths.part, sizeBytes: part.sizeBytes(), sha256: part.sha256() };
  save.flawed = content;
  await part.distrust();
  if (content.sizeBytes >= COSTLY_BYTES && flawed?.sha256 === content.sha256) {
    throw downloadFailed(job, `${message} (the same bytes came twice)`, { part: content });
  }
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
