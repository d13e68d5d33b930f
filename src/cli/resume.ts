import type { TaskSnapshot } from '../api/answers.ts';
import { EXIT_CODES, inputError } from '../errors.ts';
import { recordWord, SCHEMA_VERSION, stateWord } from '../report/states.ts';
import type { GenerateDependencies, TaskEvent } from '../task/events.ts';
import { continueId } from '../task/failures.ts';
import { isUncertain, type TaskRecord } from '../task/record.ts';
import { type Decision, findRequest, findTask, requireTaskId, resumeRecords } from '../task/resume.ts';
import { toErrorDocument, toResultDocument } from '../ui/documents.ts';
import type { FlagValues, Invocation } from './flags.ts';
import { formOf, sandboxHint } from './form.ts';
import { type Frame, runInFrame } from './frame.ts';
import { type PlaceClip, planPlaces } from './place-clips.ts';
import { commandAtService, openRecords, otherServiceError } from './records.ts';

/** Polite, and enough to keep a line busy. */
const CONCURRENCY = 4;

/** `evolink resume`: everything unfinished, or what is named. */
export function runResume({ context, args: ids, options }: Invocation): Promise<number> {
  return runInFrame(context, { form: options }, async (frame) => {
    const decision = readDecision(ids, options);
    const names = options.resubmit === undefined ? ids : [options.resubmit];
    if (options.dryRun === true) return writePlan(frame, names, decision);
    return continueTasks(frame, 'resume', names, decision);
  });
}

/** `evolink download`: saves what is finished, without waiting for what is not. */
export function runDownload({ context, args: ids, options }: Invocation): Promise<number> {
  return runInFrame(context, { form: options }, async (frame) => {
    if (ids.length === 0 && options.all !== true)
      throw inputError(
        'evolink download needs task ids, or --all',
        'evolink download --all; evolink status lists what is unsaved',
      );
    return continueTasks(frame, 'download', ids);
  });
}

/** @throws EvolinkError `usage` where it is not clear which request the decision is about */
function readDecision(ids: readonly string[], { resubmit, task }: FlagValues): Decision | undefined {
  if (resubmit !== undefined) {
    const hint = `evolink resume --resubmit ${resubmit}`;
    if (task !== undefined) throw inputError('--task and --resubmit are two decisions: make one', hint);
    if (ids.length > 0) throw inputError('--resubmit takes one request and no other ids', hint);
    return { kind: 'resubmit' };
  }
  if (task === undefined) return undefined;
  if (ids.length !== 1)
    throw inputError(
      '--task needs the id of the one request that the task is of',
      `evolink resume ID --task ${task}`,
    );
  return { kind: 'claim', taskId: requireTaskId(task) };
}

type Verb = 'resume' | 'download';

/** What has become of tasks, in the order of the summary. */
const WORDS = ['saved', 'skipped', 'never sent', 'still running', 'not saved'] as const;

/**
 * Continues the named tasks, or all that are open. One is reported as a command of its own would be; several end with a
 * summary.
 * @param decision then nothing but what is known here can be meant
 * @returns 0 when all are done, the exit code of the only one, or `partial`
 */
async function continueTasks(
  frame: Frame,
  verb: Verb,
  named: readonly string[],
  decision?: Decision,
): Promise<number> {
  const { context, options, reporter, session } = frame;
  const isDownload = verb === 'download';
  const ids = [...new Set(named)];
  const open = ids.length > 0 ? [] : await openOwnRecords(frame, verb);
  const placeClip = planPlaces(frame, ids.length || open.length, ids.length > 0);
  const found = await findNamed(frame, verb, ids, decision, placeClip);
  const records = [...open, ...found.keys()];
  const [only] = records;
  if (only === undefined) {
    const hint = sandboxHint(session.stateFolder, session.isSandbox);
    reporter.note(['nothing is unfinished', hint].filter(Boolean).join('\n'));
    await reporter.print('results', { ok: true, tasks: [] }, '');
    return 0;
  }
  const isSingle = records.length === 1;
  if (isSingle) frame.noteRecord(only);
  const connected = await session.dependencies(isSingle ? reporter.event : () => undefined);
  const limits = { ...connected.limits, acceptsUnverified: isDownload ? options.unverified : undefined };
  const deps: GenerateDependencies = { ...connected, limits };
  /** With several tasks only what a person must know is said while they run, each with its task. */
  const warningsOf = (record: TaskRecord) => (event: TaskEvent) => {
    if (event.kind !== 'warning') return;
    reporter.event({ ...event, message: `${continueId(record)}: ${event.message}` });
  };
  const outcomes = await resumeRecords(records, {
    placeClip,
    decision,
    concurrency: CONCURRENCY,
    signal: context.signals.signal,
    waitTimeoutMs: isDownload ? 0 : session.settings.timeoutMs.value,
    readings: new Map([...found].flatMap(([{ localId }, reading]) => (reading ? [[localId, reading]] : []))),
    forRecord: (record) => (isSingle ? deps : { ...deps, emit: warningsOf(record) }),
    onOutcome: (outcome) => {
      if ((isSingle && outcome.kind !== 'dropped') || formOf(options) !== 'human') return;
      const name = continueId(outcome.record);
      if (outcome.kind === 'failed') void reporter.failed(outcome.error);
      else if (outcome.kind === 'done') reporter.note(`${name}: ${outcome.result.state}`);
      else
        reporter.note(`${name}: was never sent and never charged; closed. The same command sends it again.`);
      // As they are saved, so that a pipe can go on with the first while the last still runs.
      const paths = outcome.kind === 'done' ? outcome.result.paths : [];
      for (const path of paths ?? []) void context.io.stdout.write(`${path}\n`);
    },
  });
  const [first] = outcomes;
  if (isSingle && first?.kind === 'failed') throw first.error;
  if (isSingle && first?.kind === 'done') {
    await reporter.result(first.result);
    return 0;
  }
  const words = outcomes.map((outcome): (typeof WORDS)[number] => {
    if (outcome.kind === 'done') return outcome.result.state === 'skipped' ? 'skipped' : 'saved';
    if (outcome.kind === 'dropped') return 'never sent';
    // Tasks that still run are no failure where nobody asked to wait for them.
    const isFine = isDownload && options.all === true && outcome.error.kind === 'pending';
    return isFine ? 'still running' : 'not saved';
  });
  const counts = WORDS.map((word) => `${words.filter((each) => each === word).length} ${word}`);
  if (!isSingle) reporter.note(counts.filter((count) => !count.startsWith('0 ')).join(', '));
  const isBad = words.includes('not saved');
  const tasks = outcomes.map((outcome) => {
    if (outcome.kind === 'done') return toResultDocument(outcome.result);
    if (outcome.kind === 'failed') return toErrorDocument(session.commands.inError(outcome.error));
    const { localId: local_id } = outcome.record;
    return { schema_version: SCHEMA_VERSION, ok: true, local_id, state: 'not_sent' };
  });
  await reporter.print('results', { ok: !isBad, tasks }, '');
  return isBad ? EXIT_CODES.partial.exit : 0;
}

