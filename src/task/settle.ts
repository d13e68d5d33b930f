import { join } from 'node:path';
import type { ListedTask, TaskSnapshot } from '../api/answers.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import { replaceDurably } from '../platform/durable-file.ts';
import type { GenerateDependencies } from './events.ts';
import { downloadCommand, isUnknownTask, recordFacts, unknownOutcome } from './failures.ts';
import {
  chargedIn,
  formatRecord,
  isOpen,
  isUncertain,
  newLocalId,
  RECORD_VERSION,
  requestIdentity,
  sha256,
  type TaskRecord,
} from './record.ts';
import { readPatiently } from './wait.ts';

const PAGE_SIZE = 50;
/** Newest first, so a few pages reach back far enough; a busier account stays `unknown`, which is safe. */
const MAX_PAGES = 10;
/** The service's seconds are whole, and its clock is read from a header of one second's precision. */
const CLOCK_SLACK_MS = 5_000;
const DAY_MS = 24 * 3_600_000;

type LookDependencies = Pick<GenerateDependencies, 'api' | 'journal' | 'clock' | 'submitWindowMs'>;

/** What all records begin with. */
export function newRecord({ api, clock, keyHash }: GenerateDependencies, identity: string) {
  const nowMs = clock.now();
  return {
    schemaVersion: RECORD_VERSION,
    localId: newLocalId(nowMs, clock.random),
    state: 'intent',
    identity,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    apiBaseUrl: api.baseUrl,
    keyHash,
    timeline: [],
  } as const;
}

/**
 * Makes a record for a task that is known by its id alone (made on another machine, or saved before): it is `accepted`,
 * whatever the service says of it next.
 * @param earlier a closed record of the same task, whose request and credits are still known
 * @throws EvolinkError `local-io`
 */
export async function adoptTask(
  deps: GenerateDependencies,
  taskId: string,
  { output, hasSidecar }: Pick<TaskRecord, 'output' | 'hasSidecar'>,
  earlier?: TaskRecord,
): Promise<TaskRecord> {
  const { operation, body, estimatedCredits, reservedCredits, fingerprint = '' } = earlier ?? {};
  const known = { operation, body, estimatedCredits, reservedCredits, fingerprint, taskId };
  const record = newRecord(deps, requestIdentity({ fingerprint: taskId, output }, deps.service));
  const adopted: TaskRecord = { ...record, ...known, state: 'accepted', output, hasSidecar };
  await deps.journal.create(adopted);
  return adopted;
}

/** The time in which the task of a request can have been made, on our clock: first sending to the end of the last one. */
function sendingSpan({ sentAtMs, createdAtMs, resentAtMs }: TaskRecord, submitWindowMs: number) {
  const firstMs = sentAtMs ?? createdAtMs;
  return {
    fromMs: firstMs - CLOCK_SLACK_MS,
    toMs: (resentAtMs ?? firstMs) + submitWindowMs + CLOCK_SLACK_MS,
  };
}

/** The account's tasks, newest first, down to a time; all on our clock. Undefined where the service has no list. */
async function listTasksSince(
  { api, clock }: Pick<GenerateDependencies, 'api' | 'clock'>,
  sinceMs: number,
  signal: AbortSignal | undefined,
  model?: string,
): Promise<readonly ListedTask[] | undefined> {
  const tasks: ListedTask[] = [];
  for (let page = 1; page <= MAX_PAGES; page += 1) {
    const listed = await api.listTasks({ ...(model && { model }), page, pageSize: PAGE_SIZE }, signal);
    if (listed === undefined) return undefined;
    const aheadMs = (listed.serverNowMs ?? clock.now()) - clock.now();
    const found = listed.tasks.map((task) => ({
      ...task,
      createdAtMs: task.createdAtMs && task.createdAtMs - aheadMs,
    }));
    tasks.push(...found);
    const isEnd = found.some(({ createdAtMs = sinceMs }) => createdAtMs < sinceMs);
    if (isEnd || found.length < PAGE_SIZE) break;
  }
  return tasks;
}

/**
 * Looks in the account's task list for the task that a lost answer may have made: same model, made in the window of
 * the call, claimed by no record, while no other request of that time and model is uncertain. Exactly one counts as ours;
 * anything else settles nothing. Free of charge.
 * @returns the task; or what the look-up saw, as a phrase for people
 * @throws EvolinkError `auth`, `network` from the look-up itself; the signal's reason
 */
