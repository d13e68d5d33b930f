import { knownPath, type OutputPlan } from '../config/output.ts';
import { finishCommit } from '../download/save-link.ts';
import { checkTarget, exists, hasContent } from '../download/target.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import type { GenerationRequest, WireBody } from '../request/fields.ts';
import { fingerprint, toWireBody } from '../request/fingerprint.ts';
import { adoptTask, newRecord } from './adopt.ts';
import type { GenerateDependencies, TaskResult } from './events.ts';
import { recordFacts } from './failures.ts';
import { isOpen, newIdempotencyKey, placedIdentity, requestIdentity, type TaskRecord } from './record.ts';
import { closeUnsent, continueRecord, mediaUrls, placeRecord } from './resume.ts';
import { fieldsOf, resultOf, savedResult } from './save.ts';
import { checkSidecarPlace } from './sidecar.ts';
import { nothingSent } from './submit.ts';

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
  const draft = draftRecord(deps, job);
  const { journal, lockWaitMs: waitMs } = deps;
  const identity = job.attachTo?.identity ?? draft.identity;
  const lock = await journal.lock(identity, waitMs, job.signal).catch(async (error: unknown) => {
    // Names what the other process works on, and the command that goes on should it die.
    const isLocked = isEvolinkError(error) && error.kind === 'locked';
    const record = isLocked ? await journal.findOpen(identity).catch(() => undefined) : undefined;
    throw nothingSent(isLocked && record !== undefined ? error.with(recordFacts(record)) : error);
  });
  try {
    const start = await findStart(deps, job, draft, lock.waitedSinceMs);
    return 'warnings' in start ? start : await continueRecord(deps, start, job);
  } finally {
    // The next run replaces one that can't be removed, as its process is gone by then: not worth an error.
    await lock.release().catch(() => undefined);
  }
}

/**
 * The record that the job goes on from, which is the draft where something is to be bought; or the clip that is there already.
 * @param waitedSinceMs set where another process was at the same request until now
 */
async function findStart(
  deps: GenerateDependencies,
  job: GenerateJob,
  draft: TaskRecord,
  waitedSinceMs: number | undefined,
): Promise<TaskRecord | TaskResult> {
  const { output, restore, attachTo, isNew } = job;
  const saved = async () => (job.findsSaved === true && !isNew ? findSaved(deps, draft) : undefined);
  if (attachTo !== undefined) return (await saved()) ?? attach(deps, job, attachTo.localId, draft);
  if (restore !== undefined) {
    await checkOutput(deps, draft);
    return adoptTask(deps, restore.taskId, job, restore.earlier ?? draft);
  }
  if (waitedSinceMs !== undefined && !isNew) {
    // Two at once pay once: what the other one has just saved is the answer to both.
    const finished = newestSaved(deps, draft.identity, (record) => record.updatedAtMs >= waitedSinceMs);
    // What went down the other's standard output is fetched once more for ours.
    if (finished !== undefined)
      return output.kind === 'file' || finished.taskId === undefined
        ? savedResult(finished)
        : adoptTask(deps, finished.taskId, job, finished);
  }
  const open = isNew ? undefined : await findOpen(deps, job, draft.identity);
  if (open !== undefined && open.state !== 'intent') return attached(deps, open);
  const kept = (await saved()) ?? (await checkOutput(deps, draft));
  if (kept !== undefined) return kept;
  // What was left before its submission cost nothing, and its uploads may have ended: another record takes its place.
  if (open !== undefined) await closeUnsent(deps, open);
  if (job.duplicateNote !== undefined)
    deps.emit({ kind: 'warning', code: 'duplicate', message: job.duplicateNote });
  return withMedia(draft, job.media);
}

function draftRecord(deps: GenerateDependencies, job: GenerateJob): TaskRecord {
  const { output, hasSidecar, estimatedCredits, jobName, request } = job;
  const body = toWireBody(request);
  const print = fingerprint(body, job.media?.hashes);
  return {
    ...newRecord(deps, requestIdentity(print, output, deps.service)),
    fingerprint: print,
    ...(jobName === undefined ? {} : { job: jobName }),
    operation: request.operation,
    body,
    idempotencyKey: newIdempotencyKey(),
    output,
    hasSidecar,
    estimatedCredits,
  };
}

/** The open record of the request, with the place that the command names. */
async function findOpen(
  deps: GenerateDependencies,
  job: GenerateJob,
  identity: string,
): Promise<TaskRecord | undefined> {
  const onUnusable = ({ path, reason }: { readonly path: string; readonly reason: string }): void => {
    const message = `left alone in the state folder: ${path} (${reason})`;
    deps.emit({ kind: 'warning', code: 'state-folder', message });
  };
  try {
    const open = await deps.journal.findOpen(identity, onUnusable);
    const isFree = open !== undefined && job.isTaken?.(open.localId) !== true;
    return isFree ? await placeRecord(deps, open, job.output, job.hasSidecar) : undefined;
  } catch (error) {
    throw nothingSent(error);
  }
}

