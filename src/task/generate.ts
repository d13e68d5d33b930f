import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { TaskSnapshot } from '../api/answers.ts';
import { knownPath, type OutputPlan } from '../config/output.ts';
import { finishCommit } from '../download/save-link.ts';
import { checkTarget, exists, hasContent } from '../download/target.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import type { LocalMedia } from '../media/upload.ts';
import type { GenerationRequest, WireBody } from '../request/fields.ts';
import type { GenerateDependencies, TaskResult } from './events.ts';
import { downloadCommand, leftAlone, named, recordFacts } from './failures.ts';
import { isOpen, isUncertain, requestIdentity, type TaskRecord } from './record.ts';
import { fieldsOf, resultOf, savedResult, saveTask } from './save.ts';
import { adoptTask, newRecord, settleOrFail } from './settle.ts';
import { checkSidecarPlace } from './sidecar.ts';
import { nothingSent, submitTask } from './submit.ts';
import { waitForTask } from './wait.ts';

export interface ContinueOptions {
  /** False with `--no-wait`: ends as soon as the task is accepted. */
  readonly isWaiting: boolean;
  readonly waitTimeoutMs: number;
  readonly signal: AbortSignal;
  /** Told as soon as a record exists, so that a crash report can name it. */
  readonly onRecord: (record: TaskRecord) => void;
  /** A reading of the task that was made right before. */
  readonly reading?: TaskSnapshot | undefined;
}

interface GenerateOptions extends ContinueOptions {
  readonly output: OutputPlan;
  readonly hasSidecar: boolean;
  /** Its name in a job file. */
  readonly jobName?: string | undefined;
  /** Buys another even where an identical request is open. */
  readonly isNew?: boolean;
  /** The open record that is to be continued, whatever place it was made for. Where it has ended meanwhile, nothing is bought. */
  readonly attachTo?: Pick<TaskRecord, 'localId' | 'identity'> | undefined;
  /** The task of this very request whose clip is gone: it is downloaded again, and nothing is sent. */
  readonly restore?: { readonly taskId: string; readonly earlier?: TaskRecord | undefined } | undefined;
  /** Says whether an open record is continued by somebody else of this process, whatever place it was made for. */
  readonly isTaken?: ((localId: string) => boolean) | undefined;
  /** Said where another is about to be bought. */
  readonly duplicateNote?: string | undefined;
  /** The clip of this very request that lies in its place already is the answer; else an existing file is one like any other. */
  readonly findsSaved?: boolean;
}

/**
 * One clip from request to file: recorded, submitted once, waited for, saved. The same request with the same output
 * continues what is open of it: nothing is sent.
 * @param priced a request that is checked and priced; its local files, which are hashed, stand in the lists of the body by
 * their paths
 * @throws EvolinkError of every kind; the signal's reason when aborted
 */
export async function generate(
  deps: GenerateDependencies,
  priced: {
    readonly request: GenerationRequest;
    readonly fingerprint: string;
    readonly estimate: { readonly credits?: number | undefined };
    readonly media: { readonly local: readonly LocalMedia[] };
  },
  options: GenerateOptions,
): Promise<TaskResult> {
  const { journal, lockWaitMs } = deps;
  const { output, hasSidecar, jobName, attachTo, signal } = options;
  const { fingerprint, request, media } = priced;
  const draft: TaskRecord = {
    ...newRecord(deps, requestIdentity({ fingerprint, output }, deps.service)),
    fingerprint,
    ...(jobName === undefined ? {} : { job: jobName }),
    operation: request.operation,
    body: request.body,
    idempotencyKey: randomUUID(),
    output,
    hasSidecar,
    estimatedCredits: priced.estimate.credits,
  };
  const identity = attachTo?.identity ?? draft.identity;
  const lock = await journal.lock(identity, lockWaitMs, signal).catch(async (error: unknown) => {
    // Names what the other process works on, and the command that goes on should it die.
    const isLocked = isEvolinkError(error) && error.kind === 'locked';
    const record = isLocked ? await journal.findOpen(identity).catch(() => undefined) : undefined;
    throw nothingSent(isLocked && record !== undefined ? error.with(recordFacts(record)) : error);
  });
  try {
    const found = await findEarlier(deps, draft, options, lock.waitedSinceMs);
    if (found !== undefined && 'warnings' in found) return found;
    // The very body that will be sent, URLs of uploads in place of paths: a later resubmission uploads nothing.
    const upload = async () =>
      media.local.length === 0 ? new Map() : deps.upload(media.local, { emit: deps.emit, signal });
    const start = found ?? { ...draft, body: withUrls(request.body, await upload()) };
    return await continueRecord(deps, start, options);
  } finally {
    // The next run replaces one that can't be removed, as its process is gone by then: not worth an error.
    await lock.release().catch(() => undefined);
  }
}

