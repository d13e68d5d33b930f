import type { Problem } from '../request/types.ts';
import type { FileJobEntry } from './read-job-files.ts';
import { type ResolvedJob, type ResolveJobOptions, resolveJob } from './resolve-job.ts';

export interface InvalidJob {
  readonly entry: FileJobEntry;
  readonly problems: readonly Problem[];
}

export interface CheckedJobs {
  readonly jobs: readonly ResolvedJob[];
  readonly invalid: readonly InvalidJob[];
  /** Problems of several jobs together. */
  readonly problems: readonly Problem[];
}

/** Checks every job by itself, and all of them together: two clips can't have one path. */
export async function checkJobs(
  entries: readonly FileJobEntry[],
  options: ResolveJobOptions,
): Promise<CheckedJobs> {
  const folders = new Map<string, Promise<boolean>>();
  const isFolder = (path: string): Promise<boolean> => {
    const known = folders.get(path) ?? options.isFolder(path);
    folders.set(path, known);
    return known;
  };
  const jobs: ResolvedJob[] = [];
  const invalid: InvalidJob[] = [];
  for (const entry of entries) {
    const { job, problems } = await resolveJob(entry, { ...options, isFolder });
    if (job === undefined) invalid.push({ entry, problems });
    else jobs.push(job);
  }
  return { jobs, invalid, problems: findCollisions(jobs) };
}

/** Paths that differ in case only are one file on macOS and Windows, where the same job file may run tomorrow. */
function findCollisions(jobs: readonly ResolvedJob[]): readonly Problem[] {
  const owners = new Map<string, ResolvedJob>();
  return jobs.flatMap((job): Problem[] => {
    const key = job.outputPath.normalize('NFC').toLowerCase();
    const owner = owners.get(key);
    if (owner === undefined) {
      owners.set(key, job);
      return [];
    }
    const { entry, outputPath } = job;
    const same = owner.outputPath === outputPath ? 'is' : 'differs in case only from';
    return [
      {
        source: entry.describe(['output']),
        value: outputPath,
        message: `job ${entry.name}: ${same} the output of job ${owner.entry.name}; tell them apart with {job}, {index}, {ratio} or a {{variable}}`,
      },
    ];
  });
}

/** Problems as they are told: jobs of one matrix share lines, and what is wrong there is said once. */
export function distinctProblems(problems: readonly Problem[]): readonly Problem[] {
  const seen = new Set<string>();
  return problems.filter(({ source, value, message }) => {
    const key = JSON.stringify([source, value, message]);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}
