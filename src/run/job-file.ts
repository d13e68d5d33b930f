import { dirname, resolve } from 'node:path';
import { MAX_YAML_BYTES, type Position, readYaml, type YamlDocument } from '../config/yaml.ts';
import { readTextFile } from '../platform/read-file.ts';
import { describeKeyPath, type KeyPath } from '../request/body.ts';
import type { Problem, Sourced } from '../request/models.ts';
import { describeValue, nearest } from '../request/problems.ts';
import { isRedacted } from '../request/public-url.ts';
import { FILE_KEYS } from './job-file-schema.ts';

/** Says where the keys of one file stand. */
interface Places {
  /** `defaults.quality (job.yaml:4:3)`; a key that the file does not have is placed at the nearest one around it. */
  describe(keyPath: KeyPath): string;
  /** The position alone. */
  positionOf(keyPath: KeyPath): Position;
  /** As `describe`, for a known position. */
  at(keyPath: KeyPath, position: Position): string;
}

/** @param label the file as the person named it */
function createPlaces(label: string, document: YamlDocument | undefined): Places {
  const at = (keyPath: KeyPath, { line, column }: Position) => {
    const place = `${label}:${line}:${column}`;
    return keyPath.length === 0 ? place : `${describeValue(describeKeyPath(keyPath))} (${place})`;
  };
  const find = (keyPath: KeyPath): Position => {
    const found = document?.keyAt(keyPath);
    if (found !== undefined) return found;
    if (keyPath.length === 0) return document?.valueAt([]) ?? { line: 1, column: 1 };
    return find(keyPath.slice(0, -1));
  };
  return {
    at,
    positionOf: find,
    describe: (keyPath) => at(keyPath, find(keyPath)),
  };
}

export type JobObject = Readonly<Record<string, unknown>>;

/** A job as it stands in the file: nothing is merged or expanded yet. */
export interface RawJob {
  /** Absent for a file that is one job. */
  readonly name?: string | undefined;
  readonly value: JobObject;
  /** Where it stands: `['jobs', 'hero']`, `['request']`, `[]`. */
  readonly keyPath: KeyPath;
}

/**
 * What a file is. `body`: one job, or a body as the API documents it. `sidecar`: what `--sidecar` wrote; its request is
 * final. `jobs`: a job file.
 */
export interface JobDocument {
  readonly kind: 'body' | 'sidecar' | 'jobs';
  readonly defaults: JobObject;
  /** Variables for all jobs of the file. */
  readonly vars: JobObject;
  readonly jobs: readonly RawJob[];
  readonly places: Places;
}

export interface JobDocumentReading {
  readonly document?: JobDocument | undefined;
  readonly problems: readonly Problem[];
}

const FILE_VERSION = 1;
const KNOWN_KEYS: readonly string[] = FILE_KEYS.map(({ key }) => key);
/** The `kind` of a sidecar, and the newest version of it that is read. */
const SIDECAR = { kind: 'evolink.sidecar', version: 1 } as const;

/** Says whether a value of YAML or JSON is an object. */
export function isJobObject(value: unknown): value is JobObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Reads the text of a job file into its raw jobs. Pure, never throws; all problems at once, each with its place. */
export function readJobDocument(label: string, text: string): JobDocumentReading {
  const { document: yaml, problems: syntax } = readYaml(text);
  const places = createPlaces(label, yaml);
  const problems = syntax.map(({ position, keyPath, message }) => ({
    source: places.at(keyPath ?? [], position),
    message,
  }));
  if (yaml === undefined) return { problems };
  if (!isJobObject(yaml.value)) {
    const message =
      yaml.value === undefined ? 'is empty' : 'must be lines of the form "key: value", or a JSON object';
    return { problems: [...problems, { source: label, message }] };
  }
  const reading = readObject(yaml.value, places);
  return { document: reading.document, problems: [...problems, ...reading.problems] };
}

function readObject(value: JobObject, places: Places): JobDocumentReading {
  if (value.kind === SIDECAR.kind) return readSidecar(value, places);
  if (Object.hasOwn(value, 'version') || Object.hasOwn(value, 'jobs')) return readJobs(value, places);
  return {
    document: { kind: 'body', defaults: {}, vars: {}, jobs: [{ value, keyPath: [] }], places },
    problems: [],
  };
}

function readSidecar(value: JobObject, places: Places): JobDocumentReading {
  const version = value.schema_version;
  if (typeof version !== 'number' || version > SIDECAR.version) {
    const message = `is not a version of sidecar that this evolink reads (up to ${SIDECAR.version}); update evolink`;
    return {
      problems: [{ source: places.describe(['schema_version']), value: describeValue(version), message }],
    };
  }
  if (!isJobObject(value.request)) {
    return {
      problems: [
        {
          source: places.describe(['request']),
          message: 'is missing: this sidecar does not know its request',
        },
      ],
    };
  }
  const hidden = Object.entries(value.request).find(([, field]) =>
    [field].flat().some((entry) => typeof entry === 'string' && isRedacted(entry)),
  );
  if (hidden !== undefined) {
    const [key] = hidden;
    const message = `holds an address whose query a sidecar leaves out; copy the request to a job file and give "${key}" anew`;
    return { problems: [{ source: places.describe(['request', key]), message }] };
  }
  const job = { value: value.request, keyPath: ['request'] };
  return { document: { kind: 'sidecar', defaults: {}, vars: {}, jobs: [job], places }, problems: [] };
}

