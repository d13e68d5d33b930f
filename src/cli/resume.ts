import type { TaskSnapshot } from '../api/answers.ts';
import { EvolinkError, EXIT_CODES } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { quoteCommand } from '../platform/text.ts';
import { recordWord, SCHEMA_VERSION, stateWord } from '../report/states.ts';
import { findRequest, findTask, requireTaskId } from '../task/adopt.ts';
import type { EmitEvent } from '../task/events.ts';
import { continueId } from '../task/failures.ts';
import { isUncertain, type TaskRecord } from '../task/record.ts';
import { type Decision, type ResumeOutcome, resumeRecords } from '../task/resume.ts';
import { toErrorDocument, toResultDocument } from '../ui/documents.ts';
import { type FormOptions, formOf } from './form.ts';
import { type Frame, runInFrame } from './frame.ts';
import { sandboxHint } from './open-names.ts';
import { type OutputOptions, type PlaceClip, planPlaces } from './place-clips.ts';
import { commandAtService, openRecords, otherServiceError, ownRecords } from './records.ts';
import { createDependencies } from './session.ts';

/** Polite, and enough to keep a line busy. */
const CONCURRENCY = 4;

export interface ResumeCommandOptions extends FormOptions, OutputOptions {
  readonly timeout?: string;
  readonly resubmit?: string;
  readonly task?: string;
  readonly dryRun?: boolean;
  readonly sidecar?: boolean;
}

/** `evolink resume`: everything unfinished, or what is named. */
export function runResume(
  context: Context,
  { ids, options }: { readonly ids: readonly string[]; readonly options: ResumeCommandOptions },
): Promise<number> {
  return runInFrame(context, { form: options }, async (frame) => {
    const decision = readDecision(ids, options);
    const wanted = options.resubmit === undefined ? ids : [options.resubmit];
    if (options.dryRun === true) return writePlan(frame, wanted, decision);
    const chosen = await chooseTasks(context, frame, {
      ids: wanted,
      options,
      verb: 'resume',
      // A place that is named here is where the clip is wanted, wherever it was saved before.
      isAgain: options.output !== undefined,
      isDecided: decision !== undefined,
    });
    const waitTimeoutMs = frame.session.settings.timeoutMs.value;
    return resumeMany(context, frame, { ...chosen, options, waitTimeoutMs, decision });
  });
}

export interface DownloadOptions extends FormOptions, OutputOptions {
  readonly all?: boolean;
  readonly sidecar?: boolean;
  readonly unverified?: boolean;
}

/** `evolink download`: saves what is finished, without waiting for what is not. */
export function runDownload(
  context: Context,
  { ids, options }: { readonly ids: readonly string[]; readonly options: DownloadOptions },
): Promise<number> {
  return runInFrame(context, { form: options }, async (frame) => {
    const isAll = options.all === true;
    if (ids.length === 0 && !isAll)
      throw new EvolinkError('usage', 'evolink download needs task ids, or --all', {
        hint: 'evolink download --all; evolink status lists what is unsaved',
        charged: 'no',
      });
    const chosen = await chooseTasks(context, frame, { ids, options, verb: 'download', isAgain: true });
    const acceptsUnverified = options.unverified;
    const how = { options, waitTimeoutMs: 0, isPendingFine: isAll, acceptsUnverified };
    return resumeMany(context, frame, { ...chosen, ...how });
  });
}

/** @throws EvolinkError `usage` where it is not clear which request the decision is about */
function readDecision(
  ids: readonly string[],
  { resubmit, task }: Pick<ResumeCommandOptions, 'resubmit' | 'task'>,
): Decision | undefined {
  const refuse = (message: string, hint: string) =>
    new EvolinkError('usage', message, { hint, charged: 'no' });
  if (resubmit !== undefined) {
    const hint = `evolink resume --resubmit ${resubmit}`;
    if (task !== undefined) throw refuse('--task and --resubmit are two decisions: make one', hint);
    if (ids.length > 0) throw refuse('--resubmit takes one request and no other ids', hint);
    return { kind: 'resubmit' };
  }
  if (task === undefined) return undefined;
  if (ids.length !== 1)
    throw refuse(
      '--task needs the id of the one request that the task is of',
      `evolink resume ID --task ${task}`,
    );
  return { kind: 'claim', taskId: requireTaskId(task) };
}

interface TaskChoice {
  /** None: all that are open. */
  readonly ids: readonly string[];
  readonly options: OutputOptions & FormOptions;
  readonly verb: 'resume' | 'download';
  /** Saved tasks are saved once more. */
  readonly isAgain: boolean;
  /** What is to be done is decided: nothing but what is known here can be meant. */
  readonly isDecided?: boolean;
}

