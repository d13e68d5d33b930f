import { unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { OnExisting } from '../config/output.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import { type ClipFacts, verifyClip } from '../media/inspect.ts';
import { lstatIfThere, numberedPaths, publishFile } from '../platform/durable-file.ts';
import { makeFolder } from '../platform/folders.ts';
import { describeFsError, fsErrorCode, hintForFsError } from '../platform/fs-error.ts';
import { formatBytes, quoteCommand } from '../platform/text.ts';
import { type KeptPart, notVerified, paidFacts } from './errors.ts';
import {
  type DownloadDependencies,
  type Expectation,
  fetchLink,
  type LinkJob,
  type NamedFile,
  type SavedFile,
} from './fetch.ts';
import { openPart, type PartFile, partPaths, readPartRecord, requireOwnFiles } from './part-file.ts';
import { type Content, exists, hasContent, hashFile } from './target.ts';

/**
 * The video is whole and on the disk, but under another name than asked for, since that was taken in the meantime. Exit 11,
 * so that no script goes on with someone else's file; `saved` is what to record: the task is done.
 */
export class SavedElsewhereError extends EvolinkError {
  readonly saved: NamedFile;

  constructor(saved: NamedFile, { target, taskId }: CommitJob) {
    super('local-io', `"${target}" exists already, so the video was saved as "${saved.path}"`, {
      details: [`saved: ${saved.path}`],
      hint: `keep it there, or move it: ${quoteCommand(['mv', '--', saved.path, 'NEW-NAME.mp4'])}`,
      charged: 'yes',
      retryable: false,
      taskId,
    });
    this.saved = saved;
  }
}

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
  const { taskId, target, signal, onExisting } = job;
  signal.throwIfAborted();
  let part: PartFile | undefined;
  try {
    const existing =
      (await finishCommit(job)) ?? (onExisting === 'skip' ? await keepExisting(target) : undefined);
    if (existing !== undefined) return existing;
    await makeFolder(dirname(target));
    const opened = await openPart(job);
    part = opened;
    const reason = `what was kept is not used: ${opened.rejection}`;
    if (opened.rejection !== undefined) deps.emit({ kind: 'download-restarted', taskId, reason });
    return await fetchLink(deps, job, opened, () => commit(job, opened));
  } catch (error) {
    throw diskFailed(error, job, await part?.suspend());
  }
}

/**
 * From a complete part to the finished file: verified, durable, its hash on record, published in one step, record removed.
 * A process that dies between any two of these leaves the part or the whole file; `finishCommit` does the rest.
 * @throws Interruption: no clip, and another download may be better; EvolinkError `download` (not verified): the part stays;
 * SavedElsewhereError: the name was taken; errors of the disk
 */
async function commit(job: SaveLinkJob, part: PartFile): Promise<SavedFile> {
  await part.finish();
  const flaw = part.check.flaw();
  // Of the length that was announced, the same bytes would come again.
  const isCertain = part.source.totalBytes !== undefined;
  const cut = isCertain ? undefined : (flaw ?? part.check.cut());
  if (cut !== undefined || flaw?.facts.isLinkDead === true) throw cut ?? flaw;
  // The disk is the slower of the two, and has nothing to wait for.
  const doubt = flaw && { doubt: flaw.message };
  const [verdict] = await Promise.all([doubt ?? verifyClip(part.paths.part), part.sync()]);
  const content = await part.seal();
  if ('doubt' in verdict && job.limits.acceptsUnverified !== true)
    throw notVerified(job.taskId, verdict.doubt, { path: part.paths.part, sizeBytes: content.sizeBytes });
  const path = await publishFile({
    part: part.paths.part,
    target: job.target,
    canReplace: job.onExisting === 'overwrite',
    isPublished: (existing) => hasContent(existing, content),
  });
  return conclude(job, path, content, verdict, part.discard);
}