function readJobs(value: JobObject, places: Places): JobDocumentReading {
  const problems: Problem[] = [];
  const add = (keyPath: KeyPath, message: string, suggestion?: string) =>
    problems.push({
      source: places.describe(keyPath),
      message,
      ...(suggestion === undefined ? {} : { suggestion }),
    });
  if (value.version !== FILE_VERSION) {
    add(
      ['version'],
      value.version === undefined ? `is missing; write version: ${FILE_VERSION}` : `must be ${FILE_VERSION}`,
    );
  }
  for (const key of Object.keys(value)) {
    if (KNOWN_KEYS.includes(key)) continue;
    add(
      [key],
      `is not a known key here; known are ${KNOWN_KEYS.join(', ')}, and a job's own keys belong below jobs`,
      nearest(key, KNOWN_KEYS),
    );
  }
  const defaults = value.defaults ?? {};
  if (!isJobObject(defaults)) add(['defaults'], 'must be an object with keys such as tier and quality');
  const vars = value.vars ?? {};
  if (!isJobObject(vars)) add(['vars'], 'must be an object: the name of a variable, then its value');
  const jobs = value.jobs ?? {};
  const entries = isJobObject(jobs) ? Object.entries(jobs) : [];
  if (!isJobObject(jobs)) add(['jobs'], 'must be an object: the name of a job, then its keys');
  else if (entries.length === 0) add(['jobs'], 'is missing or empty: there is nothing to do');
  const rawJobs = entries.flatMap(([name, job]): RawJob[] => {
    if (isJobObject(job)) return [{ name, value: job, keyPath: ['jobs', name] }];
    add(['jobs', name], 'must be an object with keys such as type and prompt');
    return [];
  });
  return {
    document: {
      kind: 'jobs',
      defaults: isJobObject(defaults) ? defaults : {},
      vars: isJobObject(vars) ? vars : {},
      jobs: rawJobs,
      places,
    },
    problems,
  };
}

/** Keys that say the same: one of a job's own takes the place of any of its row in `defaults`. */
const ONE_CHOICE: readonly (readonly string[])[] = [
  ['images', 'image_urls', 'first', 'last'],
  ['videos', 'video_urls'],
  ['audios', 'audio_urls'],
  ['tier', 'model'],
  ['web_search', 'model_params'],
];

export interface MergedJob extends RawJob {
  /** The keys of `value` that come from `defaults`. */
  readonly inherited: ReadonlySet<string>;
}

/** A job with the file's `defaults` under it, key by key; lists and objects are replaced as a whole. Pure. */
export function mergeDefaults(job: RawJob, defaults: JobObject): MergedJob {
  const own = Object.keys(job.value);
  const isTaken = (key: string) =>
    own.includes(key) ||
    ONE_CHOICE.some((row) => row.includes(key) && row.some((other) => own.includes(other)));
  const under = Object.entries(defaults).filter(([key]) => !isTaken(key));
  return {
    ...job,
    value: { ...Object.fromEntries(under), ...job.value },
    inherited: new Set(under.map(([key]) => key)),
  };
}

const MAX_NAMES = 20;

/** The job that a name asks for; without a name the only one there is. Else a problem that lists the names. */
function pickJob({ kind, jobs, places }: JobDocument, jobName: string | undefined): RawJob | Problem {
  const names = jobs.flatMap(({ name }) => name ?? []);
  const [first] = jobs;
  if (jobName === undefined) {
    if (first !== undefined && jobs.length === 1) return first;
    return {
      source: places.describe(['jobs']),
      message: `holds ${jobs.length} jobs: choose one with --job (${listNames(names)}), or take all with \`evolink run\``,
    };
  }
  const job = jobs.find(({ name, value }) => (name ?? value.name) === jobName);
  if (job !== undefined) return job;
  if (kind !== 'jobs') {
    return {
      source: '--job',
      value: jobName,
      message: 'names a job, but the file holds one request without a name; leave --job out',
    };
  }
  const suggestion = nearest(jobName, names);
  const message = `is not a job of the file; its jobs are ${listNames(names)}`;
  return { source: '--job', value: jobName, message, ...(suggestion === undefined ? {} : { suggestion }) };
}

function listNames(names: readonly string[]): string {
  const more = names.length - MAX_NAMES;
  return `${names.slice(0, MAX_NAMES).join(', ')}${more > 0 ? `, and ${more} more` : ''}`;
}

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
const VARIABLE = /\{\{\s*[^{}\s][^{}]*\}\}/;
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

export interface JobFileOptions {
  /** As the person wrote it; messages repeat it. */
  readonly path: string;
  readonly cwd: string;
  /** `--job NAME`. */
  readonly jobName?: string | undefined;
}

/**
 * Reads one job from a file: a job file, a single job, an API body or a sidecar; YAML or JSON.
 * @throws EvolinkError `usage`: missing, unreadable, larger than 5 MB, not UTF-8. What is wrong inside is in `problems`.
 */
export async function loadJobFile({ path, cwd, jobName }: JobFileOptions): Promise<JobFileReading> {
  const absolutePath = resolve(cwd, path);
  const { text } = await readTextFile(absolutePath, {
    label: 'job file',
    maxBytes: MAX_YAML_BYTES,
    allowsShellPipe: true,
  });
  return readJobFile({ path: absolutePath, label: path, text, jobName });
}
