import { lstat } from 'node:fs/promises';
import {
  type FilePlan,
  knownPath,
  type OnExisting,
  OUTPUT_FIELDS,
  type OutputFields,
  type OutputPlan,
  planOutput,
} from '../config/output.ts';
import { EvolinkError } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { isFolder } from '../platform/folders.ts';
import type { GenerationRequest } from '../request/fields.ts';
import { toWireBody } from '../request/fingerprint.ts';
import type { JobEntry } from '../run/expand.ts';
import type { TaskRecord } from '../task/record.ts';
import { fieldsOf } from '../task/save.ts';
import type { FlagValues } from './flags.ts';
import { checkVideoOnStdout, type Form } from './form.ts';
import { keepInsideProject } from './outside-project.ts';
import type { Session } from './session.ts';

export type OutputOptions = FlagValues<'output' | 'overwrite' | 'skipExisting'>;

/** The fields of a pattern that a single request has: those of a job file's jobs are not among them. */
const SINGLE_FIELDS = OUTPUT_FIELDS.filter((field) => field !== 'job' && field !== 'index');

/** The fields of an output as far as a request tells them: the id is the service's, the time that of the sending. Pure. */
export function plannedFields(request: GenerationRequest, nowMs: number): OutputFields {
  const { operation } = request;
  const { time, ...fields } = fieldsOf({ operation, body: toWireBody(request), createdAtMs: nowMs });
  return fields;
}

/** What to do with an existing file, by the flags. */
function onExistingOf({ overwrite, skipExisting }: OutputOptions): OnExisting {
  if (overwrite === true) return 'overwrite';
  return skipExisting === true ? 'skip' : 'refuse';
}

interface SingleOutput {
  readonly options: OutputOptions;
  readonly entry: Pick<JobEntry, 'output' | 'baseFolder'>;
  readonly fields: OutputFields;
}

/** Where the clip of one request goes: by the command line, else its job file, else the settings. */
export async function planSingleOutput(
  { cwd }: Context,
  { settings, config }: Session,
  { options, entry, fields }: SingleOutput,
): Promise<OutputPlan> {
  const common = { onExisting: onExistingOf(options), isFolder, fields: SINGLE_FIELDS };
  if (options.output !== undefined) return planOutput({ ...common, output: options.output, cwd });
  if (entry.output !== undefined)
    return planOutput({ ...common, output: entry.output, cwd: entry.baseFolder });
  const setting = settings.output;
  const plan = await planOutput({ ...common, output: setting.value, cwd });
  await keepInsideProject({ plan, setting, projectPath: config.locations.projectPath, fields });
  return plan;
}

/** Where a clip goes, by what its record says, if there is one. */
export type PlaceClip = (known?: TaskRecord) => Promise<OutputPlan>;

export interface PlaceOptions {
  readonly options: OutputOptions;
  readonly form: Form;
  /** How many clips are to be saved. */
  readonly count: number;
  /** Tasks were named one by one, not taken as they come. */
  readonly isNamed: boolean;
}

/**
 * Where the clips of earlier commands go: where this command line says, else where they were to go. Standard output and
 * "leave an existing file" were meant for the command that said so: its pipe is gone, and a clip that was paid for is to be
 * saved. Such a clip gets the name that it would have had without `-o`.
 * @throws EvolinkError `usage` for one place and several clips, and as `checkVideoOnStdout`
 */
export async function planPlaces(
  context: Context,
  { settings, config }: Session,
  { options, form, count, isNamed }: PlaceOptions,
): Promise<PlaceClip> {
  const { output } = options;
  const common = { cwd: context.cwd, onExisting: onExistingOf(options), isFolder, fields: SINGLE_FIELDS };
  if (output !== undefined) {
    const plan = await planOutput({ ...common, output });
    if (plan.kind === 'stdout') checkVideoOnStdout(context.io, form);
    const isOneFile = plan.kind === 'stdout' || !plan.pattern.includes('{');
    if (plan.kind === 'stdout' && !isNamed) throw needsTask();
    if (isOneFile && count > 1) throw tooMany(output, count);
    return async () => plan;
  }
  const { projectPath } = config.locations;
  const configured = settings.output.value === '-' ? undefined : settings.output.value;
  return async (known) => {
    if (known?.output.kind !== 'file') {
      const plan = await planOutput({ ...common, output: configured });
      const fields = known === undefined ? {} : fieldsOf(known);
      await keepInsideProject({ plan, setting: settings.output, projectPath, fields });
      return plan;
    }
    const asked = onExistingOf(options);
    const isStill = asked === 'refuse' && (await mayStillReplace(known, known.output));
    return { ...known.output, onExisting: isStill ? 'overwrite' : asked };
  };
}

/**
 * An earlier `--overwrite` was for the file that was there then. What has come to its name since, such as the clip of a
 * later request, was paid for as well, and is never replaced unasked.
 */
async function mayStillReplace(record: TaskRecord, output: FilePlan): Promise<boolean> {
  if (output.onExisting !== 'overwrite') return false;
  const path = knownPath(output, fieldsOf(record));
  const changedAtMs = path === undefined ? undefined : await changeTimeMs(path);
  return changedAtMs === undefined || changedAtMs <= record.createdAtMs;
}

/** When a file got its name or its content; undefined where there is none. */
async function changeTimeMs(path: string): Promise<number | undefined> {
  try {
    const { mtimeMs, ctimeMs } = await lstat(path);
    return Math.max(mtimeMs, ctimeMs);
  } catch {
    return undefined;
  }
}

function needsTask(): EvolinkError {
  return new EvolinkError('usage', '-o - is for the clip of one task, and none is named', {
    hint: 'evolink status lists the ids; to save all to files, leave out -o -',
    charged: 'no',
  });
}

function tooMany(output: string, count: number): EvolinkError {
  return new EvolinkError('usage', `-o "${output}" is one place for ${count} clips`, {
    hint: 'name a folder or a template: -o clips/ or -o "clips/{id}.mp4"',
    charged: 'no',
  });
}
