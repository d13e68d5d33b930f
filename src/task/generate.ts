import { knownPath, type OutputPlan } from '../config/output.ts';
import type { SavedFile } from '../download/fetch.ts';
import { finishCommit } from '../download/save-link.ts';
import { checkTarget, exists, hasContent } from '../download/target.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import { fingerprint, toWireBody } from '../request/fingerprint.ts';
import type { GenerationRequest, WireBody } from '../request/models.ts';
import type { GenerateDependencies, TaskResult } from './events.ts';
import { recordFacts } from './failures.ts';
import type { JournalLock } from './journal.ts';
import { adoptTask } from './match.ts';
import {
  newIdempotencyKey,
  newLocalId,
  placedIdentity,
  RECORD_VERSION,
  type RecordState,
  requestIdentity,
  type TaskRecord,
} from './record.ts';
import { continueRecord, mediaUrls, placeRecord } from './resume.ts';
import { fieldsOf, resultOf, savedResult } from './save.ts';
import { checkSidecarPlace } from './sidecar.ts';
import { nothingSent } from './submit.ts';

/** What can be continued without being sent. */
const OPEN_STATES: readonly RecordState[] = ['sent', 'unknown', 'accepted', 'completed'];

export interface GenerateJob {
  readonly request: GenerationRequest;
  readonly output: OutputPlan;
  readonly hasSidecar: boolean;
  readonly estimatedCredits?: number | undefined;
  /** Its name in a job file. */
  readonly jobName?: string | undefined;
  /** Buys another even where an identical request is open. */
  readonly isNew: boolean;
  /** The open record that is to be continued, whatever place it was made for. Where it has ended meanwhile, nothing is bought. */
  readonly attachTo?: Pick<TaskRecord, 'localId' | 'identity'> | undefined;
  /** The task of this very request whose clip is gone: it is downloaded again, and nothing is sent. */
  readonly restore?: { readonly taskId: string; readonly earlier?: TaskRecord | undefined } | undefined;
  /** Says whether an open record is continued by somebody else of this process, whatever place it was made for. */
  readonly isTaken?: ((localId: string) => boolean) | undefined;
  /** Said where another is about to be bought. */
  readonly duplicateNote?: string | undefined;
  /** The clip of this very request that lies in its place already is the answer; absent = an existing file is one like any other. */
  readonly findsSaved?: boolean | undefined;
  /** False with `--no-wait`: ends as soon as the task is accepted. */
  readonly isWaiting: boolean;
  readonly waitTimeoutMs: number;
  readonly signal: AbortSignal;
  /** Local media in the request's lists, by path; absent where all are URLs. */
  readonly media?: JobMedia | undefined;
  /** Told as soon as a record exists, so that a crash report can name it. */
  readonly onRecord: (record: TaskRecord) => void;
}

interface JobMedia {
  /** SHA-256 of each local path: the content is part of what the request is, the place and the upload are not. */
  readonly hashes: ReadonlyMap<string, string>;
  /** Uploads them; called at most once, and only when a new request is about to be recorded. Gives the URL of each path. */
  readonly upload: () => Promise<ReadonlyMap<string, string>>;
}

/**
 * One clip from request to file: recorded, submitted once, waited for, saved. The same request with the same output
 * continues what is open of it: nothing is sent.
 * @throws EvolinkError of every kind; the signal's reason when aborted
 */
export async function generate(deps: GenerateDependencies, job: GenerateJob): Promise<TaskResult> {
  const draft = newRecord(deps, job);
  const { lock, waitedSinceMs } = await lockRequest(
    deps,
    job.attachTo?.identity ?? draft.identity,
    job.signal,
  );
  try {
    const start = await findStart(deps, job, { draft, waitedSinceMs });
    return 'warnings' in start ? start : await continueRecord(deps, start, job);
  } finally {
    // The next run replaces one that can't be removed, as its process is gone by then: not worth an error.
    await lock.release().catch(() => undefined);
  }
}

