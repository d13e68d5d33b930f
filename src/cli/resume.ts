import type { TaskSnapshot } from '../api/answers.ts';
import { EvolinkError, EXIT_CODES } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { quoteCommand } from '../platform/text.ts';
import { recordWord, SCHEMA_VERSION, stateWord } from '../report/states.ts';
import { findRequest, findTask, requireTaskId } from '../task/adopt.ts';
import type { EmitEvent } from '../task/events.ts';
import type { TaskRecord } from '../task/record.ts';
import { type Decision, type ResumeOutcome, resumeRecords } from '../task/resume.ts';
import { type DocumentBody, toErrorDocument, toResultDocument } from '../ui/documents.ts';
import { type Form, type FormOptions, formOf } from './form.ts';
import { type Frame, runInFrame } from './frame.ts';
import { commandAtService, openRecords, otherServiceError, ownRecords } from './own-records.ts';
import { type PlaceClip, planPlaces } from './place-clips.ts';
import type { OutputOptions } from './prepare-job.ts';
import { createDependencies } from './session.ts';

/** Polite, and enough to keep a line busy. */
const CONCURRENCY = 4;

export interface ResumeMany {
  readonly frame: Frame;
  readonly form: Form;
  readonly placeClip: PlaceClip;
  readonly waitTimeoutMs: number;
  readonly decision?: Decision | undefined;
  /** Tasks that still run are no failure: nobody asked to wait for them. */
  readonly isPendingFine: boolean;
  /** Clips that can't be read as videos are saved as they are. */
  readonly acceptsUnverified?: boolean | undefined;
  /** As `ResumeOptions`. */
  readonly readings?: ReadonlyMap<string, TaskSnapshot> | undefined;
}

/**
 * Continues records and reports each. One record is reported as a command of its own would be; several end with a summary.
 * @returns 0 when all are done, the exit code of the only one, or `partial`
 */
export async function resumeMany(
  context: Context,
  records: readonly TaskRecord[],
  options: ResumeMany,
): Promise<number> {
  const { frame, form } = options;
  const [only, ...others] = records;
  if (only === undefined) return nothing(frame);
  const isSingle = others.length === 0;
  if (isSingle) frame.noteRecord(only);
  const connected = await createDependencies(
    context,
    frame.session,
    isSingle ? frame.reporter.event : silence,
  );
  const { acceptsUnverified } = options;
  const deps = { ...connected, limits: { ...connected.limits, acceptsUnverified } };
  const shown = (outcome: ResumeOutcome): ResumeOutcome =>
    outcome.kind === 'failed'
      ? { ...outcome, error: frame.session.commands.inError(outcome.error) }
      : outcome;
  const outcomes = await resumeRecords(records, {
    placeClip: options.placeClip,
    waitTimeoutMs: options.waitTimeoutMs,
    decision: options.decision,
    readings: options.readings,
    signal: context.signals.signal,
    concurrency: CONCURRENCY,
    forRecord: (record) => (isSingle ? deps : { ...deps, emit: prefixed(record, frame.reporter.event) }),
    onOutcome: (outcome) => {
      if (!isSingle && form === 'human') printOutcome(context, frame, shown(outcome));
    },
  });
  const [first] = outcomes;
  if (isSingle && first !== undefined) return finishSingle(first, options);
  return summarize(outcomes.map(shown), options);
}

const silence: EmitEvent = () => undefined;

/** With several tasks only what a person must know is said while they run, each with its task. */
function prefixed(record: TaskRecord, emit: EmitEvent): EmitEvent {
  const name = record.taskId ?? record.localId;
  return (event) => {
    if (event.kind === 'warning') emit({ ...event, message: `${name}: ${event.message}` });
  };
}

async function nothing({ reporter }: Frame): Promise<number> {
  reporter.note('nothing is unfinished');
  await reporter.print('results', toSummary([]), '');
  return 0;
}

async function finishSingle(outcome: ResumeOutcome, { frame }: ResumeMany): Promise<number> {
  if (outcome.kind === 'failed') throw outcome.error;
  if (outcome.kind === 'done') {
    await frame.reporter.result(outcome.result);
    return 0;
  }
  frame.reporter.note(describeOutcome(outcome).trimEnd());
  await frame.reporter.print('results', toSummary([outcome]), '');
  return 0;
}

/** The paths come out as they are saved, so that a pipe can go on with the first while the last still runs. */
function printOutcome({ io }: Context, { reporter }: Frame, outcome: ResumeOutcome): void {
  if (outcome.kind === 'failed') void io.stderr.write(describeOutcome(outcome));
  else reporter.note(describeOutcome(outcome).trimEnd());
  if (outcome.kind !== 'done') return;
  for (const path of outcome.result.paths ?? []) void io.stdout.write(`${path}\n`);
}

