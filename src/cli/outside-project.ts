import { realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fillPattern, type OutputFields, type OutputPlan } from '../config/output.ts';
import type { ResolvedConfig } from '../config/resolve.ts';
import { EvolinkError } from '../errors.ts';
import { isInside, realFolder } from '../platform/folders.ts';
import type { ResolvedJob } from '../run/resolve-job.ts';

interface OutsideFolder {
  /** Where the clip really goes. */
  readonly folder: string;
  /** Where the folder that it should stay below really is. */
  readonly root: string;
}

/** The real folder of an output that leads out of a folder, by its words or through a link; undefined where it stays. */
async function findOutside(
  plan: OutputPlan,
  baseFolder: string,
  fields: OutputFields,
): Promise<OutsideFolder | undefined> {
  if (plan.kind === 'stdout') return undefined;
  const wanted = dirname(fillPattern(plan, fields, (field) => `{${field}}`));
  const [root, folder] = await Promise.all([realFolder(baseFolder), realFolder(wanted)]);
  return isInside(root, folder) ? undefined : { folder, root };
}

export interface ProjectOutput {
  readonly plan: OutputPlan;
  /** The setting that the plan comes from. */
  readonly setting: ResolvedConfig['output'];
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
export async function keepInsideProject({
  plan,
  setting,
  projectPath,
  fields,
}: ProjectOutput): Promise<void> {
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
export async function outputWarnings(
  plan: OutputPlan,
  baseFolder: string,
  fields: OutputFields,
): Promise<readonly string[]> {
  const outside = await findOutside(plan, baseFolder, fields);
  if (outside === undefined) return [];
  return [
    `output: "${outside.folder}" is outside of the folder of the job file, and the clip is written there`,
  ];
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
export async function planUploadWarnings(jobs: readonly ResolvedJob[]): Promise<readonly string[]> {
  const paths = new Map<string, string[]>();
  for (const { entry, media } of jobs) {
    const ofFolder = paths.get(entry.baseFolder) ?? [];
    ofFolder.push(...media.local.map(({ path }) => path));
    paths.set(entry.baseFolder, ofFolder);
  }
  const lists = await Promise.all([...paths].map(([folder, list]) => uploadWarnings(list, folder)));
  return lists.flat();
}

/** Names the hosts that job files have told of the end of their jobs: with the task, they learn its links. */
export function callbackWarnings(jobs: readonly ResolvedJob[]): readonly string[] {
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
