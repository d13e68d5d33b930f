import { join } from 'node:path';
import type { ListedTask, TaskSnapshot } from '../api/answers.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import { replaceDurably } from '../platform/durable-file.ts';
import type { GenerateDependencies } from './events.ts';
import { downloadCommand, isUnknownTask, recordFacts, resumeCommand, unknownOutcome } from './failures.ts';
import { formatRecord, type TaskRecord } from './record.ts';
import { sha256 } from './record-store.ts';
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

interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

/** From the first sending to the last moment at which the last one can have made a task, on our clock. */
function sendingSpan(record: TaskRecord, submitWindowMs: number): Window {
  const firstMs = record.sentAtMs ?? record.createdAtMs;
  const lastMs = record.resentAtMs ?? firstMs;
  return { fromMs: firstMs - CLOCK_SLACK_MS, toMs: lastMs + submitWindowMs + CLOCK_SLACK_MS };
}

/** The same on the service's clock, as far as that is known. */
function serverWindow(
  { clock, submitWindowMs }: Pick<LookDependencies, 'clock' | 'submitWindowMs'>,
  record: TaskRecord,
  serverNowMs: number | undefined,
): Window {
  const nowMs = clock.now();
  const aheadMs = (serverNowMs ?? nowMs) - nowMs;
  const { fromMs, toMs } = sendingSpan(record, submitWindowMs);
  return { fromMs: fromMs + aheadMs, toMs: toMs + aheadMs };
}

function isWithin(createdAtMs: number | undefined, { fromMs, toMs }: Window): boolean {
  return createdAtMs !== undefined && createdAtMs >= fromMs && createdAtMs <= toMs;
}

/** The tasks that were made in the time of a request, of its model; undefined where the service has no list. */
async function listWindow(
  deps: LookDependencies,
  record: TaskRecord,
  { model, signal }: { readonly model: string; readonly signal: AbortSignal | undefined },
): Promise<readonly ListedTask[] | undefined> {
  const matches: ListedTask[] = [];
  for (let page = 1; page <= MAX_PAGES; page += 1) {
    const listed = await deps.api.listTasks({ model, page, pageSize: PAGE_SIZE }, signal);
    if (listed === undefined) return undefined;
    const window = serverWindow(deps, record, listed.serverNowMs);
    matches.push(
      ...listed.tasks.filter((task) => isWithin(task.createdAtMs, window) && (task.model ?? model) === model),
    );
    const times = listed.tasks.flatMap(({ createdAtMs }) => createdAtMs ?? []);
    if (listed.tasks.length < PAGE_SIZE || Math.min(...times) < window.fromMs) break;
  }
  return matches;
}

/**
 * Other requests for the same model whose outcome nobody knows yet, from the same time: a task that is found could be
 * theirs as well as ours. One that another process is just sending counts too.
 */
async function uncertainRivals(
  { journal, submitWindowMs }: LookDependencies,
  record: TaskRecord,
): Promise<readonly TaskRecord[]> {
  const own = sendingSpan(record, submitWindowMs);
  const { records } = await journal.readOpen();
  return records.filter((other) => {
    const { fromMs, toMs } = sendingSpan(other, submitWindowMs);
    const isUncertain = other.state === 'sent' || other.state === 'unknown';
    const isSameModel = other.body?.model === record.body?.model;
    return (
      other.localId !== record.localId &&
      isUncertain &&
      isSameModel &&
      fromMs <= own.toMs &&
      own.fromMs <= toMs
    );
  });
}

/**
 * Looks in the account's task list for the task that a lost answer may have made: same model, made in the window of
 * the call, claimed by no record. Exactly one counts as ours; anything else settles nothing. Free of charge.
 * @throws EvolinkError `auth`, `network` from the look-up itself; the signal's reason
 */
