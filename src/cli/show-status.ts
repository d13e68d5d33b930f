import type { TaskSnapshot } from '../api/answers.ts';
import { parseAgeMs } from '../config/keys.ts';
import { type EvolinkError, isEvolinkError } from '../errors.ts';
import { unreadable } from '../task/failures.ts';
import type { TaskRecord } from '../task/record.ts';
import { sortByUrgency } from '../ui/tasks.ts';
import type { Invocation } from './flags.ts';
import { formOf, sandboxHint } from './form.ts';
import { type Frame, runInFrame } from './frame.ts';
import { openRecords, printTasks, toTaskRow } from './records.ts';

const WATCH_INTERVAL_MS = 15_000;
const PRUNE_AGE_MS = 30 * 24 * 3_600_000;
const RUNNING: readonly string[] = ['pending', 'running', 'uncertain', 'not_sent'];

/** The full form of `evolink status`: what the journal and the service know of tasks. */
export function showStatus({ context, args: ids, options }: Invocation): Promise<number> {
  return runInFrame(context, { form: options }, async (frame) => {
    const { reporter, session } = frame;
    if (options.prune !== undefined) return prune(frame, options.prune);
    for (;;) {
      const { rows, isRunning } = await readRows(frame, ids);
      const isLast = options.watch !== true || !isRunning;
      // A program gets one document; a person sees each reading.
      if (isLast || formOf(options) === 'human') {
        await printTasks(frame, 'status', sortByUrgency(rows));
        if (rows.length === 0) reporter.note('nothing is unfinished or unsaved');
        const hint = rows.some(({ state, note }) => state === 'completed' && note === null)
          ? `hint: finished clips can be saved: ${session.commands.inText('evolink download --all')}`
          : sandboxHint(session.stateFolder, session.isSandbox);
        if (hint !== '') reporter.note(hint);
      }
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

/** The named tasks, of which some may be known to the service alone, or all that are open. */
async function readRows(frame: Frame, ids: readonly string[]) {
  const { context, session } = frame;
  const { journal, isOwn, connect } = session;
  const isNamed = ids.length > 0;
  let isRunning = false;
  /** What the service says of a task; for one that can't be read, the reason. */
  const read = async (taskId: string): Promise<TaskSnapshot | EvolinkError> => {
    try {
      const { api } = await connect();
      const task = await api.getTask(taskId, context.signals.signal);
      return { ...task, createdAtMs: task.createdAtMs ?? context.clock.now() };
    } catch (error) {
      // What the journal knows is worth showing without the service. A key that is no use would fare no better with others.
      if (!isEvolinkError(error) || (isNamed && error.kind === 'auth')) throw error;
      return error;
    }
  };
  const toRow = async (record: TaskRecord | undefined, id = '') => {
    // Another service would know nothing of the task, or something else by the same id.
    const isElsewhere = record !== undefined && record.state !== 'saved' && !isOwn(record);
    const isWanted = isNamed ? record?.state !== 'saved' : record?.state === 'accepted';
    const taskId = record === undefined ? id : record.taskId;
    const answer = taskId !== undefined && isWanted && !isElsewhere ? await read(taskId) : undefined;
    const [task, trouble] = isEvolinkError(answer) ? [undefined, answer] : [answer];
    if (record === undefined && trouble !== undefined) throw unreadable(trouble, id);
    const row = toTaskRow(record, task, isElsewhere ? `at ${record.apiBaseUrl}` : trouble?.message);
    // Of a task of another service watching would never see the end.
    isRunning ||= !isElsewhere && RUNNING.includes(row.state);
    return row;
  };
  const rows = await Promise.all(
    isNamed
      ? ids.map(async (id) => toRow(await journal.find(id), id))
      : (await openRecords(frame)).map((record) => toRow(record)),
  );
  return { rows, isRunning };
}
