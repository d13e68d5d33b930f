import type { TaskSnapshot } from '../api/answers.ts';
import { parseAgeMs } from '../config/keys.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { isUnknownTask } from '../task/failures.ts';
import type { TaskRecord } from '../task/record.ts';
import { LINK_LIFE_MS, readStates } from '../task/wait.ts';
import { formatStatus, type StatusRow, toStatusDocument } from '../ui/status.ts';
import { loadTheme } from '../ui/theme.ts';
import type { FlagValues } from './flags.ts';
import { type FormOptions, formOf } from './form.ts';
import { type Frame, runInFrame } from './frame.ts';
import { openRecords, otherServiceNote } from './own-records.ts';
import type { Session } from './session.ts';

const WATCH_INTERVAL_MS = 15_000;
const PRUNE_AGE_MS = 30 * 24 * 3_600_000;
type TaskStates = Awaited<ReturnType<typeof readStates>>;
const NOTHING_KNOWN: TaskStates = { snapshots: new Map(), troubles: new Map() };

type StatusOptions = FormOptions & FlagValues<'watch' | 'prune'>;

export interface StatusInput {
  readonly ids: readonly string[];
  readonly options: StatusOptions;
}

/** The full form of `evolink status`: what the journal and the service know of tasks. */
export function showStatus(context: Context, { ids, options }: StatusInput): Promise<number> {
  return runInFrame(context, { form: options }, async (frame) => {
    if (options.prune !== undefined) return prune(frame, options);
    for (;;) {
      const rows = ids.length > 0 ? await namedRows(context, frame, ids) : await openRows(context, frame);
      const isLast = options.watch !== true || rows.every(hasEnded);
      // A program gets one document; a person sees each reading.
      if (isLast || formOf(options) === 'human') await show(context, frame, rows);
      if (isLast) return 0;
      await context.clock.sleep(WATCH_INTERVAL_MS, context.signals.signal);
    }
  });
}

interface Row extends StatusRow {
  /** Of a task that this service knows nothing of: watching it would never end. */
  readonly isElsewhere?: boolean;
}

function hasEnded({ state, isElsewhere }: Row): boolean {
  return isElsewhere === true || !['accepted', 'sent', 'intent', 'unknown'].includes(state);
}

async function prune({ session, reporter }: Frame, options: StatusOptions): Promise<number> {
  const { prune: age } = options;
  const ageMs =
    typeof age === 'string' ? parseAgeMs('--prune', age, 'evolink status --prune 30d') : PRUNE_AGE_MS;
  const count = await session.journal.prune(ageMs);
  const what = count === 1 ? '1 record of an ended task' : `${count} records of ended tasks`;
  reporter.note(`removed ${what}`);
  await reporter.print('prune', { removed: count }, '');
  return 0;
}

async function openRows(context: Context, frame: Frame): Promise<readonly Row[]> {
  const records = await openRecords(frame);
  const { isOwn } = frame.session;
  const ids = records
    .filter((record) => record.state === 'accepted' && isOwn(record))
    .flatMap(({ taskId }) => taskId ?? []);
  const states = await ask(context, frame, ids).catch((error: unknown) => {
    // What the journal knows is worth showing without the service.
    if (!isEvolinkError(error)) throw error;
    frame.warn(`shown from the journal alone: ${error.message}`);
    return NOTHING_KNOWN;
  });
  return records.map((record) => toRow(record, states, frame.session));
}

async function namedRows(context: Context, frame: Frame, ids: readonly string[]): Promise<readonly Row[]> {
  const records = await Promise.all(ids.map((id) => frame.session.journal.find(id)));
  const taskIds = ids.map(
    (id, index) => records[index]?.taskId ?? (records[index] === undefined ? id : undefined),
  );
  const asked = taskIds.filter((id, index) => id !== undefined && isAskable(records[index], frame.session));
  const states = await ask(
    context,
    frame,
    asked.flatMap((id) => id ?? []),
  );
  return ids.map((id, index) => {
    const record = records[index];
    if (record !== undefined) return toRow(record, states, frame.session);
    const snapshot = states.snapshots.get(id);
    if (snapshot === undefined) throw notFound(id, states.troubles.get(id));
    return toForeignRow(snapshot, context.clock.now());
  });
}

/** Another service would know nothing of the task, or something else by the same id. */
function isAskable(record: TaskRecord | undefined, { isOwn }: Session): boolean {
  return record === undefined || (record.state !== 'saved' && isOwn(record));
}

/** What a person has typed is wrong where the service does not know it. */
function notFound(id: string, trouble: EvolinkError | undefined): EvolinkError {
  const error =
    trouble !== undefined && !isUnknownTask(trouble)
      ? trouble
      : new EvolinkError(
          'usage',
          trouble?.message ?? `the service does not know the task "${id}"`,
          trouble?.facts,
        );
  return error.with({
    hint: 'tasks are visible to the account that made them: evolink config shows where the key comes from',
    taskId: id,
    charged: 'no',
  });
}

async function ask(context: Context, { session }: Frame, taskIds: readonly string[]): Promise<TaskStates> {
  if (taskIds.length === 0) return NOTHING_KNOWN;
  const { api } = await session.connect();
  return readStates({ api }, taskIds, context.signals.signal);
}

function toRow(record: TaskRecord, { snapshots, troubles }: TaskStates, { isOwn }: Session): Row {
  const id = record.taskId ?? record.localId;
  const snapshot = snapshots.get(id);
  const isElsewhere = record.state !== 'saved' && !isOwn(record);
  const isDone = snapshot?.state === 'completed' && record.state === 'accepted';
  return {
    id,
    state: isDone ? 'completed' : record.state,
    status: snapshot?.status ?? record.timeline.at(-1)?.status ?? record.state,
    progressPercent: snapshot?.progressPercent,
    prompt: record.body?.prompt,
    createdAtMs: record.createdAtMs,
    linkExpiresAtMs: record.linkExpiresAtMs ?? (isDone ? record.createdAtMs + LINK_LIFE_MS : undefined),
    path: record.saved?.[0]?.path,
    credits: record.usedCredits ?? record.reservedCredits,
    isElsewhere,
    note:
      (isElsewhere ? otherServiceNote(record) : undefined) ??
      troubles.get(id)?.message ??
      record.error?.message ??
      snapshot?.error?.message,
  };
}

/** A task that only the service knows. */
function toForeignRow(snapshot: TaskSnapshot, nowMs: number): StatusRow {
  const createdAtMs = snapshot.createdAtMs ?? nowMs;
  return {
    id: snapshot.id,
    state: snapshot.state === 'running' ? 'accepted' : snapshot.state,
    status: snapshot.status,
    progressPercent: snapshot.progressPercent,
    createdAtMs,
    linkExpiresAtMs: snapshot.state === 'completed' ? createdAtMs + LINK_LIFE_MS : undefined,
    credits: snapshot.usedCredits ?? snapshot.reservedCredits,
    note: snapshot.error?.message,
  };
}

async function show({ clock }: Context, { io, reporter }: Frame, rows: readonly StatusRow[]): Promise<void> {
  if (rows.length === 0) reporter.note('nothing is unfinished or unsaved');
  const theme = await loadTheme(io.stdout, io.isUnicode);
  const columns = io.stdout.isTty ? io.stdout.columns() : undefined;
  const table = formatStatus(rows, { now: clock.now(), columns, theme });
  await reporter.print('status', toStatusDocument(rows), table);
}
