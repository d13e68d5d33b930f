import * as z from 'zod/mini';
import { toSlug } from '../config/output.ts';
import { type Position, readYaml, type YamlReading } from '../config/yaml.ts';
import { quoteCommand } from '../platform/text.ts';
import { bodyAsJob, describeKeyPath, isJobObject } from '../request/draft.ts';
import { FIELDS, type FieldRow, isRequestKey } from '../request/fields.ts';
import type { Origin, Problem } from '../request/models.ts';
import { describeValue, type JobObject, type KeyPath, type Locate, nearest } from '../request/problems.ts';
import { isRedacted } from '../request/public-url.ts';

/** A job as it stands in the file: nothing is merged or expanded yet. */
export interface RawJob {
  /** Absent for a file that is one job. */
  readonly name?: string | undefined;
  readonly value: JobObject;
  /** Where it stands: `['jobs', 'hero']`, `['request']`, `[]`. */
  readonly keyPath: KeyPath;
}

/** A file of one job or body, of a sidecar (`isFinal`: it was sent as it stands), or of jobs. */
export type JobDocument = NonNullable<ReturnType<typeof readJobDocument>['document']>;

export const MAX_TAKES = 9;

/** Text with a {{variable}}, which becomes a value of another type. */
const template = () => z.string().check(z.regex(/\{\{[^{}]+\}\}/));
const orTemplate = (schema: z.ZodMiniType) => z.union([schema, template()]);
/** A key that may be left out, with what it means. */
const key = <T extends z.ZodMiniType>(schema: T, description: string) =>
  z.optional(schema).check(z.describe(description));

/** Values that only one tier or operation takes are left to later checks: this says what no file may have. */
function requestValue({ key, type, values, min = 0, max = 99, special = min, ...row }: FieldRow) {
  const types = {
    string: () => (values === undefined ? z.string() : orTemplate(z.enum(values as string[]))),
    integer: () => z.union([z.int().check(z.minimum(min), z.maximum(max)), z.literal(special), template()]),
    boolean: () => orTemplate(z.boolean()),
    'string[]': () => z.array(z.string()).check(z.maxLength(max)),
    object: () =>
      key === 'extra'
        ? z.record(z.string(), z.unknown())
        : z.strictObject({ web_search: z.optional(orTemplate(z.boolean())) }),
  };
  const { description, default: preset } = row;
  return z.optional(types[type]().check(z.meta({ description, default: preset })));
}

const NAME = /^[^\s/{}](?:[^/{}]*[^\s/{}])?$/;
const NO_NAME = 'is no name for a job: no /, no braces, no spaces around it';
const TAKES = `must be a whole number from 1 to ${MAX_TAKES}`;
const AXES = 'must be an object: each key an axis, each value a list';
const AXIS = 'must be a list of at least one value';

function createSchemas() {
  const request = Object.fromEntries(FIELDS.map((field) => [field.key, requestValue(field)]));
  const text = z.string('must be text').check(z.regex(/\S/, 'must be text'));
  const takes = z.int(TAKES).check(z.minimum(1, TAKES), z.maximum(MAX_TAKES, TAKES));
  const vars = z.record(z.string(), z.unknown(), 'must be an object: the name of a variable, then its value');
  const row = z.record(z.string(), z.unknown(), 'must be an object with a value by axis');
  const entries = z.optional(z.array(row, 'must be a list of objects'));
  const matrix = z.catchall(
    z.object({ include: entries, exclude: entries }, AXES),
    z.array(z.unknown(), AXIS).check(z.minLength(1, AXIS)),
  );
  const rows = z.union([
    z.string().check(z.regex(/\.([cC][sS][vV]|[jJ][sS][oO][nN]|[yY][aA]?[mM][lL])$/)),
    z.array(row).check(z.minLength(1)),
  ]);
  const ofAll = {
    ...request,
    output: key(text, 'file, folder/, or pattern of the clip, with {job} {index} {ratio} {slug} {date} …'),
  };
  const ofJob = {
    ...ofAll,
    name: key(text, 'name of each job that this one becomes; default: its key, then row and matrix values'),
    count: key(takes, 'takes: so many clips of the same request'),
    vars: key(vars, 'variables of this job; {{name}} stands for the value in every text'),
    matrix: key(
      matrix,
      'axes: each combination of their values is a job. An axis named as a request key sets that key',
    ),
    for_each: key(
      rows,
      'rows: each is a job, its columns are variables; a list, or a .csv, .json or .yaml file',
    ),
  };
  const job = z
    .strictObject(ofJob, 'must be an object with keys such as type and prompt')
    .check(z.meta({ id: 'job' }));
  const defaults = z.strictObject(ofAll, 'must be an object with keys such as tier and quality');
  const file = z.strictObject({
    version: key(z.literal(1, 'must be 1'), 'version of the form of the file: 1'),
    defaults: key(defaults, 'request keys and output for all jobs that do not say otherwise'),
    vars: key(vars, 'variables for all jobs'),
    jobs: z
      .union([z.record(z.string().check(z.regex(NAME, NO_NAME)), job), z.array(job)])
      .check(z.describe('the jobs: by name, or a list that is named by name or prompt')),
  });
  return { job, file, defaults, head: z.extend(file, { jobs: z.optional(z.unknown()) }) };
}