/**
 * Continues one record in the place of a command, whatever place it was made for. The caller holds the record's lock. Where
 * it has ended meanwhile, the clip that was saved here is the answer; else nothing is sent.
 * @throws EvolinkError `locked` where it has ended otherwise
 */
async function attach(
  deps: GenerateDependencies,
  job: GenerateJob,
  localId: string,
  draft: TaskRecord,
): Promise<TaskRecord | TaskResult> {
  const record = await deps.journal.find(localId);
  const isHere = record !== undefined && placedIdentity(record, deps.service) === draft.identity;
  if (record?.state === 'saved' && isHere) return savedResult(record);
  if (record !== undefined && isOpen(record) && record.state !== 'intent')
    return attached(deps, await placeRecord(deps, record, job.output, job.hasSidecar));
  throw new EvolinkError('locked', 'another process has ended this request meanwhile; nothing was sent', {
    hint: 'run the command again',
    charged: 'no',
  });
}

/** Says that an open request is continued. */
function attached({ emit }: GenerateDependencies, record: TaskRecord): TaskRecord {
  const { localId, taskId, state } = record;
  emit({ kind: 'attached', localId, taskId, state });
  return record;
}

/** The newest saved record that has an identity by the place of its clip, and fits; reads through all records. */
function newestSaved(
  { journal, service }: GenerateDependencies,
  identity: string,
  fits: (record: TaskRecord) => boolean,
): TaskRecord | undefined {
  let newest: TaskRecord | undefined;
  for (const record of journal.readAll()) {
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
  const target = output.kind === 'file' ? knownPath(output, fieldsOf(draft)) : undefined;
  // Without a file there is nothing to look through the records for; a disk that fails says so later.
  if (output.kind !== 'file' || target === undefined || !(await exists(target).catch(() => false)))
    return undefined;
  const clipOf = ({ saved }: TaskRecord) => saved?.find(({ path }) => path === target);
  const record = newestSaved(deps, draft.identity, (each) => clipOf(each) !== undefined);
  const clip = record && clipOf(record);
  if (record === undefined || clip === undefined) return undefined;
  if (!(await hasContent(target, clip).catch(() => false))) return undefined;
  // What a process that died right after it had saved has left beside the clip goes.
  const { taskId, links: [link] = [] } = record;
  const left =
    taskId !== undefined && link !== undefined
      ? await finishCommit({ taskId, link, target, onExisting: 'refuse' }).catch(() => undefined)
      : undefined;
  if (output.onExisting === 'overwrite' && left === undefined) return undefined;
  const message = `"${target}" was already made by this exact request (task ${taskId}); nothing sent (to replace it: --overwrite)`;
  return { ...savedResult(record), path: target, warnings: [message] };
}

/** Everything that can be known of the output before paying; a result where the file exists and is to be kept. */
async function checkOutput(deps: GenerateDependencies, draft: TaskRecord): Promise<TaskResult | undefined> {
  const { output, hasSidecar } = draft;
  if (output.kind !== 'file') return undefined;
  const { path, action, warnings } = await checkTarget(output, fieldsOf(draft)).catch((error: unknown) => {
    throw nothingSent(error);
  });
  for (const message of warnings) deps.emit({ kind: 'warning', code: 'output', message });
  if (action === 'skip')
    return { ...resultOf(draft, 'skipped', [{ path }]), local_id: null, warnings: [...warnings] };
  if (hasSidecar && path !== undefined && output.onExisting !== 'overwrite') await checkSidecarPlace(path);
  return undefined;
}

/** The record with the very body that will be sent, URLs of uploads in place of paths: a later resubmission uploads nothing. */
async function withMedia(draft: TaskRecord, media: JobMedia | undefined): Promise<TaskRecord> {
  if (draft.body === undefined) return draft;
  const urls =
    media !== undefined && media.hashes.size > 0 ? await media.upload() : new Map<string, string>();
  const lists = (['image_urls', 'video_urls', 'audio_urls'] as const).flatMap((key) => {
    const entries = draft.body?.[key];
    return entries === undefined ? [] : [[key, entries.map((entry) => urls.get(entry) ?? entry)] as const];
  });
  const body: WireBody = { ...draft.body, ...Object.fromEntries(lists) };
  const path = mediaUrls(body).find((entry) => !/^https?:\/\//i.test(entry));
  // A path means nothing to the service, and would be paid for all the same.
  if (path !== undefined)
    throw new EvolinkError('internal', `"${path}" was not uploaded; nothing was sent`, { charged: 'no' });
  return { ...draft, body };
}
