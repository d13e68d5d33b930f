import { dirname } from 'node:path';
import type { KeyPath } from '../request/body-reader.ts';
import { describeValue } from '../request/describe-value.ts';
import type { Problem, Sourced } from '../request/types.ts';
import { type JobDocument, type JobObject, readJobDocument } from './job-document.ts';
import { type MergedJob, mergeDefaults } from './merge-defaults.ts';
import { pickJob } from './pick-job.ts';

export interface JobFileText {
  /** Absolute. */
  readonly path: string;
  /** The file as messages name it. Default: the path. */
  readonly label?: string | undefined;
  readonly text: string;
  /** `--job NAME`. */
  readonly jobName?: string | undefined;
}

export interface FileJob {
  readonly name?: string | undefined;
  /** The keys of the request, for `draftFromBody`: unknown keys are still in it. */
  readonly value: JobObject;
  /** Absolute: relative media and outputs start here. */
  readonly baseFolder: string;
  readonly output?: Sourced<string> | undefined;
  /** Where a key of `value` stands: `prompt (job.yaml:4:3)`, `jobs.hero.prompt (…)`, `defaults.quality (…)`. */
  readonly describe: (keyPath: KeyPath) => string;
}

export interface JobFileReading {
  /** Present beside problems where the rest can still be checked. */
  readonly job?: FileJob | undefined;
  readonly problems: readonly Problem[];
}

/** Keys that say what to do with the request, not what it is. */
const CONTROL_KEYS = ['name', 'output'];
/** What only the planner of `evolink run` expands. */
const PLANNER_KEYS = ['matrix', 'for_each', 'vars'];
const VARIABLE = /\{\{\s*[\p{L}_][\p{L}\p{N}_.-]*\s*\}\}/u;
const USE_RUN = 'is expanded by `evolink run` only; a single command takes a job without it';

/**
 * Reads one job from the text of a job file (`version: 1`), a single job, a JSON body as the API documents it, or a
 * sidecar. `defaults` lie under the job. Pure, never throws; all problems at once, each with its place.
 */
export function readJobFile({ path, label = path, text, jobName }: JobFileText): JobFileReading {
  const { document, problems } = readJobDocument(label, text);
  if (document === undefined) return { problems };
  if (document.jobs.length === 0 && problems.length > 0) return { problems };
  const picked = pickJob(document, jobName);
  if ('message' in picked) return { problems: [...problems, picked] };
  const job = mergeDefaults(picked, document.defaults);
  const describe = describer(document, job);
  const value = Object.fromEntries(
    Object.entries(job.value).filter(([key]) => !CONTROL_KEYS.includes(key) && !PLANNER_KEYS.includes(key)),
  );
  const found: Problem[] = document.kind === 'sidecar' ? [] : plannerProblems(job.value, describe);
  const name = readText(job, 'name', { describe, problems: found });
  const output = readText(job, 'output', { describe, problems: found });
  return {
    job: { name: job.name ?? name?.value, value, baseFolder: dirname(path), output, describe },
    problems: [...problems, ...found],
  };
}

/** Keys of `defaults` are placed where they stand, all others below the job. */
function describer({ places }: JobDocument, { keyPath, inherited }: MergedJob): (keyPath: KeyPath) => string {
  return (inner) => {
    const isInherited = inner.length > 0 && inherited.has(String(inner[0]));
    return places.describe([...(isInherited ? ['defaults'] : keyPath), ...inner]);
  };
}

interface Reporting {
  readonly describe: (keyPath: KeyPath) => string;
  readonly problems: Problem[];
}

function readText(
  { value }: MergedJob,
  key: string,
  { describe, problems }: Reporting,
): Sourced<string> | undefined {
  if (!Object.hasOwn(value, key)) return undefined;
  const raw = value[key];
  const source = describe([key]);
  if (typeof raw === 'string' && raw.trim() !== '') return { value: raw, source };
  problems.push({ source, value: describeValue(raw), message: 'must be text' });
  return undefined;
}

function plannerProblems(value: JobObject, describe: (keyPath: KeyPath) => string): Problem[] {
  return Object.entries(value).flatMap(([key, inner]) =>
    PLANNER_KEYS.includes(key)
      ? [{ source: describe([key]), message: USE_RUN }]
      : variables(inner, [key]).map((keyPath) => ({
          source: describe(keyPath),
          message: `holds a {{variable}}, which ${USE_RUN}`,
        })),
  );
}

/** The places of all texts with a `{{name}}`. */
function variables(value: unknown, keyPath: KeyPath): readonly KeyPath[] {
  if (typeof value === 'string') return VARIABLE.test(value) ? [keyPath] : [];
  if (typeof value !== 'object' || value === null) return [];
  const entries: readonly (readonly [string | number, unknown])[] = Array.isArray(value)
    ? value.map((item: unknown, index) => [index, item] as const)
    : Object.entries(value);
  return entries.flatMap(([key, inner]) => variables(inner, [...keyPath, key]));
}