let known: ReturnType<typeof createSchemas> | undefined;
function schemas(): ReturnType<typeof createSchemas> {
  known ??= createSchemas();
  return known;
}

/** JSON Schema (draft 2020-12) of job files. */
export function jobFileSchema(): object {
  const { $schema, ...schema } = z.toJSONSchema(schemas().file, { io: 'input' });
  return { $schema, $id: 'urn:evolink-cli:job-file:1', title: 'evolink job file', ...schema };
}

/** What a schema finds, each where it stands, is added to the problems. @returns whether the rest can be expanded */
function check(
  schema: z.ZodMiniType,
  value: unknown,
  at: KeyPath,
  locate: Locate,
  problems: Problem[],
): boolean {
  let isWhole = true;
  for (const issue of schema.safeParse(value).error?.issues ?? []) {
    const path = issue.path as KeyPath;
    const keyPath = [...at, ...path];
    // What is wrong with their values is said better by the rules of the API, and by the reader of rows.
    const key = String(path[keyPath[0] === 'defaults' ? 1 : 0]);
    if (isRequestKey(key) || key === 'for_each') continue;
    let found = value;
    for (const each of path) found = isJobObject(found) ? found[each] : undefined;
    if (issue.code === 'unrecognized_keys') {
      for (const each of issue.keys)
        problems.push({
          ...locate([...keyPath, each]),
          ...unknownKey([...keyPath, each], Object(found)[each], schema),
        });
      continue;
    }
    isWhole = false;
    const shown = found === undefined ? undefined : describeValue(found);
    problems.push({ ...locate(keyPath), value: shown, message: issue.message });
  }
  return isWhole;
}

function unknownKey(keyPath: KeyPath, value: unknown, schema: z.ZodMiniType): Omit<Problem, 'source'> {
  const { job, file, defaults } = schemas();
  const { shape } = schema === job ? job : keyPath.length > 1 ? defaults : file;
  const known = Object.keys(shape);
  const key = String(keyPath.at(-1));
  const suggestion = nearest(key, known);
  if (suggestion !== undefined) return { message: 'is not a known key', suggestion };
  const list = `known are ${known.join(', ')}`;
  if (schema !== job)
    return { message: `is not a known key here; ${list}; the keys of a single job belong below jobs` };
  const message = `is not a known key; ${list}`;
  // The file may know more than this version does.
  const flag = quoteCommand(['--set', `${key}=${JSON.stringify(value)}`]);
  const orFlag = keyPath.length > 1 ? '' : `, or leave it out and add ${flag}`;
  return { message, hint: `to send "${key}" as it is, move it below extra${orFlag}` };
}

/** The `kind` of a sidecar, and the newest version of it that is read. */
const SIDECAR = { kind: 'evolink.sidecar', version: 1 } as const;

/** Why the request of a sidecar can't be taken. */
function sidecarProblem(
  { schema_version: version, request }: JobObject,
  locate: Locate,
): Problem | undefined {
  if (typeof version !== 'number' || version > SIDECAR.version) {
    const message = `is not a version of sidecar that this evolink reads (up to ${SIDECAR.version}); update evolink`;
    return { ...locate(['schema_version']), value: describeValue(version), message };
  }
  if (!isJobObject(request))
    return { ...locate(['request']), message: 'is missing: this sidecar does not know its request' };
  const isHidden = (entry: unknown) => typeof entry === 'string' && isRedacted(entry);
  const hidden = Object.keys(request).find((key) => [request[key]].flat().some(isHidden));
  if (hidden === undefined) return undefined;
  const message = `holds an address whose query a sidecar leaves out; copy the request to a job file and give "${hidden}" again`;
  return { ...locate(['request', hidden]), message };
}

/**
 * Says where keys, or their values, stand in a file: `defaults.quality (job.yaml:4:3)`; what is not there stands at the
 * nearest place around it.
 * @returns also what the reader found wrong, as problems at their places
 */
export function placesIn(label: string, { document, problems }: YamlReading, of: 'keyAt' | 'valueAt') {
  const originAt = (keyPath: KeyPath, position: Position | undefined): Origin => {
    const { line, column } = position ?? { line: 1, column: 1 };
    const at = position === undefined ? label : `${label}:${line}:${column}`;
    const source = keyPath.length === 0 ? at : `${describeValue(describeKeyPath(keyPath))} (${at})`;
    return { source, place: { file: label, line, column } };
  };
  const find = (keyPath: KeyPath): Position | undefined =>
    keyPath.length === 0 ? document?.valueAt([]) : (document?.[of](keyPath) ?? find(keyPath.slice(0, -1)));
  const syntax = problems.map(
    ({ position, keyPath = [], message }): Problem => ({ ...originAt(keyPath, position), message }),
  );
  return { locate: (keyPath: KeyPath) => originAt(keyPath, find(keyPath)), syntax, document };
}

/**
 * Reads the text of a job file into its raw jobs. Pure, never throws; all problems at once, each with its place.
 * @param label the file as the person named it
 */