function toSummary(outcomes: readonly ResumeOutcome[], ok = true): DocumentBody<'results'> {
  return {
    ok,
    tasks: outcomes.map((outcome) => {
      switch (outcome.kind) {
        case 'done':
          return toResultDocument(outcome.result);
        case 'failed':
          return toErrorDocument(outcome.error);
        case 'dropped':
          return {
            schema_version: SCHEMA_VERSION,
            ok: true,
            local_id: outcome.record.localId,
            state: 'not_sent',
          };
        default:
          return outcome satisfies never;
      }
    }),
  };
}

async function summarize(outcomes: readonly ResumeOutcome[], options: ResumeMany): Promise<number> {
  const failed = outcomes.filter((outcome) => outcome.kind === 'failed');
  const bad = options.isPendingFine ? failed.filter(({ error }) => error.kind !== 'pending') : failed;
  const done = outcomes.filter((outcome) => outcome.kind === 'done');
  const kept = done.filter(({ result }) => result.state === 'skipped').length;
  const pending = failed.length - bad.length;
  const parts = [
    `${done.length - kept} saved`,
    ...(kept > 0 ? [`${kept} there already`] : []),
    ...(pending > 0 ? [`${pending} still running`] : []),
    ...(bad.length > 0 ? [`${bad.length} not saved`] : []),
  ];
  const { reporter } = options.frame;
  reporter.note(parts.join(', '));
  await reporter.print('results', toSummary(outcomes, bad.length === 0), '');
  return bad.length === 0 ? 0 : EXIT_CODES.partial.exit;
}

/** The error of a command that needs ids or `--all`. */
export function needsIds(command: string): EvolinkError {
  return new EvolinkError('usage', `evolink ${command} needs task ids, or --all`, {
    hint: `evolink ${command} --all; evolink status lists what is unsaved`,
    charged: 'no',
  });
}

/** What `resume` does with a record in each state. */
const NEXT_STEPS: Readonly<Record<TaskRecord['state'], string>> = {
  intent: 'close it: it was never sent',
  sent: 'look for its task in the task list, then wait and save',
  unknown: 'look for its task in the task list, then wait and save',
  accepted: 'wait and save',
  completed: 'save',
  saved: 'nothing: it is saved',
  rejected: 'nothing: it was refused',
  failed: 'nothing: it failed',
  expired: 'nothing: its result is gone',
  dismissed: 'look for its task once more, then wait and save',
};

/** `evolink resume --dry-run`: what would be done. Needs no key, contacts nobody. */
async function writeResumePlan({
  frame,
  ids,
  decision,
}: {
  readonly frame: Frame;
  readonly ids: readonly string[];
  readonly decision: Decision | undefined;
}): Promise<number> {
  const rows =
    ids.length === 0
      ? (await openRecords(frame)).map((record) => toRow(record, frame))
      : await Promise.all(ids.map((id) => namedRow(frame, id, decision)));
  const tasks = rows.map(({ id, state, step }) => ({ id, state: recordWord(state), next_step: step }));
  const lines = tasks.map(({ id, state, next_step: step }) => `${id}  ${stateWord(state)}: ${step}\n`);
  await frame.reporter.print('resume-plan', { dry_run: true, tasks }, lines.join(''));
  frame.reporter.note(lines.length === 0 ? 'nothing is unfinished' : 'dry run: nothing was done');
  return 0;
}

interface PlanRow {
  readonly id: string;
  readonly state: string;
  readonly step: string;
}

function toRow(record: TaskRecord, { session }: Frame, decision?: Decision): PlanRow {
  const { state } = record;
  const isUncertain = state === 'sent' || state === 'unknown';
  const step = session.isOwn(record)
    ? ((isUncertain ? decidedStep(decision) : undefined) ?? NEXT_STEPS[state])
    : `nothing: it belongs to another service; resume it with: ${commandAtService(record, 'resume')}`;
  return { id: record.taskId ?? record.localId, state, step };
}

function decidedStep(decision: Decision | undefined): string | undefined {
  if (decision === undefined) return undefined;
  return decision.kind === 'claim'
    ? `take ${decision.taskId} as its task, then wait and save`
    : 'look for its task in the task list, send it again where there is none, then wait and save';
}