/** The record that the job goes on from, or the clip that is there already. */
async function findStart(
  deps: GenerateDependencies,
  job: GenerateJob,
  { draft, waitedSinceMs }: { readonly draft: TaskRecord; readonly waitedSinceMs: number | undefined },
): Promise<TaskRecord | TaskResult> {
  const { output, hasSidecar, restore } = job;
  const adopt = (taskId: string, earlier: TaskRecord) =>
    adoptTask(deps, { taskId, output, hasSidecar, earlier });
  if (job.attachTo !== undefined) {
    const there = job.findsSaved === true ? await findSaved(deps, draft) : undefined;
    return there ?? attachRecord(deps, job, { localId: job.attachTo.localId, identity: draft.identity });
  }
  if (restore !== undefined) {
    await checkOutput(deps, draft);
    return adopt(restore.taskId, restore.earlier ?? draft);
  }
  // Two at once pay once: what the other one has just saved is the answer to both.
  const isAnswered = ({ updatedAtMs }: TaskRecord) =>
    waitedSinceMs !== undefined && updatedAtMs >= waitedSinceMs;
  const finished =
    waitedSinceMs === undefined || job.isNew
      ? undefined
      : await newestSaved(deps, draft.identity, isAnswered);
  if (finished !== undefined) {
    // What went down the other's standard output is fetched once more for ours.
    const isOnDisk = output.kind === 'file' || finished.taskId === undefined;
    return isOnDisk ? savedResult(finished) : adopt(finished.taskId ?? '', finished);
  }
  const open = job.isNew ? undefined : await findOpen(deps, job, draft.identity);
  if (open !== undefined && open.state !== 'intent') return attached(deps, open);
  // A record that was left before its submission is still to be paid for.
  const next = open ?? draft;
  const there = job.findsSaved === true && !job.isNew ? await findSaved(deps, next) : undefined;
  const kept = there ?? (await checkOutput(deps, next, open?.localId));
  if (kept !== undefined) return kept;
  if (open !== undefined) return withLiveMedia(deps, open, job);
  if (job.duplicateNote !== undefined)
    deps.emit({ kind: 'warning', code: 'duplicate', message: job.duplicateNote });
  const record = await withMedia(draft, job.media);
  await deps.journal.create(record).catch(rethrowUnsent);
  return record;
}

function rethrowUnsent(error: unknown): never {
  throw nothingSent(error);
}

/** The lock of the request; where another process had it, also since when it was waited for. */
async function lockRequest(
  deps: GenerateDependencies,
  identity: string,
  signal: AbortSignal,
): Promise<{ readonly lock: JournalLock; readonly waitedSinceMs?: number }> {
  const { journal, lockWaitMs } = deps;
  const waitedSinceMs = deps.clock.now();
  // Names what the other process works on, and the command that goes on should it die.
  const refuse = async (error: unknown): Promise<never> => {
    const isLocked = isEvolinkError(error) && error.kind === 'locked';
    const record = isLocked ? await journal.findOpen(identity).catch(() => undefined) : undefined;
    throw nothingSent(isLocked && record !== undefined ? error.with(recordFacts(record)) : error);
  };
  try {
    return { lock: await journal.lock(identity, { waitMs: 0, signal }) };
  } catch (error) {
    if (!isEvolinkError(error) || error.kind !== 'locked' || lockWaitMs === 0) return refuse(error);
  }
  return { lock: await journal.lock(identity, { waitMs: lockWaitMs, signal }).catch(refuse), waitedSinceMs };
}