export function readJobDocument(label: string, text: string) {
  const { locate, syntax: problems, document } = placesIn(label, readYaml(text), 'keyAt');
  if (document === undefined) return { problems };
  const { value } = document;
  const add = (keyPath: KeyPath, message: string) => problems.push({ ...locate(keyPath), message });
  if (!isJobObject(value)) {
    const isRows = /\.csv$/i.test(label);
    const form = isRows
      ? `holds rows, not jobs; a job in a job file takes them with for_each: ${label}`
      : 'must be lines of the form "key: value", or a JSON object';
    const message = value === undefined ? 'is empty' : form;
    problems.push({ ...locate([]), source: label, message });
    return { problems };
  }
  const read = (job: unknown, keyPath: KeyPath, name?: string): RawJob[] =>
    check(schemas().job, job, keyPath, locate, problems) && isJobObject(job)
      ? [{ name, value: job, keyPath }]
      : [];
  const alone = { isFinal: false, defaults: {}, vars: {}, locate };
  if (value.kind === SIDECAR.kind) {
    const wrong = sidecarProblem(value, locate);
    if (wrong !== undefined) problems.push(wrong);
    if (wrong !== undefined || !isJobObject(value.request)) return { problems };
    const jobs = read(bodyAsJob(value.request), ['request']);
    return { document: { ...alone, isFinal: true, jobs }, problems };
  }
  if (!Object.hasOwn(value, 'version') && !Object.hasOwn(value, 'jobs'))
    return { document: { ...alone, jobs: read(value, []) }, problems };
  check(schemas().head, value, [], locate, problems);
  const { jobs, defaults, vars } = value;
  const names = Array.isArray(jobs) ? nameList(jobs) : Object.keys(isJobObject(jobs) ? jobs : {});
  if (names.length === 0)
    add(['jobs'], 'must be an object, the name of a job and then its keys, or a list; not empty');
  const rawJobs = names.flatMap((name, index): RawJob[] => {
    const key = Array.isArray(jobs) ? index : name;
    if (!NAME.test(name)) add(['jobs', key], NO_NAME);
    return read(Object(jobs)[key], ['jobs', key], name);
  });
  const object = (part: unknown): JobObject => (isJobObject(part) ? part : {});
  return { document: { ...alone, defaults: object(defaults), vars: object(vars), jobs: rawJobs }, problems };
}

/** Jobs of a list: by their own names, else by their prompts, else by their numbers; a name that comes again gets a number. */
function nameList(list: readonly unknown[]): readonly string[] {
  const counts = new Map<string, number>();
  return list.map((item, index) => {
    const { name, prompt } = isJobObject(item) ? item : {};
    const own = [name, typeof prompt === 'string' ? toSlug(prompt) : ''].find(
      (each): each is string => typeof each === 'string' && each.trim() !== '' && !/[/{}]/.test(each),
    );
    const base = own?.trim() ?? String(index + 1);
    const count = (counts.get(base) ?? 0) + 1;
    counts.set(base, count);
    return count === 1 ? base : `${base}-${count}`;
  });
}

/** Where editors look for the schema of job files, for completion and checks while writing: beside the job file. */
const SCHEMA_FILE = 'job-file.schema.json';

/** What `evolink run --init` writes: runs as it stands in the sandbox, and shows every part of a job file. */
export const EXAMPLE_JOB_FILE = `# yaml-language-server: $schema=./${SCHEMA_FILE}
# For completion and checks in your editor: evolink schema > ${SCHEMA_FILE}
#
#   evolink run evolink.yaml --sandbox   try it: no key, no network, no cost
#   evolink run evolink.yaml --dry-run   the plan: what is new, what it costs; sends nothing
#   evolink run evolink.yaml             make what is missing or has changed, nothing else
#
# Commit this file. Keep the clips and the .json next to each in your CI cache: unchanged clips are never submitted again.
version: 1

# Defaults for every job; a job can override them.
defaults:
  tier: mini
  quality: 480p
  duration: 4
  # Fields: {job} {index} {ratio} {quality} {duration} {tier} {model} {operation} {slug}
  output: "out/{job}-{ratio}.mp4"

# {{tone}} in any text stands for this value. A job can have vars of its own.
vars:
  tone: warm morning light, slow camera

jobs:
  # One clip for each ratio.
  hero:
    type: t2v
    prompt: "A paper boat on a lake, {{tone}}"
    matrix:
      aspect_ratio: ["16:9", "9:16"]

  # One clip for each row and language. Rows can also come from a file: for_each: products.csv (or .json, .yaml)
  product:
    type: t2v
    prompt: "{{name}} on a marble table, {{tone}}. A caption in {{language}}."
    for_each:
      - { sku: frog-01, name: A green glass frog }
      - { sku: lamp-02, name: A brass desk lamp }
    matrix:
      language: [English, Korean]
      exclude:
        - { language: Korean, aspect_ratio: "1:1" }
      aspect_ratio: ["1:1", "16:9"]

  # Reference media are URLs, or files next to this one: images: [style.png], and "image 1" in the prompt is the first.
`;
