import { realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Settings } from '../config/load.ts';
import { fillPattern, type OutputFields, type OutputPlan } from '../config/output.ts';
import { EvolinkError } from '../errors.ts';
import { createRealFolders, isInside, realFolder } from '../platform/folders.ts';
import type { Job } from '../run/job.ts';

/** Where an output really goes that leads out of a folder, by its words or through a link; undefined where it stays. */
function findOutside(plan: OutputPlan, baseFolder: string, fields: OutputFields) {
  if (plan.kind === 'stdout') return undefined;
  const wanted = dirname(fillPattern(plan, fields, (field) => `{${field}}`));
  const [root, folder] = [realFolder(baseFolder), realFolder(wanted)];
  return isInside(root, folder) ? undefined : { folder, root };
}

/**
 * An output of a project file stays below the file's folder, also where links really lead: a repository from somebody else
 * must not decide where on the disk files are written. (What the words alone say is judged when the file is read.)
 * @param setting that the plan comes from
 * @param fields what is known of them by now
 * @throws EvolinkError `usage`
 */
export function keepInsideProject(
  plan: OutputPlan,
  setting: Settings['output'],
  projectPath: string | undefined,
  fields: OutputFields,
): void {
  if (setting.level !== 'project' || projectPath === undefined) return;
  const outside = findOutside(plan, dirname(projectPath), fields);
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
export function outputWarnings(...output: Parameters<typeof findOutside>): readonly string[] {
  const outside = findOutside(...output);
  return outside === undefined
    ? []
    : [`output: "${outside.folder}" is outside of the folder of the job file, and the clip is written there`];
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

/** Names the hosts that job files have told of the end of their jobs: with the task, they learn its links. */
export function callbackWarnings(jobs: readonly Job[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const { entry, request } of jobs) {
    const { callback_url: address } = request.body;
    const isOfFile = entry.value.callback_url !== undefined && entry.typed?.callback_url === undefined;
    if (!isOfFile || address === undefined) continue;
    const { origin } = new URL(address);
    counts.set(origin, (counts.get(origin) ?? 0) + 1);
  }
  return [...counts].map(
    ([origin, count]) => `callback: ${origin} is told how ${count === 1 ? 'a job' : `${count} jobs`} ended`,
  );
}