/**
 * The record that is continued, or the clip that is there already; undefined where the request is to be bought.
 * @param waitedSinceMs set where another process was at the same request until now
 */
async function findEarlier(
  deps: GenerateDependencies,
  draft: TaskRecord,
  options: GenerateOptions,
  waitedSinceMs: number | undefined,
): Promise<TaskRecord | TaskResult | undefined> {
  const { journal, service, emit } = deps;
  const { restore, attachTo, isNew = false, findsSaved = false, duplicateNote } = options;
  const { identity, output, hasSidecar } = draft;
  const isHere = (record: TaskRecord) => requestIdentity(record, service) === identity;
  const place = (record: TaskRecord) => placeRecord(deps, record, output, hasSidecar);
  const warn = (code: string, message: string): void => emit({ kind: 'warning', code, message });

  function attached(record: TaskRecord): TaskRecord {
    const { localId, taskId, state } = record;
    emit({ kind: 'attached', localId, taskId, state });
    return record;
  }

  /** Continues one record in this place, whatever place it was made for, unless it has ended meanwhile. */
  async function attach(localId: string): Promise<TaskRecord | TaskResult> {
    const record = await journal.find(localId);
    if (record?.state === 'saved' && isHere(record)) return savedResult(record);
    if (record !== undefined && isOpen(record) && record.state !== 'intent')
      return attached(await place(record));
    throw new EvolinkError('locked', 'another process has ended this request meanwhile; nothing was sent', {
      hint: 'run the command again',
      charged: 'no',
    });
  }

  /** The open record of the request, in this place. */
  async function findOpen(): Promise<TaskRecord | undefined> {
    try {
      const open = await journal.findOpen(identity, (file) => warn('state-folder', leftAlone(file)));
      return open === undefined || options.isTaken?.(open.localId) ? undefined : await place(open);
    } catch (error) {
      throw nothingSent(error);
    }
  }

  /** The newest saved record of the request by the place of its clip that fits; reads through all records. */
  function newestSaved(fits: (record: TaskRecord) => boolean): TaskRecord | undefined {
    let newest: TaskRecord | undefined;
    for (const record of journal.readAll())
      if (record.state === 'saved' && fits(record) && isHere(record)) newest = record;
    return newest;
  }

  /**
   * The clip of an earlier run of the very same command, if it still lies where this one is to go: the answer to both, and
   * nothing to pay for. With `--overwrite` only where that run ended before it could say that it was done (its note is still
   * there), as otherwise another clip is asked for.
   */
  async function findSaved(): Promise<TaskResult | undefined> {
    const target = output.kind === 'file' ? knownPath(output, fieldsOf(draft)) : undefined;
    // Without a file there is nothing to look through the records for; a disk that fails says so later.
    if (output.kind !== 'file' || target === undefined || !(await exists(target).catch(() => false)))
      return undefined;
    const clipOf = ({ saved }: TaskRecord) => saved?.find(({ path }) => path === target);
    const record = newestSaved((each) => clipOf(each) !== undefined);
    const clip = record && clipOf(record);
    if (record === undefined || clip === undefined || !(await hasContent(target, clip).catch(() => false)))
      return undefined;
    // What a process that died right after it had saved has left beside the clip goes.
    const { taskId = '', links: [link = ''] = [] } = record;
    const left = await finishCommit({ taskId, link, target, onExisting: 'refuse' }).catch(() => undefined);
    if (output.onExisting === 'overwrite' && left === undefined) return undefined;
    const message = `"${target}" was already made by this exact request (task ${taskId}); nothing sent (to replace it: --overwrite)`;
    return { ...savedResult(record), path: target, warnings: [message] };
  }

  /** Everything that can be known of the output before paying; a result where the file exists and is to be kept. */
  async function checkOutput(): Promise<TaskResult | undefined> {
    if (output.kind !== 'file') return undefined;
    const { path, isKept, warnings } = await checkTarget(output, fieldsOf(draft)).catch((error: unknown) => {
      throw nothingSent(error);
    });
    for (const message of warnings) warn('output', message);
    if (isKept) return { ...resultOf(draft, 'skipped', [{ path }]), local_id: null, warnings: [...warnings] };
    if (hasSidecar && path !== undefined && output.onExisting !== 'overwrite') await checkSidecarPlace(path);
    return undefined;
  }

  const saved = findsSaved && !isNew ? findSaved : async () => undefined;
  if (attachTo !== undefined) return (await saved()) ?? attach(attachTo.localId);
  if (restore !== undefined) {
    await checkOutput();
    return adoptTask(deps, restore.taskId, draft, restore.earlier ?? draft);
  }
  if (waitedSinceMs !== undefined && !isNew) {
    // Two at once pay once: what the other one has just saved is the answer to both.
    const finished = newestSaved((record) => record.updatedAtMs >= waitedSinceMs);
    // What went down the other's standard output is fetched once more for ours.
    if (finished !== undefined)
      return output.kind === 'file' || finished.taskId === undefined
        ? savedResult(finished)
        : adoptTask(deps, finished.taskId, draft, finished);
  }
  const open = isNew ? undefined : await findOpen();
  if (open !== undefined && open.state !== 'intent') return attached(open);
  const kept = (await saved()) ?? (await checkOutput());
  if (kept !== undefined) return kept;
  // What was left before its submission cost nothing, and its uploads may have ended: another record takes its place.
  if (open !== undefined) await closeUnsent(deps, open);
  if (duplicateNote !== undefined) warn('duplicate', duplicateNote);
  return undefined;
}

