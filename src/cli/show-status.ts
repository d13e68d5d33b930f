import type { TaskSnapshot } from '../api/answers.ts';
import { parseAgeMs } from '../config/keys.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { continueId, isUnknownTask } from '../task/failures.ts';
import type { TaskRecord } from '../task/record.ts';
import { LINK_LIFE_MS, readStates } from '../task/wait.ts';
import { sortByUrgency, type TaskRow } from '../ui/tasks.ts';
import type { Invocation } from './flags.ts';
import { formOf, sandboxHint } from './form.ts';
import { type Frame, runInFrame } from './frame.ts';
import { openRecords, printTasks, recordRow } from './records.ts';

const WATCH_INTERVAL_MS = 15_000;
const PRUNE_AGE_MS = 30 * 24 * 3_600_000;
const RUNNING: readonly string[] = ['accepted', 'sent', 'intent', 'unknown'];

/** The full form of `evolink status`: what the journal and the service know of tasks. */
export function showStatus({ context, args: ids, options }: Invocation): Promise<number> {
  return runInFrame(context, { form: options }, async (frame) => {
    if (options.prune !== undefined) return prune(frame, options.prune);
    for (;;) {
      const rows = await readRows(context, frame, ids);
      const isLast = options.watch !== true || !rows.some(({ isRunning }) => isRunning);
      // A program gets one document; a person sees each reading.
      if (isLast || formOf(options) === 'human') await show(context, frame, rows);
      if (isLast) return 0;
      await context.clock.sleep(WATCH_INTERVAL_MS, context.signals.signal);
    }
  });
}

async function prune({ session, reporter }: Frame, age: string | true): Promise<number> {
  const ageMs = age === true ? PRUNE_AGE_MS : parseAgeMs('--prune', age, 'evolink status --prune 30d');
  const count = await session.journal.prune(ageMs);
  reporter.note(`removed ${count === 1 ? '1 record of an ended task' : `${count} records of ended tasks`}`);
  await reporter.print('prune', { removed: count }, '');
  return 0;
}

interface Row extends TaskRow {
  /** Something of it may still change; of a task of another service watching would never see the end. */
  readonly isRunning: boolean;
}

/** The named tasks, of which some may be known to the service alone, or all that are open. */
async function readRows(context: Context, frame: Frame, ids: readonly string[]): Promise<readonly Row[]> {
  const { journal, isOwn, connect } = frame.session;
  const isNamed = ids.length > 0;
  const tasks: readonly { readonly id: string; readonly record?: TaskRecord | undefined }[] = isNamed
    ? await Promise.all(ids.map(async (id) => ({ id, record: await journal.find(id) })))
    : (await openRecords(frame)).map((record) => ({ id: continueId(record), record }));
  // Another service would know nothing of the task, or something else by the same id.
  const asked = tasks.flatMap(({ id, record }) => {
    if (record === undefined) return id;
    const isWanted = isNamed ? record.state !== 'saved' : record.state === 'accepted';
    return isWanted && isOwn(record) ? (record.taskId ?? []) : [];
  });
  const ask = async () => readStates(await connect(), asked, context.signals.signal);
  const known = { snapshots: new Map<string, TaskSnapshot>(), troubles: new Map<string, EvolinkError>() };
  const { snapshots, troubles } =
    asked.length === 0
      ? known
      : await ask().catch((error: unknown) => {
          // What the journal knows is worth showing without the service.
          if (!isEvolinkError(error) || isNamed) throw error;
          frame.warn(`shown from the journal alone: ${error.message}`);
          return known;
        });
  return tasks.map(({ id, record }) => {
    const taskId = record?.taskId ?? id;
    const snapshot = snapshots.get(taskId);
    const trouble = troubles.get(taskId);
    if (record === undefined && snapshot === undefined) throw notFound(id, trouble);
    const row = { ...(record && recordRow(record)), ...(snapshot && snapshotRow(snapshot, record, context)) };
    const isElsewhere = record !== undefined && record.state !== 'saved' && !isOwn(record);
    const note = isElsewhere ? `at ${record.apiBaseUrl}` : trouble?.message;
    const full = { id, state: '', status: '', createdAtMs: 0, ...row, note };
    return { ...full, isRunning: !isElsewhere && RUNNING.includes(full.state) };
  });
}

/** What the service says of a task, beside what is recorded of it. */
function snapshotRow(task: TaskSnapshot, record: TaskRecord | undefined, { clock }: Context) {
  const createdAtMs = record?.createdAtMs ?? task.createdAtMs ?? clock.now();
  const isDone = task.state === 'completed' && (record === undefined || record.state === 'accepted');
  const state = task.state === 'running' ? 'accepted' : task.state;
  return {
    status: task.status,
    progressPercent: task.progressPercent,
    createdAtMs,
    error: record?.error?.message ?? task.error?.message,
    ...(isDone && {
      state: 'completed',
      linkExpiresAtMs: record?.linkExpiresAtMs ?? createdAtMs + LINK_LIFE_MS,
    }),
    ...(record === undefined && { id: task.id, state, credits: task.usedCredits ?? task.reservedCredits }),
  };
}

/** What a person has typed is wrong where the service does not know it. */
function notFound(id: string, trouble: EvolinkError | undefined): EvolinkError {
  const message = trouble?.message ?? `the service does not know the task "${id}"`;
  const isOther = trouble !== undefined && !isUnknownTask(trouble);
  const error = isOther ? trouble : new EvolinkError('usage', message, trouble?.facts);
  return error.with({
    hint: 'tasks are visible to the account that made them: evolink config shows where the key comes from',
    taskId: id,
    charged: 'no',
  });
}

async function show(context: Context, frame: Frame, rows: readonly Row[]): Promise<void> {
  const { reporter, session } = frame;
  await printTasks(context, frame, 'status', sortByUrgency(rows));
  if (rows.length === 0) reporter.note('nothing is unfinished or unsaved');
  const isReady = rows.some(({ state, note }) => state === 'completed' && note === undefined);
  const hint = isReady
    ? `hint: finished clips can be saved: ${session.commands.inText('evolink download --all')}`
    : sandboxHint(session.stateFolder, session.isSandbox);
  if (hint !== '') reporter.note(hint);
}
