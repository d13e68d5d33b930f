import { join } from 'node:path';
import type { ListedTask, TaskSnapshot } from '../api/answers.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import { replaceDurably } from '../platform/durable-file.ts';
import type { GenerateDependencies } from './events.ts';
import { downloadCommand, isUnknownTask, recordFacts, resumeCommand, unknownOutcome } from './failures.ts';
import { formatRecord, isOpen, isUncertain, sha256, type TaskRecord } from './record.ts';
import { readPatiently } from './wait.ts';

const PAGE_SIZE = 50;
/** Newest first, so a few pages reach back far enough; a busier account stays `unknown`, which is safe. */
const MAX_PAGES = 10;
/** The service's seconds are whole, and its clock is read from a header of one second's precision. */
const CLOCK_SLACK_MS = 5_000;

export type Settlement =
  | { readonly kind: 'found'; readonly taskId: string }
  /** `finding` says for people what the look-up saw. */
  | { readonly kind: 'unsettled'; readonly finding: string };

type LookDependencies = Pick<GenerateDependencies, 'api' | 'journal' | 'clock' | 'submitWindowMs'>;

/**
 * The time in which the task of a request can have been made: from its first sending to the end of the last one, on our
 * clock, or moved to the service's.
 */
function sendingSpan({ sentAtMs, createdAtMs, resentAtMs }: TaskRecord, submitWindowMs: number, aheadMs = 0) {
  const firstMs = sentAtMs ?? createdAtMs;
  return {
    fromMs: firstMs - CLOCK_SLACK_MS + aheadMs,
    toMs: (resentAtMs ?? firstMs) + submitWindowMs + CLOCK_SLACK_MS + aheadMs,
  };
}

/** The account's tasks, newest first, down to a time; undefined where the service has no list. */
async function listTasksSince(
  { api }: Pick<GenerateDependencies, 'api'>,
  { sinceMs, model, signal }: ListQuery,
): Promise<{ readonly tasks: readonly ListedTask[]; readonly serverNowMs?: number | undefined } | undefined> {
  const tasks: ListedTask[] = [];
  let serverNowMs: number | undefined;
  for (let page = 1; page <= MAX_PAGES; page += 1) {
    const listed = await api.listTasks({ ...(model && { model }), page, pageSize: PAGE_SIZE }, signal);
    if (listed === undefined) return undefined;
    ({ serverNowMs } = listed);
    tasks.push(...listed.tasks);
    const oldestMs = Math.min(...listed.tasks.flatMap(({ createdAtMs }) => createdAtMs ?? []));
    if (listed.tasks.length < PAGE_SIZE || oldestMs < sinceMs(serverNowMs)) break;
  }
  return { tasks, serverNowMs };
}

