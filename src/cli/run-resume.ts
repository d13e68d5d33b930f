import { isFolder } from '../download/is-folder.ts';
import { planOutput } from '../download/plan-output.ts';
import type { OutputPlan } from '../download/types.ts';
import { EvolinkError } from '../errors.ts';
import { findTask } from '../generate/find-tasks.ts';
import type { TaskRecord } from '../journal/record.ts';
import { type Frame, runInFrame } from './command-frame.ts';
import type { Context } from './context.ts';
import { createDependencies } from './dependencies.ts';
import { type FormOptions, formOf } from './form.ts';
import { openRecords } from './open-records.ts';
import { type OutputOptions, onExistingOf } from './prepare-job.ts';
import { resumeMany } from './resume-many.ts';
import { writeResumePlan } from './resume-plan.ts';

export interface ResumeCommandOptions extends FormOptions, OutputOptions {
  readonly timeout?: string;
  readonly resubmit?: string;
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
    const isResubmitting = options.resubmit !== undefined;
    if (isResubmitting && ids.length > 0) {
      throw new EvolinkError('usage', '--resubmit takes one request and no other ids', {
        hint: `evolink resume --resubmit ${options.resubmit}`,
        charged: 'no',
      });
    }
    const wanted = options.resubmit === undefined ? ids : [options.resubmit];
    if (options.dryRun === true)
      return writeResumePlan(context, { frame, ids: wanted, form: formOf(options) });
    const records =
      wanted.length > 0
        ? await recordsOf(context, frame, { ids: wanted, options })
        : await openRecords(frame);
    return resumeMany(context, records, {
      frame,
      form: formOf(options),
      waitTimeoutMs: frame.session.settings.timeoutMs.value,
      isResubmitting,
      isPendingFine: false,
    });
  });
}

export interface NamedTasks {
  readonly ids: readonly string[];
  readonly options: OutputOptions;
  /** Saved tasks are saved once more. */
  readonly isAgain?: boolean;
}

/** The records of ids, also of those that only the service knows. */
export async function recordsOf(
  context: Context,
  frame: Frame,
  { ids, options, isAgain = false }: NamedTasks,
): Promise<readonly TaskRecord[]> {
  const output = await outputOf(context, ids, options);
  const deps = await createDependencies(context, frame.session, frame.reporter.event);
  const find = (id: string) =>
    findTask(deps, id, {
      output,
      workingFolder: context.cwd,
      hasSidecar: frame.session.settings.hasSidecar.value,
      isAgain,
    });
  const records: TaskRecord[] = [];
  for (const id of new Set(ids)) records.push(await find(id));
  return records;
}

async function outputOf(
  context: Context,
  ids: readonly string[],
  options: OutputOptions,
): Promise<OutputPlan | undefined> {
  const onExisting = onExistingOf(options);
  if (options.output === undefined && onExisting === 'refuse') return undefined;
  const plan = await planOutput({ output: options.output, cwd: context.cwd, onExisting, isFolder });
  const isOneFile = plan.kind === 'stdout' || !plan.pattern.includes('{');
  if (ids.length > 1 && isOneFile) {
    throw new EvolinkError('usage', `-o "${options.output}" is one place for ${ids.length} clips`, {
      hint: 'name a folder or a template: -o clips/ or -o "clips/{id}.mp4"',
      charged: 'no',
    });
  }
  return plan;
}
