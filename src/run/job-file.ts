import { type Position, readYaml, type YamlDocument } from '../config/yaml.ts';
import { describeKeyPath, type KeyPath, type Locate } from '../request/body.ts';
import type { Origin, Problem } from '../request/models.ts';
import { describeValue, nearest } from '../request/problems.ts';
import { isRedacted } from '../request/public-url.ts';
import { FILE_KEYS } from './job-file-schema.ts';

/** @param label the file as the person named it */
function createLocate(label: string, document: YamlDocument | undefined): Locate {
  /** A key that the file does not have is placed at the nearest one around it. */
  const find = (keyPath: KeyPath): Position => {
    const found = document?.keyAt(keyPath);
    if (found !== undefined) return found;
    if (keyPath.length === 0) return document?.valueAt([]) ?? { line: 1, column: 1 };
    return find(keyPath.slice(0, -1));
  };
  return (keyPath) => originAt(label, keyPath, find(keyPath));
}

/** `defaults.quality (job.yaml:4:3)`. */
function originAt(label: string, keyPath: KeyPath, { line, column }: Position): Origin {
  const at = `${label}:${line}:${column}`;
  const source = keyPath.length === 0 ? at : `${describeValue(describeKeyPath(keyPath))} (${at})`;
  return { source, place: { file: label, line, column } };
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
  readonly locate: Locate;
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
  const locate = createLocate(label, yaml);
  const problems = syntax.map(({ position, keyPath, message }) => ({
    ...originAt(label, keyPath ?? [], position),
    message,
  }));
  if (yaml === undefined) return { problems };
  if (!isJobObject(yaml.value)) {
    const message =
      yaml.value === undefined ? 'is empty' : 'must be lines of the form "key: value", or a JSON object';
    return { problems: [...problems, { ...locate([]), source: label, message }] };
  }
  const reading = readObject(yaml.value, locate);
  return { document: reading.document, problems: [...problems, ...reading.problems] };
}

function readObject(value: JobObject, locate: Locate): JobDocumentReading {
  if (value.kind === SIDECAR.kind) return readSidecar(value, locate);
  if (Object.hasOwn(value, 'version') || Object.hasOwn(value, 'jobs')) return readJobs(value, locate);
  return {
    document: { kind: 'body', defaults: {}, vars: {}, jobs: [{ value, keyPath: [] }], locate },
    problems: [],
  };
}

function readSidecar(value: JobObject, locate: Locate): JobDocumentReading {
  const version = value.schema_version;
  if (typeof version !== 'number' || version > SIDECAR.version) {
    const message = `is not a version of sidecar that this evolink reads (up to ${SIDECAR.version}); update evolink`;
    return {
      problems: [{ ...locate(['schema_version']), value: describeValue(version), message }],
    };
  }
  if (!isJobObject(value.request)) {
    return {
      problems: [
        {
          ...locate(['request']),
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
    const message = `holds an address whose query a sidecar leaves out; copy the request to a job file and give "${key}" again`;
    return { problems: [{ ...locate(['request', key]), message }] };
  }
  const job = { value: value.request, keyPath: ['request'] };
  return { document: { kind: 'sidecar', defaults: {}, vars: {}, jobs: [job], locate }, problems: [] };
}

function readJobs(value: JobObject, locate: Locate): JobDocumentReading {
  const problems: Problem[] = [];
  const add = (keyPath: KeyPath, message: string, suggestion?: string) =>
    problems.push({
      ...locate(keyPath),
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
      locate,
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
