import { EvolinkError } from '../errors.ts';
import { findRequest, findTask, requireTaskId } from '../generate/find-tasks.ts';
import type { Decision } from '../generate/resume.ts';
import type { TaskRecord } from '../journal/record.ts';
import { type Frame, runInFrame } from './command-frame.ts';
import type { Context } from './context.ts';
import { createDependencies } from './dependencies.ts';
import { type FormOptions, formOf } from './form.ts';
import { openRecords } from './open-records.ts';
import { otherServiceError, ownRecords } from './other-services.ts';
import { type PlaceClip, planPlaces } from './place-clips.ts';
import type { OutputOptions } from './prepare-job.ts';
import { resumeMany } from './resume-many.ts';
import { writeResumePlan } from './resume-plan.ts';

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
  const flags = { timeout: options.timeout, sidecar: options.sidecar };
  return runInFrame(context, { form: options, flags }, async (frame) => {
    const decision = readDecision(ids, options);
    const wanted = options.resubmit === undefined ? ids : [options.resubmit];
    if (options.dryRun === true)
      return writeResumePlan(context, { frame, ids: wanted, form: formOf(options), decision });
    const { records, placeClip } = await chooseTasks(context, frame, {
      ids: wanted,
      options,
      verb: 'resume',
      // A place that is named here is where the clip is wanted, wherever it was saved before.
      isAgain: options.output !== undefined,
      isDecided: decision !== undefined,
    });
    return resumeMany(context, records, {
      placeClip,
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
  return { records: await namedRecords(context, frame, { ...choice, ids, placeClip }), placeClip };
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
): Promise<readonly TaskRecord[]> {
  for (const id of ids) {
    const known = await session.journal.find(id);
    if (known !== undefined && !session.isOwn(known)) throw otherServiceError(known, verb, session.baseUrl);
  }
  if (isDecided) return Promise.all(ids.map((id) => findRequest(session, id)));
  const deps = await createDependencies(context, session, reporter.event);
  const options = { placeClip, hasSidecar: session.settings.hasSidecar.value, isAgain };
  const records: TaskRecord[] = [];
  for (const id of ids) records.push(await findTask(deps, id, options));
  return records;
}

/** Only what the service is known to have taken can be finished. */
function hasTask({ taskId }: TaskRecord): boolean {
  return taskId !== undefined;
}
