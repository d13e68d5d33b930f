import { readYaml } from '../config/read-yaml.ts';
import type { KeyPath } from '../request/body-reader.ts';
import { describeValue } from '../request/describe-value.ts';
import { nearest } from '../request/nearest.ts';
import type { Problem } from '../request/types.ts';
import { FILE_KEYS } from './job-keys.ts';
import { createPlaces, type Places } from './places.ts';

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