function newRecord(deps: GenerateDependencies, job: GenerateJob): TaskRecord {
  const nowMs = deps.clock.now();
  const body = toWireBody(job.request);
  const print = fingerprint(body, job.media?.hashes);
  return {
    schemaVersion: RECORD_VERSION,
    localId: newLocalId(nowMs, deps.clock.random),
    state: 'intent',
    identity: requestIdentity(print, job.output, deps.service),
    fingerprint: print,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    apiBaseUrl: deps.api.baseUrl,
    ...(job.jobName === undefined ? {} : { job: job.jobName }),
    operation: job.request.operation,
    body,
    idempotencyKey: newIdempotencyKey(),
    output: job.output,
    hasSidecar: job.hasSidecar,
    estimatedCredits: job.estimatedCredits,
    timeline: [],
  };
}

/** The open record of the request. */
async function findOpen(
  deps: GenerateDependencies,
  job: GenerateJob,
  identity: string,
): Promise<TaskRecord | undefined> {
  const onUnusable = (file: string): void =>
    deps.emit({ kind: 'warning', code: 'state-folder', message: `left alone in the state folder: ${file}` });
  try {
    const open = await deps.journal.findOpen(identity, onUnusable);
    if (open === undefined || job.isTaken?.(open.localId) === true) return undefined;
    return await moveHere(deps, open, job);
  } catch (error) {
    throw nothingSent(error);
  }
}

/**
 * Continues one record in the place of a command, whatever place it was made for. The caller holds the record's lock. Where
 * it has ended meanwhile, the clip that was saved here is the answer; else nothing is sent.
 * @param identity what a request of the command itself would have
 * @throws EvolinkError `locked` where it has ended otherwise
 */
async function attachRecord(
  deps: GenerateDependencies,
  job: GenerateJob,
  { localId, identity }: Pick<TaskRecord, 'localId' | 'identity'>,
): Promise<TaskRecord | TaskResult> {
  const record = await deps.journal.find(localId);
  const isHere = record !== undefined && placedIdentity(record, deps.service) === identity;
  if (record?.state === 'saved' && isHere) return savedResult(record);
  if (record === undefined || !OPEN_STATES.includes(record.state)) {
    throw new EvolinkError('locked', 'another process has ended this request meanwhile; nothing was sent', {
      hint: 'run the command again',
      charged: 'no',
    });
  }
  return attached(deps, await moveHere(deps, record, job));
}

/** Says that an open request is continued. */
function attached({ emit }: GenerateDependencies, record: TaskRecord): TaskRecord {
  const { localId, taskId, state } = record;
  emit({ kind: 'attached', localId, taskId, state });
  return record;
}

/** The clip of a record goes where the command says, with a sidecar if it wants one. The caller holds the record's lock. */
async function moveHere(
  deps: GenerateDependencies,
  record: TaskRecord,
  { output, hasSidecar }: GenerateJob,
): Promise<TaskRecord> {
  const placed = await placeRecord(deps, record, output);
  return placed.hasSidecar || !hasSidecar ? placed : deps.journal.update(placed.localId, { hasSidecar });
}

/** The newest saved record that has an identity by the place of its clip, and fits; reads through all records. */
async function newestSaved(
  { journal, service }: GenerateDependencies,
  identity: string,
  fits: (record: TaskRecord) => boolean,
): Promise<TaskRecord | undefined> {
  let newest: TaskRecord | undefined;
  for await (const record of journal.readAll()) {
    const isSaved = record.state === 'saved' && fits(record);
    if (isSaved && placedIdentity(record, service) === identity) newest = record;
  }
  return newest;
}

/**
 * The clip of an earlier run of the very same command, if it still lies where this one is to go: the answer to both, and
 * nothing to pay for. With `--overwrite` only where that run ended before it could say that it was done (its note is still
 * there), as otherwise another clip is asked for.
 */