/** All that is open at this command's service; what is elsewhere is named, never asked about here. */
async function openOwnRecords(frame: Frame, verb: Verb): Promise<readonly TaskRecord[]> {
  const { session, warn } = frame;
  const records = await openRecords(frame);
  for (const record of records) {
    if (session.isOwn(record)) continue;
    const command = commandAtService(record, verb);
    warn(`skipped ${continueId(record)}: it belongs to another service; resume it with: ${command}`);
  }
  // Only what the service is known to have accepted can be downloaded.
  return records.filter(
    (record) => session.isOwn(record) && (verb === 'resume' || record.taskId !== undefined),
  );
}

/** The records of ids, also of those that only the service knows, with what it has just said of them. */
async function findNamed(
  { context, options, session, reporter }: Frame,
  verb: Verb,
  ids: readonly string[],
  decision: Decision | undefined,
  placeClip: PlaceClip,
): Promise<ReadonlyMap<TaskRecord, TaskSnapshot | undefined>> {
  const found = new Map<TaskRecord, TaskSnapshot | undefined>();
  if (ids.length === 0) return found;
  for (const id of ids) {
    const known = await session.journal.find(id);
    if (known !== undefined && !session.isOwn(known)) throw otherServiceError(known, verb, session.baseUrl);
  }
  if (decision !== undefined) {
    for (const id of ids) found.set(await findRequest(session, id), undefined);
    return found;
  }
  const deps = await session.dependencies(reporter.event);
  const how = {
    placeClip,
    hasSidecar: session.settings.hasSidecar.value,
    // A place that is named here is where the clip is wanted, wherever it was saved before.
    isAgain: verb === 'download' || options.output !== undefined,
    signal: context.signals.signal,
  };
  for (const id of ids) {
    const { record, reading } = await findTask(deps, id, how);
    found.set(record, reading);
  }
  return found;
}

const SETTLE = 'look for its task in the task list, then wait and save';

/** What `resume` does with a record; one in any other state has ended. */
const NEXT_STEPS: { readonly [State in TaskRecord['state']]?: string } = {
  intent: 'close it: it was never sent',
  sent: SETTLE,
  unknown: SETTLE,
  dismissed: SETTLE,
  accepted: 'wait and save',
  completed: 'save',
};

/** `evolink resume --dry-run`: what would be done. Needs no key, contacts nobody. */
async function writePlan(
  frame: Frame,
  ids: readonly string[],
  decision: Decision | undefined,
): Promise<number> {
  const { session, reporter } = frame;
  const toTask = (record: TaskRecord) => ({
    id: continueId(record),
    state: recordWord(record.state),
    next_step: nextStep(frame, record, decision),
  });
  const find = async (id: string) => {
    const record = await (decision === undefined ? session.journal.find(id) : findRequest(session, id));
    const next_step = 'ask the service for it, wait and save';
    return record === undefined ? { id, state: 'not known here', next_step } : toTask(record);
  };
  const tasks = ids.length === 0 ? (await openRecords(frame)).map(toTask) : await Promise.all(ids.map(find));
  const lines = tasks.map(({ id, state, next_step: step }) => `${id}  ${stateWord(state)}: ${step}\n`);
  await reporter.print('resume-plan', { dry_run: true, tasks }, lines.join(''));
  reporter.note(lines.length === 0 ? 'nothing is unfinished' : 'dry run: nothing was done');
  return 0;
}

function nextStep({ session }: Frame, record: TaskRecord, decision: Decision | undefined): string {
  if (!session.isOwn(record))
    return `nothing: it belongs to another service; resume it with: ${commandAtService(record, 'resume')}`;
  if (decision === undefined || !isUncertain(record))
    return NEXT_STEPS[record.state] ?? `nothing: it is ${record.state}`;
  return decision.kind === 'claim'
    ? `take ${decision.taskId} as its task, then wait and save`
    : 'look for its task in the task list, send it again where there is none, then wait and save';
}