export async function settleUnknown(
  deps: LookDependencies,
  record: TaskRecord,
  signal?: AbortSignal,
): Promise<Settlement> {
  const unsettled = (finding: string): Settlement => ({ kind: 'unsettled', finding });
  const model = record.body?.model;
  if (model === undefined) return unsettled('the record does not say which model was asked for');
  const rivals = await uncertainRivals(deps, record);
  if (rivals.length > 0) {
    const ids = rivals.map(({ localId }) => localId).join(', ');
    return unsettled(
      `other requests of that time are uncertain as well (${ids}), so its task can't be identified`,
    );
  }
  const listed = await listWindow(deps, record, { model, signal });
  if (listed === undefined) return unsettled('the service offers no task list to look through');
  const free = new Set<string>();
  // Tasks that come while the pages are read push others to the next page, where they are named again.
  for (const { id } of listed) if ((await deps.journal.findOfTask(id)).length === 0) free.add(id);
  const [taskId, ...others] = free;
  if (taskId === undefined) return unsettled(`the task list shows no unclaimed ${model} task of that time`);
  if (others.length > 0)
    return unsettled(`the task list shows several that could be it: ${[...free].join(', ')}`);
  return { kind: 'found', taskId };
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
  deps.emit({
    kind: 'warning',
    code: 'settled',
    message: `the answer to the submission was lost; task ${settlement.taskId} is the only match, so it is taken to be this request's`,
  });
  const task: TaskSnapshot = {
    id: settlement.taskId,
    state: 'running',
    status: 'pending',
    isKnownStatus: true,
    links: [],
  };
  return acceptTask(deps, record, { task, atMs: record.sentAtMs ?? deps.clock.now() });
}

interface Acceptance {
  readonly task: TaskSnapshot;
  readonly atMs: number;
  readonly requestId?: string | undefined;
}

/**
 * Notes that the request of a record is this task. The id is on the disk before anything follows from it; if the disk fails now, the
 * person is the last copy.
 * @throws EvolinkError `local-io`, with the task id
 */
export async function acceptTask(
  deps: GenerateDependencies,
  record: TaskRecord,
  { task, atMs, requestId }: Acceptance,
): Promise<TaskRecord> {
  const change = {
    state: 'accepted',
    taskId: task.id,
    acceptedAtMs: atMs,
    reservedCredits: task.reservedCredits,
    estimatedSeconds: task.estimatedSeconds,
    requestId: requestId ?? task.requestId,
    timeline: [{ atMs, status: task.status }],
  } as const;
  const accepted = await deps.journal.update(record.localId, change).catch(async (error: unknown) => {
    throw await rescue(deps, { ...record, ...change }, error);
  });
  const { localId, reservedCredits, estimatedCredits, estimatedSeconds } = accepted;
  deps.emit({
    kind: 'accepted',
    localId,
    taskId: task.id,
    reservedCredits,
    estimatedCredits,
    estimatedSeconds,
  });
  return accepted;
}

/**
 * Writes a record to `evolink-task-<id>.json` in the working directory: the way out when the service has accepted a task
 * and the state folder fails. Returns the path, or undefined when that fails too. Never throws.
 */
export async function saveFallback(record: TaskRecord, cwd: string): Promise<string | undefined> {
  const id = (record.taskId ?? record.localId).replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, 64);
  const path = join(cwd, `evolink-task-${id}.json`);
  try {
    await replaceDurably(path, formatRecord(record));
    return path;
  } catch {
    return undefined;
  }
}