async function findSaved(deps: GenerateDependencies, draft: TaskRecord): Promise<TaskResult | undefined> {
  const { output } = draft;
  if (output.kind !== 'file') return undefined;
  const target = knownPath(output, fieldsOf(draft));
  // Without a file there is nothing to look through the records for; a disk that fails says so later.
  if (target === undefined || !(await exists(target).catch(() => false))) return undefined;
  const isHere = ({ saved }: TaskRecord) => saved?.some(({ path }) => path === target) === true;
  const record = await newestSaved(deps, draft.identity, isHere);
  const saved = record?.saved?.find(({ path }) => path === target);
  if (record === undefined || saved === undefined) return undefined;
  if (!(await hasContent(target, saved).catch(() => false))) return undefined;
  const wasLeft = (await finishNote(record, target)) !== undefined;
  if (output.onExisting === 'overwrite' && !wasLeft) return undefined;
  const message = `"${target}" is the clip of this very request, saved before as ${record.taskId}: nothing is sent (--overwrite submits another in its place)`;
  return { ...savedResult(record), path: target, warnings: [message] };
}

/** What a process that died right after it had saved has left beside the clip goes; says whether there was any. */
async function finishNote({ taskId, links }: TaskRecord, target: string): Promise<SavedFile | undefined> {
  const [link] = links ?? [];
  if (taskId === undefined || link === undefined) return undefined;
  return finishCommit({ taskId, link, target, onExisting: 'refuse' }).catch(() => undefined);
}

/** Everything that can be known of the output before paying; a result where the file exists and is to be kept. */
async function checkOutput(
  deps: GenerateDependencies,
  draft: TaskRecord,
  localId?: string,
): Promise<TaskResult | undefined> {
  const { output, hasSidecar } = draft;
  if (output.kind !== 'file') return undefined;
  const { path, action, warnings } = await checkTarget(output, fieldsOf(draft)).catch(rethrowUnsent);
  for (const message of warnings) deps.emit({ kind: 'warning', code: 'output', message });
  if (action === 'skip') return { ...resultOf(draft, 'skipped'), localId, path, warnings };
  await checkSidecarPlace({ clipPath: path, hasSidecar, onExisting: output.onExisting });
  return undefined;
}

/** The record with the very body that will be sent: a later resubmission of it uploads nothing. */
async function withMedia(draft: TaskRecord, media: JobMedia | undefined): Promise<TaskRecord> {
  if (draft.body === undefined) return draft;
  const isLocal = media !== undefined && media.hashes.size > 0;
  const body = isLocal ? withUrls(draft.body, await media.upload()) : draft.body;
  const path = mediaUrls(body).find((entry) => !/^https?:\/\//i.test(entry));
  // A path means nothing to the service, and would be paid for all the same.
  if (path !== undefined)
    throw new EvolinkError('internal', `"${path}" was not uploaded; nothing was sent`, { charged: 'no' });
  return { ...draft, body };
}

/** A body with the URLs of uploads in place of local paths. */
function withUrls(body: WireBody, urls: ReadonlyMap<string, string>): WireBody {
  const lists = (['image_urls', 'video_urls', 'audio_urls'] as const).flatMap((key) => {
    const entries = body[key];
    return entries === undefined ? [] : [[key, entries.map((entry) => urls.get(entry) ?? entry)] as const];
  });
  return { ...body, ...Object.fromEntries(lists) };
}

/**
 * The uploads of a request that was left unsent may have ended since. Its files are the same (they are a part of what it
 * is), so they are uploaded again where that is needed.
 */
async function withLiveMedia(
  deps: GenerateDependencies,
  open: TaskRecord,
  job: GenerateJob,
): Promise<TaskRecord> {
  if (job.media === undefined || job.media.hashes.size === 0 || open.unknown !== undefined) return open;
  const { body } = await withMedia({ ...open, body: toWireBody(job.request) }, job.media);
  if (JSON.stringify(mediaUrls(body)) === JSON.stringify(mediaUrls(open.body))) return open;
  // A key stands for one body. This one was never accepted, so nothing is paid for twice under another.
  return deps.journal.update(open.localId, { body, idempotencyKey: newIdempotencyKey() });
}
