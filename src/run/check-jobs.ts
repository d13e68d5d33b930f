import { basename, dirname } from 'node:path';
import {
  DEFAULT_PATTERN,
  escapePattern,
  fillPattern,
  OUTPUT_FIELDS,
  type OutputFields,
  planOutput,
  toSafeName,
} from '../config/output.ts';
import { EvolinkError, isEvolinkError } from '../errors.ts';
import type { Problem } from '../request/models.ts';
import { fieldsOf } from '../task/save.ts';
import type { JobEntry } from './expand.ts';
import { type Job, mediaProblems, type PriceOptions, priceJob, withPrompt } from './job.ts';

interface CheckOptions extends PriceOptions {
  readonly isFolder: (path: string) => boolean;
  /** The output of jobs that name none, from the configuration; counted from the working folder. */
  readonly output?: { readonly pattern: string; readonly folder: string } | undefined;
  readonly nowMs: number;
}

const MAX_KINDS = 20;
/** The fields whose values are known before the task exists, and the same at each run of a day. */
const FIELDS = OUTPUT_FIELDS.filter((field) => field !== 'id' && field !== 'time');

/**
 * Checks every job by itself, and all of them together: two clips can't have one path. Each valid job gets the one path that
 * its clip has today and tomorrow. `problems`: those of several jobs together.
 */
export async function checkJobs(entries: readonly JobEntry[], options: CheckOptions) {
  /** One of each kind, of the first kinds. */
  const kinds: { readonly job: Job; readonly fields: OutputFields }[] = [];
  const jobs: Job[] = [];
  const invalid: { readonly entry: JobEntry; readonly problems: readonly Problem[] }[] = [];
  for (const entry of entries) {
    const like = kinds.find(({ job }) => isAlike(job.entry, entry));
    const priced = (like && withPrompt(like.job, entry)) ?? (await priceJob(entry, options));
    const { job } = priced;
    const problems = [...priced.problems, ...mediaProblems(priced.reviews, priced.mediaSources)];
    if (job !== undefined) {
      const fields = like?.fields ?? fieldsOf({ ...job.request, createdAtMs: options.nowMs });
      if (like === undefined && kinds.length < MAX_KINDS) kinds.push({ job, fields });
      try {
        place(job, fields, options);
      } catch (error) {
        if (!isEvolinkError(error)) throw error;
        const hint = error.facts.hint === undefined ? '' : ` (${error.facts.hint})`;
        problems.push({ ...entry.locate(['output']), message: `${error.message}${hint}` });
      }
    }
    if (job === undefined || problems.length > 0) invalid.push({ entry, problems });
    else jobs.push(job);
  }
  return { jobs, invalid, problems: findCollisions(jobs) };
}

/** Both ask for the same but for their prompts. */
function isAlike(a: JobEntry, b: JobEntry): boolean {
  const keys = Object.keys(a.value);
  return (
    a.baseFolder === b.baseFolder &&
    keys.length === Object.keys(b.value).length &&
    keys.every((key) => key === 'prompt' || a.value[key] === b.value[key])
  );
}

/** Gives a job its path, with nothing left open in it, so that the same job means the same record at the next run. */
function place(job: Job, fields: OutputFields, { output: configured, isFolder }: CheckOptions): void {
  const { entry, request } = job;
  const { output = configured?.pattern, baseFolder } = entry;
  const cwd = entry.output === undefined ? (configured?.folder ?? baseFolder) : baseFolder;
  const plan = planOutput({ output, cwd, onExisting: 'refuse', isFolder, fields: FIELDS });
  if (plan.kind === 'stdout')
    throw new EvolinkError('usage', 'a run saves files; standard output is for single clips', {
      hint: 'name a folder or a pattern: out/{job}.mp4',
    });
  // A clip that nobody named has the name of its job, which is the same at each run.
  const isUnnamed = plan.pattern.endsWith(DEFAULT_PATTERN);
  const ownName = isUnnamed ? `${escapePattern(toSafeName(entry.name.replaceAll('/', '-')))}.mp4` : '';
  const pattern = isUnnamed ? plan.pattern.slice(0, -DEFAULT_PATTERN.length) + ownName : plan.pattern;
  const tier = fields.tier ?? fields.model;
  const ofJob = { slug: request.body.prompt, tier, job: entry.label, index: String(entry.index) };
  const path = fillPattern({ ...plan, pattern }, { ...fields, ...ofJob });
  job.outputPath = path;
  job.output = { ...plan, folder: dirname(path), pattern: escapePattern(basename(path)) };
  job.isDated = output?.includes('{date}') === true;
}

/** Paths that differ in case only are one file on macOS and Windows, where the same job file may run tomorrow. */
function findCollisions(jobs: readonly Job[]): readonly Problem[] {
  const owners = new Map<string, Job>();
  return jobs.flatMap((job): Problem[] => {
    const { entry, outputPath } = job;
    const key = outputPath.normalize('NFC').toLowerCase();
    const owner = owners.get(key);
    if (owner === undefined) owners.set(key, job);
    if (owner === undefined) return [];
    const same = owner.outputPath === outputPath ? 'is' : 'differs in case only from';
    const message = `job ${entry.name}: ${same} the output of job ${owner.entry.name}; tell them apart with {job}, {index}, {ratio} or a {{variable}}`;
    return [{ ...entry.locate(['output']), value: outputPath, message }];
  });
}

/** Problems as they are told: jobs of one matrix share lines, and what is wrong there is said once. */
export function distinctProblems(problems: readonly Problem[]): readonly Problem[] {
  const distinct = new Map(
    problems.map((problem) => [JSON.stringify([problem.source, problem.value, problem.message]), problem]),
  );
  return [...distinct.values()];
}