export async function settleUnknown(
  deps: LookDependencies,
  record: TaskRecord,
  signal?: AbortSignal,
): Promise<ListedTask | string> {
  const { journal, submitWindowMs } = deps;
  const model = record.body?.model;
  if (model === undefined) return 'the record does not say which model was asked for';
  const own = sendingSpan(record, submitWindowMs);
  const listed = await listTasksSince(deps, own.fromMs, signal, model);
  if (listed === undefined) return 'the service offers no task list to look through';
  // After the list, as whoever began to send meanwhile may have made what is in it: a record stands before its POST, and a
  // task is claimed only once its answer is read.
  const rivals = (await journal.readOpen()).records.filter((other) => {
    const { fromMs, toMs } = sendingSpan(other, submitWindowMs);
    const isOfThatTime = fromMs <= own.toMs && own.fromMs <= toMs;
    const isOther = other.localId !== record.localId && isUncertain(other);
    return isOther && other.body?.model === model && isOfThatTime;
  });
  if (rivals.length > 0)
    return `other requests of that time are uncertain as well (${rivals.map((each) => each.localId).join(', ')}), so its task can't be identified`;
  const isRecorded = await journal.readKnown();
  // Tasks that come while the pages are read push others to the next page, where they are named again.
  const free = new Map<string, ListedTask>();
  for (const task of listed) {
    const { id, createdAtMs = 0 } = task;
    const isOfThatTime = createdAtMs >= own.fromMs && createdAtMs <= own.toMs;
    if (isOfThatTime && (task.model ?? model) === model && !isRecorded(id)) free.set(id, task);
  }
  const [only, ...others] = free.values();
  if (only === undefined) return `the task list shows no unclaimed ${model} task of that time`;
  if (others.length === 0) return only;
  return `the task list shows several that could be it: ${[...free.keys()].join(', ')}`;
}

/**
 * Tasks of the account of the last day that may have a clip and of which nothing is recorded here: other machines made
 * them, or this one has lost its state. Free of charge; none where the service has no list.
 */