async function namedRow(frame: Frame, id: string, decision: Decision | undefined): Promise<PlanRow> {
  const record =
    decision === undefined ? await frame.session.journal.find(id) : await findRequest(frame.session, id);
  return record === undefined
    ? { id, state: 'not known here', step: 'ask the service for it, wait and save' }
    : toRow(record, frame, decision);
}

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
    if (options.dryRun === true) return writeResumePlan({ frame, ids: wanted, decision });
    const { records, ...chosen } = await chooseTasks(context, frame, {
      ids: wanted,
      options,
      verb: 'resume',
      // A place that is named here is where the clip is wanted, wherever it was saved before.
      isAgain: options.output !== undefined,
      isDecided: decision !== undefined,
    });
    return resumeMany(context, records, {
      ...chosen,
      frame,
      form: formOf(options),
      waitTimeoutMs: frame.session.settings.timeoutMs.value,
      decision,
      isPendingFine: false,
    });
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
  const [id, ...others] = ids;
  if (id === undefined || others.length > 0)
    throw refuse(
      '--task needs the id of the one request that the task is of',
      `evolink resume ID --task ${task}`,
    );
  return { kind: 'claim', taskId: requireTaskId(task) };
}

export interface TaskChoice {
  /** None: all that are open. */
  readonly ids: readonly string[];
  readonly options: OutputOptions & FormOptions;
  readonly verb: 'resume' | 'download';
  /** Saved tasks are saved once more. */
  readonly isAgain?: boolean;
  /** What is to be done is decided: nothing but what is known here can be meant. */
  readonly isDecided?: boolean;
}

export interface ChosenTasks {
  readonly records: readonly TaskRecord[];
  readonly placeClip: PlaceClip;
  readonly readings?: ReadonlyMap<string, TaskSnapshot>;
}

/** The records of ids, also of those that only the service knows, or all that are open; and where their clips go. */
export async function chooseTasks(context: Context, frame: Frame, choice: TaskChoice): Promise<ChosenTasks> {
  const { options, verb } = choice;
  const ids = [...new Set(choice.ids)];
  const isNamed = ids.length > 0;
  const all = isNamed ? [] : ownRecords(frame, await openRecords(frame), verb);
  const open = verb === 'download' ? all.filter(hasTask) : all;
  const count = isNamed ? ids.length : open.length;
  const placeClip = await planPlaces(context, frame.session, {
    options,
    form: formOf(options),
    count,
    isNamed,
  });
  if (!isNamed) return { records: open, placeClip };
  return namedRecords(context, frame, { ...choice, ids, placeClip });
}

async function namedRecords(
  context: Context,
  { session, reporter }: Frame,
  {
    ids,
    verb,
    isAgain = false,
    isDecided = false,
    placeClip,
  }: TaskChoice & { readonly placeClip: PlaceClip },
): Promise<ChosenTasks> {
  for (const id of ids) {
    const known = await session.journal.find(id);
    if (known !== undefined && !session.isOwn(known)) throw otherServiceError(known, verb, session.baseUrl);
  }
  if (isDecided) return { records: await Promise.all(ids.map((id) => findRequest(session, id))), placeClip };
  const deps = await createDependencies(context, session, reporter.event);
  const options = {
    placeClip,
    hasSidecar: session.settings.hasSidecar.value,
    isAgain,
    signal: context.signals.signal,
  };
  const records: TaskRecord[] = [];
  const readings = new Map<string, TaskSnapshot>();
  for (const id of ids) {
    const { record, reading } = await findTask(deps, id, options);
    records.push(record);
    if (reading !== undefined) readings.set(record.localId, reading);
  }
  return { records, readings, placeClip };
}

/** Only what the service is known to have taken can be finished. */
function hasTask({ taskId }: TaskRecord): boolean {
  return taskId !== undefined;
}

/** What became of one task of several, for people, ending in a newline: what is left to do as exact commands. */
function describeOutcome(outcome: ResumeOutcome): string {
  const name = outcome.record.taskId ?? outcome.record.localId;
  switch (outcome.kind) {
    case 'done':
      return `${name}: ${outcome.result.state === 'skipped' ? 'the file is there already' : 'saved'}\n`;
    case 'dropped':
      return `${name}: was never sent and never charged; closed. The same command sends it again.\n`;
    case 'failed':
      return [`${name}: ${outcome.error.message}`, ...nextSteps(outcome.error)]
        .map((line) => `${line}\n`)
        .join('');
  }
}

function nextSteps({ kind, facts }: Extract<ResumeOutcome, { kind: 'failed' }>['error']): readonly string[] {
  // Only a person can decide what becomes of an uncertain request, and needs all that is known for it.
  const details = kind === 'unknown' ? (facts.details ?? []) : [];
  const command = facts.resume === undefined ? undefined : quoteCommand(facts.resume);
  return [
    ...details.map((detail) => `  - ${detail}`),
    ...(command === undefined ? [] : [`  continue with: ${command}`]),
  ];
}
