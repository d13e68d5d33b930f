import { lstat, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  fillPattern,
  knownPath,
  OUTPUT_FIELDS,
  type OutputFields,
  type OutputPlan,
  planOutput,
} from '../config/output.ts';
import { inputError } from '../errors.ts';
import { createRealFolders, isFolder, isInside, realFolder } from '../platform/folders.ts';
import type { Job } from '../run/job.ts';
import type { TaskRecord } from '../task/record.ts';
import { fieldsOf } from '../task/save.ts';
import type { FlagValues } from './flags.ts';
import { formOf } from './form.ts';
import type { Frame } from './frame.ts';

/** The fields of a pattern that a single request has: those of a job file's jobs are not among them. */
const SINGLE_FIELDS = OUTPUT_FIELDS.filter((field) => field !== 'job' && field !== 'index');

/** The places that flags and settings name. */
function createPlaces({ context, session }: Frame, options: FlagValues) {
  const { output, ...typed } = options;
  const onExisting = typed.overwrite ? 'overwrite' : typed.skipExisting ? 'skip' : 'refuse';
  const setting = session.settings.output;
  const plan = (place: string | undefined, cwd = context.cwd): OutputPlan => {
    const planned = planOutput({ output: place, cwd, onExisting, isFolder, fields: SINGLE_FIELDS });
    if (planned.kind === 'stdout') checkVideoOnStdout(context.io.stdout.isTty, options);
    return planned;
  };
  return {
    onExisting,
    plan,
    /**
     * By the settings. An output of a project file stays below the file's folder, also where links really lead: a repository
     * from somebody else must not decide where on the disk files are written. (What the words alone say is judged when the
     * file is read.)
     */
    configured(fields: OutputFields, place = setting.value): OutputPlan {
      const planned = plan(place);
      const { projectPath } = session.config.locations;
      if (setting.level !== 'project' || projectPath === undefined) return planned;
      const outside = findOutside(planned, dirname(projectPath), fields);
      if (outside === undefined) return planned;
      const { folder, root } = outside;
      throw inputError(
        `output from ${setting.source} leads through a link to "${folder}", out of ${root}: a project file may only write below its own folder`,
        `if you trust it, name the place yourself: -o "${folder}/"`,
      );
    },
  } as const;
}

/** Where an output really goes that leads out of a folder, by its words or through a link; undefined where it stays. */
function findOutside(plan: OutputPlan, baseFolder: string, fields: OutputFields) {
  if (plan.kind === 'stdout') return undefined;
  const wanted = dirname(fillPattern(plan, fields, (field) => `{${field}}`));
  const [root, folder] = [realFolder(baseFolder), realFolder(wanted)];
  return isInside(root, folder) ? undefined : { folder, root };
}

/**
 * Where the clip of one request goes: by the command line, else its job file, else the settings; with the fields of its name
 * as far as a request tells them: the id is the service's, the time that of the sending. A job file is warned of that leads out
 * of its folder: not refused, as people write `../clips`; said, as it may come from somebody else.
 */
export function placeSingle(frame: Frame, options: FlagValues, { entry, request }: Job) {
  const { time, ...fields } = fieldsOf({ ...request, createdAtMs: frame.context.clock.now() });
  const places = createPlaces(frame, options);
  if (options.output !== undefined) return { output: places.plan(options.output), fields, warnings: [] };
  if (entry.output === undefined) return { output: places.configured(fields), fields, warnings: [] };
  const output = places.plan(entry.output, entry.baseFolder);
  const outside = entry.file === '' ? undefined : findOutside(output, entry.baseFolder, fields);
  const text = `output: "${outside?.folder}" is outside of the folder of the job file, and the clip is written there`;
  return { output, fields, warnings: outside === undefined ? [] : [text] };
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
export function planPlaces(frame: Frame, count: number, isNamed: boolean): PlaceClip {
  const { output } = frame.options;
  const places = createPlaces(frame, frame.options);
  if (output !== undefined) {
    const plan = places.plan(output);
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
  const { value } = frame.session.settings.output;
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
function checkVideoOnStdout(isTty: boolean, options: FlagValues): void {
  const form = formOf(options);
  if (form !== 'human')
    throw inputError(
      `-o - puts the video on standard output, where --${form} would be as well`,
      `leave out --${form}, or save to a file`,
    );
  if (isTty)
    throw inputError(
      '-o - puts the video on standard output, which is a terminal',
      'pipe it into a program or a file (-o - | ffplay -), or name a file: -o clip.mp4',
    );
}

/** Names each local file that job files would have uploaded from outside of their folders, by where links really lead. */
export async function uploadWarnings(
  jobs: readonly Pick<Job, 'entry' | 'media'>[],
): Promise<readonly string[]> {
  const realFolderOf = createRealFolders();
  const reals = new Map<string, string>();
  const outside = new Set<string>();
  for (const { entry, media } of jobs) {
    if (entry.file === '' || media.local.length === 0) continue;
    const typed = Object.values(entry.typed ?? {}).flat();
    for (const { path } of media.local.filter((local) => !typed.includes(local.path))) {
      const real = reals.get(path) ?? (await realpath(path).catch(() => path));
      reals.set(path, real);
      if (!isInside(realFolderOf(entry.baseFolder), real)) outside.add(real);
    }
  }
  return [...outside].map(
    (real) => `"${real}" is outside of the folder of the job file, and would be uploaded`,
  );
}
