import { realpath } from 'node:fs/promises';
import { basename, dirname, extname, resolve } from 'node:path';
import { readTextFile } from '../config/read-text-file.ts';
import { MAX_YAML_BYTES } from '../config/read-yaml.ts';
import { isInside } from '../platform/is-inside.ts';
import { realFolder } from '../platform/real-folder.ts';
import type { Problem } from '../request/types.ts';
import { type ExpandedJob, expandJobs, nameOf } from './expand-jobs.ts';
import { type JobDocument, readJobDocument } from './job-document.ts';
import { type Row, readRows } from './read-rows.ts';

/** So many jobs files expand to unless told otherwise. */
export const DEFAULT_MAX_JOBS = 10_000;

/** A job with the file that it comes from. */
export interface FileJobEntry extends ExpandedJob {
  /** The file as the person named it. */
  readonly file: string;
  /** Absolute: relative media and outputs start here. */
  readonly baseFolder: string;
}

export interface JobFilesReading {
  readonly jobs: readonly FileJobEntry[];
  readonly problems: readonly Problem[];
  /** Files of rows that lie outside of the folder of their job file. */
  readonly warnings: readonly string[];
}

export interface JobFilesOptions {
  readonly cwd: string;
  readonly maxJobs: number;
}

/**
 * Reads job files, and the files of rows that they name, into the jobs of a run. All problems of all files at once.
 * @throws EvolinkError `usage` for a job file that can't be read
 */
export async function readJobFiles(
  paths: readonly string[],
  options: JobFilesOptions,
): Promise<JobFilesReading> {
  const jobs: FileJobEntry[] = [];
  const problems: Problem[] = [];
  const warnings: string[] = [];
  for (const path of paths) {
    const reading = await readOne(path, { ...options, maxJobs: options.maxJobs - jobs.length });
    jobs.push(...reading.jobs);
    problems.push(...reading.problems);
    warnings.push(...reading.warnings);
  }
  const named = paths.length > 1 ? tellFilesApart(jobs) : jobs;
  return { jobs: named, problems: [...problems, ...doubleNames(named)], warnings };
}

async function readOne(path: string, { cwd, maxJobs }: JobFilesOptions): Promise<JobFilesReading> {
  const absolutePath = resolve(cwd, path);
  const { text } = await readTextFile(absolutePath, { label: 'job file', maxBytes: MAX_YAML_BYTES });
  const { document, problems } = readJobDocument(path, text);
  if (document === undefined) return { jobs: [], problems, warnings: [] };
  const baseFolder = dirname(absolutePath);
  const fileName = basename(path, extname(path));
  const found = await rowsOf(document, { baseFolder, fileName });
  const expanded = expandJobs(document, { rows: found.rows, fileName, maxJobs });
  return {
    jobs: expanded.jobs.map((job) => ({ ...job, file: path, baseFolder })),
    problems: [...problems, ...found.problems, ...expanded.problems],
    warnings: found.warnings,
  };
}

async function rowsOf(
  document: JobDocument,
  place: { readonly baseFolder: string; readonly fileName: string },
) {
  const rows = new Map<string, readonly Row[]>();
  const problems: Problem[] = [];
  const warnings = new Set<string>();
  for (const job of document.jobs) {
    if (!Object.hasOwn(job.value, 'for_each')) continue;
    const reading = await readRows({
      value: job.value.for_each,
      keyPath: [...job.keyPath, 'for_each'],
      describe: (keyPath) => document.places.describe(keyPath),
      baseFolder: place.baseFolder,
    });
    rows.set(nameOf(job, place), reading.rows);
    problems.push(...reading.problems);
    const outside = await outsideRows(job.value.for_each, place.baseFolder);
    if (outside !== undefined) warnings.add(outside);
  }
  return { rows, problems, warnings: [...warnings] };
}

/** Not refused, as projects share lists; said, as a job file may come from somebody else and rows end in prompts. */
async function outsideRows(value: unknown, baseFolder: string): Promise<string | undefined> {
  if (typeof value !== 'string') return undefined;
  const path = resolve(baseFolder, value);
  const real = await realpath(path).catch(() => path);
  if (isInside(await realFolder(baseFolder), real)) return undefined;
  return `"${real}" is outside of the folder of the job file, and its rows are read (for_each)`;
}

/** Names that occur in several files get the name of their file. */
function tellFilesApart(jobs: readonly FileJobEntry[]): readonly FileJobEntry[] {
  const files = new Map<string, Set<string>>();
  for (const { name, file } of jobs) files.set(name, (files.get(name) ?? new Set()).add(file));
  return jobs.map((job) => {
    if ((files.get(job.name)?.size ?? 0) < 2) return job;
    return { ...job, name: `${basename(job.file, extname(job.file))}/${job.name}` };
  });
}

function doubleNames(jobs: readonly FileJobEntry[]): readonly Problem[] {
  const seen = new Set<string>();
  const reported = new Set<string>();
  return jobs.flatMap(({ name, describe }): Problem[] => {
    if (!seen.has(name)) {
      seen.add(name);
      return [];
    }
    if (reported.has(name)) return [];
    reported.add(name);
    return [
      { source: describe([]), value: name, message: 'is the name of several jobs; names tell jobs apart' },
    ];
  });
}