interface ListQuery {
  /** On the service's clock, by what that says now. */
  readonly sinceMs: (serverNowMs: number | undefined) => number;
  readonly model?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Other uncertain requests of the time and model of one, as a phrase: a task that is found could be theirs as well. One that
 * another process is just sending counts too.
 */
async function findRivals(
  { journal, submitWindowMs }: LookDependencies,
  record: TaskRecord,
): Promise<string | undefined> {
  const own = sendingSpan(record, submitWindowMs);
  const rivals = (await journal.readOpen()).records.filter((other) => {
    const { fromMs, toMs } = sendingSpan(other, submitWindowMs);
    const isOfThatTime = fromMs <= own.toMs && own.fromMs <= toMs;
    const isOther = other.localId !== record.localId && isUncertain(other);
    return isOther && other.body?.model === record.body?.model && isOfThatTime;
  });
  if (rivals.length === 0) return undefined;
  const ids = rivals.map(({ localId }) => localId).join(', ');
  return `other requests of that time are uncertain as well (${ids}), so its task can't be identified`;
}

/**
 * Looks in the account's task list for the task that a lost answer may have made: same model, made in the window of
 * the call, claimed by no record, while no other request of that time and model is uncertain. Exactly one counts as ours;
 * anything else settles nothing. Free of charge.
 * @throws EvolinkError `auth`, `network` from the look-up itself; the signal's reason
 */
export async function settleUnknown(
  deps: LookDependencies,
  record: TaskRecord,
  signal?: AbortSignal,
): Promise<Settlement> {
  const { journal, clock, submitWindowMs } = deps;
  const unsettled = (finding: string): Settlement => ({ kind: 'unsettled', finding });
  const model = record.body?.model;
  if (model === undefined) return unsettled('the record does not say which model was asked for');
  const rivals = await findRivals(deps, record);
  if (rivals !== undefined) return unsettled(rivals);
  const windowAt = (serverNowMs = clock.now()) =>
    sendingSpan(record, submitWindowMs, serverNowMs - clock.now());
  const listed = await listTasksSince(deps, { sinceMs: (nowMs) => windowAt(nowMs).fromMs, model, signal });
  if (listed === undefined) return unsettled('the service offers no task list to look through');
  // Whoever began to send meanwhile may have made what is listed now, and a task is claimed only once its answer is read.
  const laterRivals = await findRivals(deps, record);
  if (laterRivals !== undefined) return unsettled(laterRivals);
  const window = windowAt(listed.serverNowMs);
  const free = new Set<string>();
  // Tasks that come while the pages are read push others to the next page, where they are named again.
  for (const task of listed.tasks) {
    if (!isWithin(task.createdAtMs, window) || (task.model ?? model) !== model) continue;
    if ((await journal.findOfTask(task.id)).length === 0) free.add(task.id);
  }
  const [taskId, ...others] = free;
  if (taskId === undefined) return unsettled(`the task list shows no unclaimed ${model} task of that time`);
  if (others.length > 0)
    return unsettled(`the task list shows several that could be it: ${[...free].join(', ')}`);
  return { kind: 'found', taskId };
}

const DAY_MS = 24 * 3_600_000;

/**
 * Tasks of the account of the last day that may have a clip and of which nothing is recorded here: other machines made
 * them, or this one has lost its state. Free of charge; none where the service has no list.
 */
export async function findUnrecorded(
  deps: Pick<GenerateDependencies, 'api' | 'journal' | 'clock'>,
  models: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<readonly ListedTask[]> {
  const sinceMs = (serverNowMs = deps.clock.now()) => serverNowMs - DAY_MS;
  const listed = await listTasksSince(deps, { sinceMs, signal });
  const unrecorded: ListedTask[] = [];
  for (const task of listed?.tasks ?? []) {
    const isRecent = (task.createdAtMs ?? 0) >= sinceMs(listed?.serverNowMs);
    const isAlive = task.state === 'running' || task.state === 'completed';
    const isOfModels = task.model === undefined || models.has(task.model);
    if (isRecent && isAlive && isOfModels && !(await deps.journal.knowsTask(task.id))) unrecorded.push(task);
  }
  return unrecorded;
}

function isWithin(atMs: number | undefined, { fromMs, toMs }: ReturnType<typeof sendingSpan>): boolean {
  return atMs !== undefined && atMs >= fromMs && atMs <= toMs;
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
  const settlement = await settleUnknown(deps, record, signal).catch((error: unknown) => {
    if (!isEvolinkError(error)) throw error;
    return { kind: 'unsettled', finding: `the task list could not be read: ${error.message}` } as const;
  });
  if (settlement.kind === 'unsettled') throw unknownOutcome(record, settlement.finding);
  const { taskId } = settlement;
  deps.emit({
    kind: 'warning',
    code: 'settled',
    message: `the answer to the submission was lost; task ${taskId} is the only match, so it is taken to be this request's`,
  });
  const task = { id: taskId, status: 'pending' };
  return acceptTask(deps, record, { task, atMs: record.sentAtMs ?? deps.clock.now() });
}

interface Acceptance {
  readonly task: Pick<TaskSnapshot, 'id' | 'status' | 'reservedCredits' | 'estimatedSeconds' | 'requestId'>;
  readonly atMs: number;
  readonly requestId?: string | undefined;
}

/**
 * Notes that the request of a record is this task. The id is on the disk before anything follows from it; if the disk
 * fails now, the person is the last copy.
 * @throws EvolinkError `local-io`, with the task id
 */
export async function acceptTask(
  { journal, emit, workingFolder }: GenerateDependencies,
  record: TaskRecord,
  { task, atMs, requestId }: Acceptance,
): Promise<TaskRecord> {
  const { id: taskId, reservedCredits, estimatedSeconds } = task;
  const change = {
    state: 'accepted',
    taskId,
    acceptedAtMs: atMs,
    reservedCredits,
    estimatedSeconds,
    requestId: requestId ?? task.requestId,
    timeline: [{ atMs, status: task.status }],
  } as const;
  const accepted = await journal.update(record.localId, change).catch(async (error: unknown) => {
    throw await rescue({ ...record, ...change }, workingFolder, error);
  });
  const { localId, estimatedCredits } = accepted;
  emit({ kind: 'accepted', localId, taskId, reservedCredits, estimatedCredits, estimatedSeconds });
  return accepted;
}

/** The service has accepted a task and the state folder fails: its record goes into the working directory. */
async function rescue(
  record: TaskRecord & { readonly taskId: string },
  workingFolder: string,
  error: unknown,
): Promise<EvolinkError> {
  const { taskId } = record;
  const name = `evolink-task-${taskId.replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, 64)}.json`;
  const path = join(workingFolder, name);
  const detail = await replaceDurably(path, formatRecord(record)).then(
    () => `emergency record: ${path}`,
    () => 'no emergency record could be written: keep the task id',
  );
  const reason = isEvolinkError(error) ? error.message : 'the state folder failed';
  return new EvolinkError(
    'local-io',
    `the service accepted task ${taskId}, but its record could not be saved: ${reason}`,
    {
      details: [detail],
      hint: `after making room: evolink download ${taskId}`,
      charged: 'yes',
      ...recordFacts(record),
      resume: ['evolink', 'download', taskId],
    },
  );
}

/**
 * Takes a task that a person has found as that of an uncertain request. Sends nothing that costs.
 * @returns the record in state `accepted`
 * @throws EvolinkError `usage` where the task can't be the request's: it is another record's, or of another model; `locked`;
 * what reading the task throws
 */
export async function claimTask(
  deps: GenerateDependencies,
  record: TaskRecord,
  { taskId, signal }: { readonly taskId: string; readonly signal: AbortSignal },
): Promise<TaskRecord> {
  const { journal, clock, emit, submitWindowMs } = deps;
  const { localId, sentAtMs } = record;
  const insist = (error: unknown, facts: object): unknown =>
    isEvolinkError(error) ? error.insisting({ ...facts, charged: 'unknown' }) : error;
  const refuse = (reason: string): EvolinkError =>
    new EvolinkError('usage', `task ${taskId} is not that of request ${localId}: ${reason}`, {
      hint: `look again, it costs nothing: evolink resume ${localId}`,
      charged: 'unknown',
      ...recordFacts(record),
    });
  // Two requests must not be given one task at the same time.
  const lock = await journal
    .lock(sha256(`task ${taskId}`), deps.lockWaitMs, signal)
    .catch((error: unknown) => {
      throw insist(error, recordFacts(record));
    });
  try {
    // One that was only saved by its id may be that of any request.
    const owner = (await journal.findOfTask(taskId)).find(
      (other) => other.localId !== localId && other.sentAtMs !== undefined,
    );
    if (owner !== undefined) throw refuse(`it is that of request ${owner.localId}`);
    const task = await deps.api.getTask(taskId, signal).catch((error: unknown) => {
      throw isEvolinkError(error) && isUnknownTask(error) ? refuse(error.message) : insist(error, {});
    });
    const model = record.body?.model;
    if (task.model !== undefined && model !== undefined && task.model !== model)
      throw refuse(`it was made by ${task.model}, and ${model} was asked for`);
    // Clocks are set right now and then, so a time that does not fit is no proof.
    const { createdAtMs, serverNowMs = clock.now() } = task;
    const window = sendingSpan(record, submitWindowMs, serverNowMs - clock.now());
    if (createdAtMs !== undefined && !isWithin(createdAtMs, window)) {
      const [made, sent] = [createdAtMs, sentAtMs ?? record.createdAtMs].map((atMs) =>
        new Date(atMs).toISOString(),
      );
      const message = `task ${taskId} was made at ${made}, and the request was sent at ${sent}: is it the right one?`;
      emit({ kind: 'warning', code: 'claim', message });
    }
    return await acceptTask(deps, record, { task, atMs: sentAtMs ?? clock.now() });
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
  if (!isOpen(record))
    throw refuse(record, `${localId} is ${state}: there is nothing to dismiss`, downloadCommand(record));
  if (state === 'intent') throw refuse(record, `${localId} was never submitted; resume closes it`);
  if (taskId === undefined) {
    const settlement = await settleUnknown(deps, record, signal);
    if (settlement.kind === 'unsettled') return settlement.finding;
    throw refuse(record, `its task was found: ${settlement.taskId}`);
  }
  try {
    const { status } = await readPatiently(deps, taskId, signal);
    throw refuse(record, `task ${taskId} exists, its status is ${status}`);
  } catch (error) {
    if (!isUnknownTask(error)) throw error;
    return `the service does not know task ${taskId}`;
  }
}

function refuse(record: TaskRecord, message: string, command = resumeCommand(record)): EvolinkError {
  const isPaid = record.state === 'saved' || record.taskId !== undefined;
  return new EvolinkError('usage', message, {
    ...recordFacts(record),
    hint: command.join(' '),
    charged: isPaid ? 'yes' : 'unknown',
    resume: command,
  });
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