interface ChosenTasks {
  readonly records: readonly TaskRecord[];
  readonly placeClip: PlaceClip;
  /** What the service said of tasks that are not known here, by the ids of their new records. */
  readonly readings?: ReadonlyMap<string, TaskSnapshot>;
}

/** The records of ids, also of those that only the service knows, or all that are open; and where their clips go. */
async function chooseTasks(
  context: Context,
  frame: Frame,
  { ids, options, verb, isAgain, isDecided }: TaskChoice,
): Promise<ChosenTasks> {
  const { session, reporter } = frame;
  const { journal } = session;
  const isNamed = ids.length > 0;
  const names = [...new Set(ids)];
  const all = isNamed ? [] : ownRecords(frame, await openRecords(frame), verb);
  // Only what the service is known to have accepted can be downloaded.
  const open = verb === 'download' ? all.filter(({ taskId }) => taskId !== undefined) : all;
  const count = isNamed ? names.length : open.length;
  const placeClip = await planPlaces(context, session, { options, form: formOf(options), count, isNamed });
  if (!isNamed) return { records: open, placeClip };
  for (const id of names) {
    const known = await journal.find(id);
    if (known !== undefined && !session.isOwn(known)) throw otherServiceError(known, verb, session.baseUrl);
  }
  if (isDecided === true)
    return { records: await Promise.all(names.map((id) => findRequest(session, id))), placeClip };
  const deps = await createDependencies(context, session, reporter.event);
  const hasSidecar = session.settings.hasSidecar.value;
  const { signal } = context.signals;
  const records: TaskRecord[] = [];
  const readings = new Map<string, TaskSnapshot>();
  for (const id of names) {
    const { record, reading } = await findTask(deps, id, { placeClip, hasSidecar, isAgain, signal });
    records.push(record);
    if (reading !== undefined) readings.set(record.localId, reading);
  }
  return { records, readings, placeClip };
}

interface ResumeMany extends ChosenTasks {
  readonly options: FormOptions;
  readonly waitTimeoutMs: number;
  readonly decision?: Decision | undefined;
  /** Tasks that still run are no failure: nobody asked to wait for them. */
  readonly isPendingFine?: boolean;
  /** Clips that can't be read as videos are saved as they are. */
  readonly acceptsUnverified?: boolean | undefined;
}

/**
 * Continues records and reports each. One record is reported as a command of its own would be; several end with a summary.
 * @returns 0 when all are done, the exit code of the only one, or `partial`
 */
async function resumeMany(
  context: Context,
  frame: Frame,
  { records, options, isPendingFine = false, acceptsUnverified, ...how }: ResumeMany,
): Promise<number> {
  const { reporter, session } = frame;
  const [only] = records;
  if (only === undefined) {
    const hint = session.isSandbox ? undefined : sandboxHint(session.stateFolder);
    reporter.note(`nothing is unfinished${hint === undefined ? '' : `\nhint: ${hint}`}`);
    await reporter.print('results', { ok: true, tasks: [] }, '');
    return 0;
  }
  const isSingle = records.length === 1;
  if (isSingle) frame.noteRecord(only);
  const connected = await createDependencies(context, session, isSingle ? reporter.event : () => undefined);
  const deps = { ...connected, limits: { ...connected.limits, acceptsUnverified } };
  const shown = (outcome: ResumeOutcome): ResumeOutcome =>
    outcome.kind === 'failed' ? { ...outcome, error: session.commands.inError(outcome.error) } : outcome;
  const outcomes = await resumeRecords(records, {
    ...how,
    signal: context.signals.signal,
    concurrency: CONCURRENCY,
    forRecord: (record) => (isSingle ? deps : { ...deps, emit: warningsOf(record, reporter.event) }),
    onOutcome: (outcome) => {
      if (!isSingle && formOf(options) === 'human') printOutcome(context, frame, shown(outcome));
    },
  });
  const [first] = outcomes;
  if (isSingle && first?.kind === 'failed') throw first.error;
  if (isSingle && first?.kind === 'done') {
    await reporter.result(first.result);
    return 0;
  }
  const failed = outcomes.filter((outcome) => outcome.kind === 'failed');
  const bad = isPendingFine ? failed.filter(({ error }) => error.kind !== 'pending') : failed;
  const done = outcomes.filter((outcome) => outcome.kind === 'done');
  const kept = done.filter(({ result }) => result.state === 'skipped').length;
  const counts = [
    [done.length - kept, 'saved'],
    [kept, 'there already'],
    [failed.length - bad.length, 'still running'],
    [bad.length, 'not saved'],
  ] as const;
  const summary = counts.filter(([count], index) => index === 0 || count > 0).map((part) => part.join(' '));
  reporter.note(isSingle && first ? describeOutcome(first) : summary.join(', '));
  const tasks = outcomes.map(shown).map(toDocument);
  await reporter.print('results', { ok: bad.length === 0, tasks }, '');
  return bad.length === 0 ? 0 : EXIT_CODES.partial.exit;
}

