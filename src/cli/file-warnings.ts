import { realpath } from 'node:fs/promises';
import type { OutputFields, OutputPlan } from '../download/types.ts';
import type { ResolvedJob } from '../jobs/resolve-job.ts';
import { isInside } from '../platform/is-inside.ts';
import { realFolder } from '../platform/real-folder.ts';
import { findOutside } from './find-outside.ts';

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