async function rescue(deps: GenerateDependencies, record: TaskRecord, error: unknown): Promise<EvolinkError> {
  const path = await saveFallback(record, deps.workingFolder);
  const reason = isEvolinkError(error) ? error.message : 'the state folder failed';
  return new EvolinkError(
    'local-io',
    `the service accepted task ${record.taskId}, but its record could not be saved: ${reason}`,
    {
      details: [
        path === undefined
          ? 'no emergency record could be written: keep the task id'
          : `emergency record: ${path}`,
      ],
      hint: `after making room: evolink download ${record.taskId}`,
      charged: 'yes',
      ...recordFacts(record),
      resume: ['evolink', 'download', record.taskId ?? ''],
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
  const refuse = (reason: string): EvolinkError =>
    new EvolinkError('usage', `task ${taskId} is not that of request ${record.localId}: ${reason}`, {
      hint: `look again, it costs nothing: evolink resume ${record.localId}`,
      charged: 'unknown',
      ...recordFacts(record),
    });
  if (record.state === 'intent') {
    throw new EvolinkError('usage', `request ${record.localId} was never sent, so no task is that of it`, {
      charged: 'no',
    });
  }
  // Two requests must not be given one task at the same time.
  const lock = await deps.journal
    .lock(sha256(`task ${taskId}`), { waitMs: deps.lockWaitMs, signal })
    .catch((error: unknown) => {
      if (!isEvolinkError(error)) throw error;
      throw error.insisting({ ...recordFacts(record), charged: 'unknown' });
    });
  try {
    // One that was only saved by its id may be that of any request.
    const owner = (await deps.journal.findOfTask(taskId)).find(
      ({ localId, sentAtMs }) => localId !== record.localId && sentAtMs !== undefined,
    );
    if (owner !== undefined) throw refuse(`it is that of request ${owner.localId}`);
    const task = await deps.api.getTask(taskId, signal).catch((error: unknown) => {
      if (!isEvolinkError(error)) throw error;
      if (isUnknownTask(error)) throw refuse(error.message);
      throw error.insisting({ charged: 'unknown' });
    });
    const model = record.body?.model;
    if (task.model !== undefined && model !== undefined && task.model !== model)
      throw refuse(`it was made by ${task.model}, and ${model} was asked for`);
    warnOfTime(deps, record, task);
    return await acceptTask(deps, record, { task, atMs: record.sentAtMs ?? deps.clock.now() });
  } finally {
    await lock.release().catch(() => undefined);
  }
}

/** Clocks are set right now and then, so a time that does not fit is no proof. */
function warnOfTime(deps: GenerateDependencies, record: TaskRecord, task: TaskSnapshot): void {
  const { createdAtMs, serverNowMs } = task;
  if (createdAtMs === undefined || isWithin(createdAtMs, serverWindow(deps, record, serverNowMs))) return;
  const [made, sent] = [createdAtMs, record.sentAtMs ?? record.createdAtMs].map((atMs) =>
    new Date(atMs).toISOString(),
  );
  const message = `task ${task.id} was made at ${made}, and the request was sent at ${sent}: is it the right one?`;
  deps.emit({ kind: 'warning', code: 'claim', message });
}

/** What a last look found of a record that is to be dismissed. */
export interface LastLook {
  readonly record: TaskRecord;
  /** For people. */
  readonly finding: string;
}

/**
 * Looks once more for what a record may stand for: its task, or one of the task list. Costs nothing.
 * @throws EvolinkError `usage` where there is something to save, or nothing to dismiss; what the look itself throws
 */
export async function lookOnceMore(
  deps: GenerateDependencies,
  record: TaskRecord,
  signal: AbortSignal,
): Promise<LastLook> {
  const { state, taskId, localId } = record;
  if (state === 'saved' || state === 'rejected' || state === 'failed' || state === 'expired')
    throw refuse(record, `${localId} is ${state}: there is nothing to dismiss`, downloadCommand(record));
  if (state === 'intent')
    throw refuse(record, `${localId} was never submitted; resume closes it`, resumeCommand(record));
  if (taskId === undefined) {
    const settlement = await settleUnknown(deps, record, signal);
    if (settlement.kind === 'unsettled') return { record, finding: settlement.finding };
    throw refuse(record, `its task was found: ${settlement.taskId}`, resumeCommand(record));
  }
  try {
    const { status } = await readPatiently(deps, taskId, signal);
    throw refuse(record, `task ${taskId} exists, its status is ${status}`, resumeCommand(record));
  } catch (error) {
    if (!isEvolinkError(error) || !isUnknownTask(error)) throw error;
    return { record, finding: `the service does not know task ${taskId}` };
  }
}

function refuse(record: TaskRecord, message: string, command: readonly string[]): EvolinkError {
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
  deps: GenerateDependencies,
  seen: TaskRecord,
  signal: AbortSignal,
): Promise<void> {
  const lock = await deps.journal.lock(seen.identity, { waitMs: deps.lockWaitMs, signal });
  try {
    const record = await deps.journal.find(seen.localId);
    if (record === undefined || record.state !== seen.state || record.taskId !== seen.taskId)
      throw refuse(seen, `${seen.localId} has changed meanwhile; nothing was dismissed`, resumeCommand(seen));
    await deps.journal.update(record.localId, { state: 'dismissed' });
  } finally {
    await lock.release().catch(() => undefined);
  }
}