const MEDIA_LISTS = ['image_urls', 'video_urls', 'audio_urls'] as const;

/** All media of a body: images, videos, sounds. */
export function mediaUrls(body: WireBody | undefined): readonly string[] {
  return MEDIA_LISTS.flatMap((key) => body?.[key] ?? []);
}

/** @throws EvolinkError `internal` where a path is left: it means nothing to the service, and would be paid for all the same */
function withUrls(body: WireBody, urls: ReadonlyMap<string, string>): WireBody {
  const lists = MEDIA_LISTS.filter((key) => body[key] !== undefined).map((key) => [
    key,
    body[key]?.map((entry) => urls.get(entry) ?? entry),
  ]);
  const sent: WireBody = { ...body, ...Object.fromEntries(lists) };
  const path = mediaUrls(sent).find((entry) => !/^https?:\/\//i.test(entry));
  if (path === undefined) return sent;
  throw new EvolinkError('internal', `"${path}" was not uploaded; nothing was sent`, { charged: 'no' });
}

/**
 * The life of a task, entered in whatever state its record is in: submitted, or settled where the answer was lost; waited
 * for; saved. A record in `sent` belongs to a process that died during the call (the caller holds the lock), so its outcome
 * is as unknown as that of `unknown`.
 * @throws EvolinkError of every kind; the signal's reason when aborted
 */
export async function continueRecord(
  deps: GenerateDependencies,
  start: TaskRecord,
  { isWaiting, waitTimeoutMs, signal, reading, ...options }: ContinueOptions,
): Promise<TaskResult> {
  let record = start;
  const onRecord = (next: TaskRecord): void => {
    record = next;
    options.onRecord(next);
  };
  try {
    // A new request, too, though it gets onto the disk only when it is sent: a run looks at its budget in between.
    onRecord(start);
    if (start.state === 'intent') onRecord(await submitTask(deps, start, signal, onRecord));
    if (isUncertain(start)) {
      // Looked for while no other request of this run is under way, so that its task is not mistaken for this one's.
      const endTurn = await deps.takeSubmitTurn?.(signal);
      onRecord(await settleOrFail(deps, start, signal).finally(endTurn));
    }
    if (!isWaiting) return { ...resultOf(record, 'pending'), next: downloadCommand(record) };
    // Links of an API at another address (a sandbox that was restarted) lead nowhere: this one is asked for its own.
    const isElsewhere = record.state === 'completed' && record.apiBaseUrl !== deps.api.baseUrl;
    if (record.state === 'accepted' || isElsewhere)
      record = await waitForTask(deps, record, waitTimeoutMs, signal, reading);
    if (record.state !== 'completed')
      throw new EvolinkError('internal', `can't continue a record that is ${record.state}`);
    return await saveTask(deps, record, signal);
  } catch (error) {
    // Nothing was sent before, and most often nothing is on the disk.
    throw record.state === 'intent' ? error : named(error, record);
  }
}

/** Gives a record the place that the present command names for its clip, and a sidecar if it wants one. The caller holds the lock. */
export async function placeRecord(
  { journal }: Pick<GenerateDependencies, 'journal'>,
  record: TaskRecord,
  output: OutputPlan,
  wantsSidecar = false,
): Promise<TaskRecord> {
  const hasSidecar = record.hasSidecar || wantsSidecar;
  const isPlaced = isDeepStrictEqual(record.output, output) && record.hasSidecar === hasSidecar;
  return isPlaced ? record : journal.update(record.localId, { output, hasSidecar });
}

/** Nothing has left, so nothing was bought. The caller holds the lock. */
export function closeUnsent({ journal }: GenerateDependencies, { localId }: TaskRecord): Promise<TaskRecord> {
  const message = 'never sent: the command was stopped before the submission';
  return journal.update(localId, { state: 'rejected', error: { kind: 'usage', message } });
}
