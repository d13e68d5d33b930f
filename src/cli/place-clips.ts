import { lstat } from 'node:fs/promises';
import {
  knownPath,
  OUTPUT_FIELDS,
  type OutputFields,
  type OutputPlan,
  planOutput,
} from '../config/output.ts';
import { inputError } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { isFolder } from '../platform/folders.ts';
import type { Io } from '../platform/io.ts';
import type { GenerationRequest } from '../request/fields.ts';
import type { JobEntry } from '../run/expand.ts';
import type { TaskRecord } from '../task/record.ts';
import { fieldsOf } from '../task/save.ts';
import type { FlagValues } from './flags.ts';
import { formOf } from './form.ts';
import { keepInsideProject } from './outside-project.ts';
import type { Session } from './session.ts';

/** The fields of a pattern that a single request has: those of a job file's jobs are not among them. */
const SINGLE_FIELDS = OUTPUT_FIELDS.filter((field) => field !== 'job' && field !== 'index');

/** The fields of an output as far as a request tells them: the id is the service's, the time that of the sending. Pure. */
export function plannedFields(request: GenerationRequest, nowMs: number): OutputFields {
  const { time, ...fields } = fieldsOf({ ...request, createdAtMs: nowMs });
  return fields;
}

/** The places that flags and settings name. */
function createPlaces({ cwd, io }: Context, { settings, config }: Session, options: FlagValues) {
  const onExisting = options.overwrite ? 'overwrite' : options.skipExisting ? 'skip' : 'refuse';
  const plan = async (output: string | undefined, folder = cwd): Promise<OutputPlan> => {
    const planned = await planOutput({ output, cwd: folder, onExisting, isFolder, fields: SINGLE_FIELDS });
    if (planned.kind === 'stdout') checkVideoOnStdout(io, options);
    return planned;
  };
  return {
    onExisting,
    plan,
    /** By the settings, which a project file may have written. */
    async configured(fields: OutputFields, output = settings.output.value): Promise<OutputPlan> {
      const planned = await plan(output);
      const { projectPath } = config.locations;
      keepInsideProject(planned, settings.output, projectPath, fields);
      return planned;
    },
  } as const;
}

/** Where the clip of one request goes: by the command line, else its job file, else the settings. */
export function planSingleOutput(
  context: Context,
  session: Session,
  options: FlagValues,
  entry: Pick<JobEntry, 'output' | 'baseFolder'>,
  fields: OutputFields,
): Promise<OutputPlan> {
  const places = createPlaces(context, session, options);
  if (options.output !== undefined) return places.plan(options.output);
  return entry.output === undefined ? places.configured(fields) : places.plan(entry.output, entry.baseFolder);
}

/** Where a clip goes, by what its record says, if there is one. */
export type PlaceClip = (known?: TaskRecord) => Promise<OutputPlan>;

/**
 * Where the clips of earlier commands go: where this command line says, else where they were to go. Standard output and
 * "leave an existing file" were meant for the command that said so: its pipe is gone, and a clip that was paid for is to be
 * saved. Such a clip gets the name that it would have had without `-o`.
 * @param count how many clips are to be saved
 * @param isNamed tasks were named one by one, not taken as they come
 * @throws EvolinkError `usage` for one place and several clips, and as `checkVideoOnStdout`
 */
export async function planPlaces(
  context: Context,
  session: Session,
  options: FlagValues,
  count: number,
  isNamed: boolean,
): Promise<PlaceClip> {
  const { output } = options;
  const places = createPlaces(context, session, options);
  if (output !== undefined) {
    const plan = await places.plan(output);
    if (plan.kind === 'stdout' && !isNamed)
      throw inputError(
        '-o - is for the clip of one task, and none is named',
        'evolink status lists the ids; to save all to files, leave out -o -',
      );
    if (count > 1 && (plan.kind === 'stdout' || !plan.pattern.includes('{')))
      throw inputError(
        `-o "${output}" is one place for ${count} clips`,
        'name a folder or a template: -o clips/ or -o "clips/{id}.mp4"',
      );
    return async () => plan;
  }
  const { value } = session.settings.output;
  return async (known) => {
    if (known?.output.kind !== 'file')
      return places.configured(known === undefined ? {} : fieldsOf(known), value === '-' ? undefined : value);
    const isStill = places.onExisting === 'refuse' && (await mayStillReplace(known));
    return { ...known.output, onExisting: isStill ? 'overwrite' : places.onExisting };
  };
}

/**
 * An earlier `--overwrite` was for the file that was there then. What has come to its name since, such as the clip of a
 * later request, was paid for as well, and is never replaced unasked.
 */
async function mayStillReplace(record: TaskRecord): Promise<boolean> {
  const { output, createdAtMs } = record;
  if (output.kind !== 'file' || output.onExisting !== 'overwrite') return false;
  const path = knownPath(output, fieldsOf(record));
  const stats = path === undefined ? undefined : await lstat(path).catch(() => undefined);
  return stats === undefined || Math.max(stats.mtimeMs, stats.ctimeMs) <= createdAtMs;
}

/**
 * Refuses `-o -` where standard output is not free for a video: nobody can watch bytes on a terminal, and two things
 * can't have it at once.
 * @throws EvolinkError `usage`; nothing was sent
 */
function checkVideoOnStdout({ stdout }: Pick<Io, 'stdout'>, options: FlagValues): void {
  const form = formOf(options);
  if (form !== 'human')
    throw inputError(
      `-o - puts the video on standard output, where --${form} would be as well`,
      `leave out --${form}, or save to a file`,
    );
  if (stdout.isTty)
    throw inputError(
      '-o - puts the video on standard output, which is a terminal',
      'pipe it into a program or a file (-o - | ffplay -), or name a file: -o clip.mp4',
    );
}