/** With several tasks only what a person must know is said while they run, each with its task. */
function warningsOf(record: TaskRecord, emit: EmitEvent): EmitEvent {
  return (event) => {
    if (event.kind === 'warning') emit({ ...event, message: `${continueId(record)}: ${event.message}` });
  };
}

/** The paths come out as they are saved, so that a pipe can go on with the first while the last still runs. */
function printOutcome({ io }: Context, { reporter }: Frame, outcome: ResumeOutcome): void {
  if (outcome.kind === 'failed') void io.stderr.write(`${describeOutcome(outcome)}\n`);
  else reporter.note(describeOutcome(outcome));
  if (outcome.kind !== 'done') return;
  for (const path of outcome.result.paths) void io.stdout.write(`${path}\n`);
}

function toDocument(outcome: ResumeOutcome) {
  if (outcome.kind === 'done') return toResultDocument(outcome.result);
  if (outcome.kind === 'failed') return toErrorDocument(outcome.error);
  const { localId: local_id } = outcome.record;
  return { schema_version: SCHEMA_VERSION, ok: true, local_id, state: 'not_sent' };
}

/** What became of one task of several, for people: what is left to do as exact commands. */
function describeOutcome(outcome: ResumeOutcome): string {
  const name = continueId(outcome.record);
  if (outcome.kind === 'done')
    return `${name}: ${outcome.result.state === 'skipped' ? 'the file is there already' : 'saved'}`;
  if (outcome.kind === 'dropped')
    return `${name}: was never sent and never charged; closed. The same command sends it again.`;
  const { kind, message, facts } = outcome.error;
  // Only a person can decide what becomes of an uncertain request, and needs all that is known for it.
  const details = kind === 'unknown' ? (facts.details ?? []) : [];
  return [
    `${name}: ${message}`,
    ...details.map((detail) => `  - ${detail}`),
    ...(facts.resume === undefined ? [] : [`  continue with: ${quoteCommand(facts.resume)}`]),
  ].join('\n');
}

/** What `resume` does with a record in each state. */
const NEXT_STEPS: Readonly<Record<TaskRecord['state'], string>> = {
  intent: 'close it: it was never sent',
  sent: 'look for its task in the task list, then wait and save',
  unknown: 'look for its task in the task list, then wait and save',
  accepted: 'wait and save',
  completed: 'save',
  saved: 'nothing: it is saved',
  rejected: 'nothing: it was rejected',
  failed: 'nothing: it failed',
  expired: 'nothing: its result is gone',
  dismissed: 'look for its task once more, then wait and save',
};

/** `evolink resume --dry-run`: what would be done. Needs no key, contacts nobody. */
async function writePlan(
  frame: Frame,
  ids: readonly string[],
  decision: Decision | undefined,
): Promise<number> {
  const { session, reporter } = frame;
  const find = async (id: string) =>
    decision === undefined ? session.journal.find(id) : findRequest(session, id);
  const records: readonly (TaskRecord | string)[] =
    ids.length === 0
      ? await openRecords(frame)
      : await Promise.all(ids.map(async (id) => (await find(id)) ?? id));
  const tasks = records.map((record) =>
    typeof record === 'string'
      ? { id: record, state: 'not known here', next_step: 'ask the service for it, wait and save' }
      : {
          id: continueId(record),
          state: recordWord(record.state),
          next_step: nextStep(frame, record, decision),
        },
  );
  const lines = tasks.map(({ id, state, next_step: step }) => `${id}  ${stateWord(state)}: ${step}\n`);
  await reporter.print('resume-plan', { dry_run: true, tasks }, lines.join(''));
  reporter.note(lines.length === 0 ? 'nothing is unfinished' : 'dry run: nothing was done');
  return 0;
}

function nextStep({ session }: Frame, record: TaskRecord, decision: Decision | undefined): string {
  if (!session.isOwn(record))
    return `nothing: it belongs to another service; resume it with: ${commandAtService(record, 'resume')}`;
  if (decision === undefined || !isUncertain(record)) return NEXT_STEPS[record.state];
  return decision.kind === 'claim'
    ? `take ${decision.taskId} as its task, then wait and save`
    : 'look for its task in the task list, send it again where there is none, then wait and save';
}
