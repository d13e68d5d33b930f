import { realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Settings } from '../config/load.ts';
import { fillPattern, type OutputFields, type OutputPlan } from '../config/output.ts';
import { EvolinkError } from '../errors.ts';
import { isInside, realFolder } from '../platform/folders.ts';
import type { Job } from '../run/job.ts';

/** Where an output really goes that leads out of a folder, by its words or through a link; undefined where it stays. */
async function findOutside(plan: OutputPlan, baseFolder: string, fields: OutputFields) {
  if (plan.kind === 'stdout') return undefined;
  const wanted = dirname(fillPattern(plan, fields, (field) => `{${field}}`));
  const [root, folder] = await Promise.all([realFolder(baseFolder), realFolder(wanted)]);
  return isInside(root, folder) ? undefined : { folder, root };
}

interface ProjectOutput {
  readonly plan: OutputPlan;
  /** The setting that the plan comes from. */
  readonly setting: Settings['output'];
  /** Absolute path of the project file. */
  readonly projectPath: string | undefined;
  /** What is known of the fields by now. */
  readonly fields: OutputFields;
}

/**
 * An output of a project file stays below the file's folder, also where links really lead: a repository from somebody else
 * must not decide where on the disk files are written. (What the words alone say is judged when the file is read.)
 * @throws EvolinkError `usage`
 */
export async function keepInsideProject(output: ProjectOutput): Promise<void> {
  const { plan, setting, projectPath, fields } = output;
  if (setting.level !== 'project' || projectPath === undefined) return;
  const outside = await findOutside(plan, dirname(projectPath), fields);
  if (outside === undefined) return;
  const { folder, root } = outside;
  throw new EvolinkError(
    'usage',
    `output from ${setting.source} leads through a link to "${folder}", out of ${root}: a project file may only write below its own folder`,
    { hint: `if you trust it, name the place yourself: -o "${folder}/"`, charged: 'no' },
  );
}

/**
 * Says where the output that a job file names really is, if that is outside of the file's folder. Not refused, as people
 * write `../clips`; said, as a job file may come from somebody else.
 */
export async function outputWarnings(...output: Parameters<typeof findOutside>): Promise<readonly string[]> {
  const outside = await findOutside(...output);
  return outside === undefined
    ? []
    : [`output: "${outside.folder}" is outside of the folder of the job file, and the clip is written there`];
}

/** Names each local file that a job file would have uploaded from outside of its folder, by where links really lead. */
export async function uploadWarnings(
  paths: Iterable<string>,
  baseFolder: string,
): Promise<readonly string[]> {
  const distinct = [...new Set(paths)];
  if (distinct.length === 0) return [];
  const root = await realFolder(baseFolder);
  const reals = await Promise.all(distinct.map((path) => realpath(path).catch(() => path)));
  return [...new Set(reals)]
    .filter((real) => !isInside(root, real))
    .map((real) => `"${real}" is outside of the folder of the job file, and would be uploaded`);
}

/** The same for all jobs of a run, each file once. */
export async function planUploadWarnings(jobs: readonly Job[]): Promise<readonly string[]> {
  const warnings: string[] = [];
  for (const folder of new Set(jobs.map(({ entry }) => entry.baseFolder))) {
    const ofFolder = jobs.filter(({ entry }) => entry.baseFolder === folder);
    const paths = ofFolder.flatMap(({ media }) => media.local.map(({ path }) => path));
    warnings.push(...(await uploadWarnings(paths, folder)));
  }
  return warnings;
}

/** Names the hosts that job files have told of the end of their jobs: with the task, they learn its links. */
export function callbackWarnings(jobs: readonly Job[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const { entry, request } of jobs) {
    if (entry.value.callback_url === undefined || request.callbackUrl === undefined) continue;
    const { origin } = new URL(request.callbackUrl);
    counts.set(origin, (counts.get(origin) ?? 0) + 1);
  }
  return [...counts].map(
    ([origin, count]) => `callback: ${origin} is told how ${count === 1 ? 'a job' : `${count} jobs`} ended`,
  );
}