/** The file has its name: tells so, and tidies up. */
async function conclude(
  job: CommitJob,
  path: string,
  content: Content,
  verdict: Awaited<ReturnType<typeof verifyClip>>,
  tidy: () => Promise<void>,
): Promise<NamedFile> {
  const saved =
    'doubt' in verdict
      ? { path, ...content, warnings: [`the video was not verified: ${verdict.doubt}`] }
      : { path, ...content, media: verdict, warnings: compareMedia(job.expectation ?? {}, verdict) };
  await job.onPublished?.(saved);
  // What is left over is not worth failing a saved file for.
  await tidy().catch(() => undefined);
  if (path !== job.target) throw new SavedElsewhereError(saved, job);
  return saved;
}

/**
 * Finishes the commit of an earlier process that died after the file had its name: the record says what the file is, and
 * a file of the target's name (or a numbered one) is exactly that. `undefined` when there is nothing of the kind.
 * @throws SavedElsewhereError when it has a number
 */
export async function finishCommit(job: CommitJob): Promise<SavedFile | undefined> {
  const paths = partPaths(job);
  await requireOwnFiles(job);
  const record = readPartRecord(paths.record);
  if (record?.sha256 === undefined) return undefined;
  if (record.taskId !== job.taskId || (await exists(paths.part))) return undefined;
  const content = { sizeBytes: record.syncedBytes, sha256: record.sha256 };
  for (const path of numberedPaths(job.target)) {
    if (!(await exists(path))) return undefined;
    if (!(await hasContent(path, content))) continue;
    // Its bytes are those on record, which were judged before they were published.
    return conclude(job, path, content, await verifyClip(path), () => unlink(paths.record));
  }
  return undefined;
}

/** An existing file is kept, as was asked for; `undefined` when there is none. */
export async function keepExisting(path: string): Promise<SavedFile | undefined> {
  const stats = await lstatIfThere(path);
  if (stats === undefined) return undefined;
  return { path, sizeBytes: stats.size, sha256: await hashFile(path), warnings: [], isSkipped: true };
}

/** Encoders end on a picture or a sound frame, not on the second. */
const DURATION_TOLERANCE_SECONDS = 0.5;

/** What differs between the request and the file, a line each. The clip is paid for either way, so these are warnings. */
export function compareMedia(asked: Expectation, facts: ClipFacts): readonly string[] {
  const { duration_seconds: seconds, width_px: width, height_px: height, has_audio: hasAudio } = facts;
  const { durationSeconds = seconds, widthPx = width, heightPx = height } = asked;
  const warnings: string[] = [];
  // Fragmented files leave the length open (0): nothing to compare.
  if (seconds > 0 && Math.abs(durationSeconds - seconds) > DURATION_TOLERANCE_SECONDS)
    warnings.push(`the video is ${Number(seconds.toFixed(2))} s long, ${durationSeconds} s were asked for`);
  if (width !== null && height !== null && (width !== widthPx || height !== heightPx))
    warnings.push(`the video has ${width}×${height} pixels, ${widthPx}×${heightPx} were asked for`);
  if ((asked.hasAudio ?? hasAudio) !== hasAudio)
    warnings.push(
      `the video has ${hasAudio ? 'sound, although none' : 'no sound, although it'} was asked for`,
    );
  return warnings;
}

/** Exit 11 for what the disk does in the middle of a download, and what is kept for the next run. */
function diskFailed(error: unknown, { taskId, target }: CommitJob, part?: KeptPart): unknown {
  const facts = paidFacts(taskId, part);
  if (isEvolinkError(error)) {
    const isSaved = error instanceof SavedElsewhereError;
    return !isSaved && ['download', 'local-io'].includes(error.kind) ? error.with(facts) : error;
  }
  if (fsErrorCode(error) === undefined) return error;
  const missingBytes = (part?.totalBytes ?? 0) - (part?.sizeBytes ?? 0);
  const needed = missingBytes > 0 ? [`the rest of the video needs ${formatBytes(missingBytes)}`] : [];
  return new EvolinkError('local-io', `cannot write "${part?.path ?? target}": ${describeFsError(error)}`, {
    ...facts,
    details: [...needed, ...(facts.details ?? [])],
    hint: hintForFsError(error) ?? `then continue with: ${facts.resume.join(' ')}`,
  });
}