export async function findUnrecorded(
  deps: Pick<GenerateDependencies, 'api' | 'journal' | 'clock'>,
  models: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<readonly ListedTask[]> {
  const sinceMs = deps.clock.now() - DAY_MS;
  const listed = (await listTasksSince(deps, sinceMs, signal)) ?? [];
  const isRecorded = await deps.journal.readKnown();
  return listed.filter(({ id, model, state, createdAtMs = 0 }) => {
    const mayHaveClip = state === 'running' || state === 'completed';
    const isOfModels = model === undefined || models.has(model);
    return createdAtMs >= sinceMs && mayHaveClip && isOfModels && !isRecorded(id);
  });
}

/**
 * Settles a record whose submission is uncertain, or says that it can't be.
 * @throws EvolinkError `unknown`; the signal's reason
 */
export async function settleOrFail(
  deps: GenerateDependencies,
  record: TaskRecord,
  signal: AbortSignal,
): Promise<TaskRecord> {
  signal.throwIfAborted();
  const settled = await settleUnknown(deps, record, signal).catch((error: unknown) => {
    if (!isEvolinkError(error)) throw error;
    return `the task list could not be read: ${error.message}`;
  });
  if (typeof settled === 'string') throw unknownOutcome(record, settled);
  const { id } = settled;
  const message = `the answer to the submission was lost; task ${id} is the only match, so it is taken to be this request's`;
  deps.emit({ kind: 'warning', code: 'settled', message });
  return acceptTask(deps, record, { id, status: 'pending' }, record.sentAtMs ?? deps.clock.now());
}

type Accepted = Pick<TaskSnapshot, 'id' | 'status' | 'reservedCredits' | 'estimatedSeconds' | 'requestId'>;

/**
 * Notes that the request of a record is this task. The id is on the disk before anything follows from it; if the disk
 * fails now, the person is the last copy: the record goes into the working folder, and its id into the message.
 * @throws EvolinkError `local-io`, with the task id
 */
export async function acceptTask(
  { journal, emit, workingFolder }: GenerateDependencies,
  record: TaskRecord,
  { id: taskId, status, reservedCredits, estimatedSeconds, requestId }: Accepted,
  atMs: number,
): Promise<TaskRecord> {
  const timeline = [{ atMs, status }];
  const known = { taskId, acceptedAtMs: atMs, reservedCredits, estimatedSeconds, requestId, timeline };
  const change = { ...known, state: 'accepted' } as const;
  const accepted = await journal.update(record.localId, change).catch(async (error: unknown) => {
    const last = { ...record, ...change };
    const path = join(workingFolder, `evolink-task-${taskId}.json`);
    const detail = await replaceDurably(path, formatRecord(last)).then(
      () => `emergency record: ${path}`,
      () => 'no emergency record could be written: keep the task id',
    );
    const reason = isEvolinkError(error) ? error.message : 'the state folder failed';
    const message = `the service accepted task ${taskId}, but its record could not be saved: ${reason}`;
    const resume = downloadCommand(last);
    throw new EvolinkError('local-io', message, {
      ...recordFacts(last),
      details: [detail],
      charged: 'yes',
      resume,
    });
  });
  const { localId, estimatedCredits } = accepted;
  emit({ kind: 'accepted', localId, taskId, reservedCredits, estimatedCredits, estimatedSeconds });
  return accepted;
}

/**
 * Takes a task that a person has found as that of an uncertain request. Sends nothing that costs.
 * @returns the record in state `accepted`
 * @throws EvolinkError `usage` where the task can't be the request's: it is another record's, of another model, or not known
 * to the service; `locked`; what reading the task throws
 */
export async function claimTask(
  deps: GenerateDependencies,
  record: TaskRecord,
  taskId: string,
  signal: AbortSignal,
): Promise<TaskRecord> {
  const { journal, clock, lockWaitMs } = deps;
  const { localId, sentAtMs = clock.now(), body } = record;
  const refused = (reason: string): EvolinkError =>
    new EvolinkError('usage', `task ${taskId} is not that of request ${localId}: ${reason}`, {
      hint: `look again, it costs nothing: evolink resume ${localId}`,
      charged: 'unknown',
    });
  // Two requests must not be given one task at the same time.
  const lock = await journal.lock(sha256(`task ${taskId}`), lockWaitMs, signal);
  try {
    // One that was only saved by its id may be that of any request.
    const owner = (await journal.findOfTask(taskId)).find(
      (other) => other.localId !== localId && other.sentAtMs !== undefined,
    );
    if (owner !== undefined) throw refused(`it is that of request ${owner.localId}`);
    const task = await deps.api.getTask(taskId, signal).catch((error: unknown) => {
      throw isUnknownTask(error) ? refused(error.message) : error;
    });
    if ((task.model ?? body?.model) !== (body?.model ?? task.model))
      throw refused(`it was made by ${task.model}, and ${body?.model} was asked for`);
    return await acceptTask(deps, record, task, sentAtMs);
  } finally {
    await lock.release().catch(() => undefined);
  }
}

/**
 * Looks once more for what a record that is to be dismissed may stand for: its task, or one of the task list. Costs nothing.
 * @returns what was found, for people
 * @throws EvolinkError `usage` where there is something to save, or nothing to dismiss; what the look itself throws
 */
export async function lookOnceMore(
  deps: GenerateDependencies,
  record: TaskRecord,
  signal: AbortSignal,
): Promise<string> {
  const { state, taskId, localId } = record;
  if (!isOpen(record)) throw refuse(record, `${localId} is ${state}: there is nothing to dismiss`);
  if (state === 'intent') throw refuse(record, `${localId} was never submitted; resume closes it`);
  if (taskId === undefined) {
    const settled = await settleUnknown(deps, record, signal);
    if (typeof settled === 'string') return settled;
    throw refuse(record, `its task was found: ${settled.id}`);
  }
  try {
    const { status } = await readPatiently(deps, taskId, signal);
    throw refuse(record, `task ${taskId} exists, its status is ${status}`);
  } catch (error) {
    if (!isUnknownTask(error)) throw error;
    return `the service does not know task ${taskId}`;
  }
}

function refuse(record: TaskRecord, message: string): EvolinkError {
  return new EvolinkError('usage', message, { ...recordFacts(record), charged: chargedIn(record) });
}

/**
 * Notes that a person has judged a record: the same request is new from now on. The caller has looked once more.
 * @throws EvolinkError `locked` while a process works on it; `usage` where it went on meanwhile
 */
export async function dismiss(
  { journal, lockWaitMs }: Pick<GenerateDependencies, 'journal' | 'lockWaitMs'>,
  seen: TaskRecord,
  signal: AbortSignal,
): Promise<void> {
  const lock = await journal.lock(seen.identity, lockWaitMs, signal);
  try {
    const record = await journal.find(seen.localId);
    if (record === undefined || record.state !== seen.state || record.taskId !== seen.taskId)
      throw refuse(seen, `${seen.localId} has changed meanwhile; nothing was dismissed`);
    await journal.update(record.localId, { state: 'dismissed' });
  } finally {
    await lock.release().catch(() => undefined);
  }
}
