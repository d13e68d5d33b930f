import * as z from 'zod/mini';
import { toSlug } from '../config/output.ts';
import { type Position, readYaml, type YamlDocument } from '../config/yaml.ts';
import { quoteCommand } from '../platform/text.ts';
import {
  bodyAsJob,
  describeKeyPath,
  type KeyPath,
  type Locate,
  MODEL_PARAMS_KEYS,
} from '../request/draft.ts';
import { FIELDS, type FieldRow } from '../request/fields.ts';
import type { Origin, Problem } from '../request/models.ts';
import { describeValue, nearest } from '../request/problems.ts';
import { isRedacted } from '../request/public-url.ts';

export type JobObject = Readonly<Record<string, unknown>>;

/** Says whether a value of YAML or JSON is an object. */
export function isJobObject(value: unknown): value is JobObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A job as it stands in the file: nothing is merged or expanded yet. */
export interface RawJob {
  /** Absent for a file that is one job. */
  readonly name?: string | undefined;
  readonly value: JobObject;
  /** Where it stands: `['jobs', 'hero']`, `['request']`, `[]`. */
  readonly keyPath: KeyPath;
}

/** A file of one job or body, of a sidecar (`isFinal`: it was sent as it stands), or of jobs. */
export interface JobDocument {
  readonly isFinal?: boolean;
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

const REQUEST_KEYS: readonly string[] = FIELDS.map(({ key }) => key);
/** What is wrong with their values is said better by the rules of the API, and by the reader of rows. */
const CHECKED_LATER: readonly string[] = [...REQUEST_KEYS, 'for_each'];
export const MAX_TAKES = 9;

/** Says whether a key belongs to the request. */
export function isRequestKey(key: string): boolean {
  return REQUEST_KEYS.includes(key);
}

/** Text with a {{variable}}, which becomes a value of another type. */
const template = () => z.string().check(z.regex(/\{\{[^{}]+\}\}/));
const described = <T extends z.ZodMiniType>(schema: T, description: string): T =>
  schema.check(z.describe(description)) as T;
const orTemplate = (schema: z.ZodMiniType) => z.union([schema, template()]);

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
        : z.strictObject(
            Object.fromEntries(MODEL_PARAMS_KEYS.map((key) => [key, z.optional(orTemplate(z.boolean()))])),
          ),
  };
  const schema = types[type]();
  const { description, default: preset } = row;
  return z.optional(
    schema.check(z.meta({ description, ...(preset === undefined ? {} : { default: preset }) })),
  );
}

const text = () => z.string('must be text').check(z.regex(/\S/, 'must be text'));
const vars = () =>
  z.record(z.string(), z.unknown(), 'must be an object: the name of a variable, then its value');
const filled = (message: string) => z.refine<object>((value) => Object.keys(value).length > 0, message);
const ROW = 'must be an object with a value by axis';
const row = () => z.record(z.string(), z.unknown(), ROW).check(filled(ROW));

function createSchemas() {
  const request = Object.fromEntries(FIELDS.map((key) => [key.key, requestValue(key)]));
  const output = described(
    z.optional(text()),
    'where the clip goes: file, folder/, or pattern with {job} {index} {ratio} {slug} {date} …',
  );
  const entries = z.optional(z.array(row(), 'must be a list of objects'));
  const axis = z
    .array(z.unknown(), 'must be a list of at least one value')
    .check(z.minLength(1, 'must be a list of at least one value'));
  const matrix = z
    .catchall(
      z.object(
        { include: entries, exclude: entries },
        'must be an object: each key an axis, each value a list',
      ),
      axis,
    )
    .check(filled('has no combination left: nothing to do'));
  const job = z
    .strictObject(
      {
        ...request,
        name: described(
          z.optional(text()),
          'name of each job that this one becomes; default: its key, then row and matrix values',
        ),
        output,
        count: described(
          z.optional(z.int(TAKES).check(z.minimum(1, TAKES), z.maximum(MAX_TAKES, TAKES))),
          'takes: so many clips of the same request',
        ),
        vars: described(
          z.optional(vars()),
          'variables of this job; {{name}} stands for the value in every text',
        ),
        matrix: described(
          z.optional(matrix),
          'axes: each combination of their values is a job. An axis named as a request key sets that key. include and exclude as lists of values by axis',
        ),
        for_each: described(
          z.optional(
            z.union([
              z.string().check(z.regex(/\.([cC][sS][vV]|[jJ][sS][oO][nN]|[yY][aA]?[mM][lL])$/)),
              z.array(row()).check(z.minLength(1)),
            ]),
          ),
          'rows: each is a job, its columns are variables. A list, or a file: .csv, .json, .yaml',
        ),
      },
      'must be an object with keys such as type and prompt',
    )
    .check(z.meta({ id: 'job' }));
  const defaults = z.strictObject(
    { ...request, output },
    'must be an object with keys such as tier and quality',
  );
  const name = z
    .string()
    .check(
      z.regex(/^[^\s/{}](?:[^/{}]*[^\s/{}])?$/, 'is no name for a job: no /, no braces, no spaces around it'),
    );
  const file = z.strictObject({
    version: described(z.optional(z.literal(1, 'must be 1')), 'version of the form of the file: 1'),
    defaults: described(
      z.optional(defaults),
      'request keys and output for all jobs that do not say otherwise',
    ),
    vars: described(z.optional(vars()), 'variables for all jobs'),
    jobs: described(
      z.union([z.record(name, job), z.array(job)]),
      'the jobs: by name, or a list that is named by name or prompt',
    ),
  });
  return { name, job, file, defaults, head: z.extend(file, { jobs: z.optional(z.unknown()) }) };
}

const TAKES = `must be a whole number from 1 to ${MAX_TAKES}`;
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

interface CheckOptions {
  readonly at?: KeyPath;
  readonly locate: Locate;
}

/** What a schema finds, each where it stands; `isBroken` where what is left can't be expanded. */
function check(schema: z.ZodMiniType, value: unknown, { at = [], locate }: CheckOptions) {
  const problems: Problem[] = [];
  let isBroken = false;
  for (const issue of schema.safeParse(value).error?.issues ?? []) {
    const path = issue.path as KeyPath;
    const keyPath = [...at, ...path];
    const isDefaults = keyPath[0] === 'defaults';
    if (CHECKED_LATER.includes(String(path[isDefaults ? 1 : 0]))) continue;
    let found = value;
    for (const key of path) found = isJobObject(found) ? found[key] : undefined;
    if (issue.code === 'unrecognized_keys') {
      const held = isJobObject(found) ? found : {};
      for (const key of issue.keys) problems.push(unknownKey([...keyPath, key], held[key], schema, locate));
      continue;
    }
    isBroken = true;
    const isShown = found !== undefined && path.length > 0 && schema === schemas().job;
    problems.push({
      ...locate(keyPath),
      ...(isShown ? { value: describeValue(found) } : {}),
      message: issue.message,
    });
  }
  return { problems, isBroken };
}

function unknownKey(keyPath: KeyPath, value: unknown, schema: z.ZodMiniType, locate: Locate): Problem {
  const { job, file, defaults, head } = schemas();
  const isDefaults = keyPath[0] === 'defaults';
  const isFile = schema === head && !isDefaults;
  const known = Object.keys((isFile ? file : isDefaults ? defaults : job).shape);
  const key = String(keyPath.at(-1));
  const list = known.join(', ');
  const message =
    isDefaults && Object.hasOwn(job.shape, key)
      ? 'belongs to a single job, not to defaults'
      : isFile
        ? `is not a known key here; known are ${list}, and a job's own keys belong below jobs`
        : `is not a known key; known are ${list}`;
  const problem = { ...locate(keyPath), message, suggestion: nearest(key, known) };
  if (schema !== job || problem.suggestion !== undefined) return problem;
  // The file may know more than this version does.
  const flag =
    keyPath.length > 1
      ? ''
      : `, or leave it out and add ${quoteCommand(['--set', `${key}=${JSON.stringify(value)}`])}`;
  return {
    ...problem,
    message: 'is not a known key',
    hint: `to send "${key}" as it is, move it below extra${flag}`,
  };
}

/** @param label the file as the person named it */
function createLocate(label: string, document: YamlDocument | undefined): Locate {
  /** A key that the file does not have is placed at the nearest one around it. */
  const find = (keyPath: KeyPath): Position =>
    document?.keyAt(keyPath) ??
    (keyPath.length > 0 ? find(keyPath.slice(0, -1)) : (document?.valueAt([]) ?? { line: 1, column: 1 }));
  return (keyPath) => originAt(label, keyPath, find(keyPath));
}

/** `defaults.quality (job.yaml:4:3)`. */
function originAt(label: string, keyPath: KeyPath, { line, column }: Position): Origin {
  const at = `${label}:${line}:${column}`;
  const source = keyPath.length === 0 ? at : `${describeValue(describeKeyPath(keyPath))} (${at})`;
  return { source, place: { file: label, line, column } };
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
  const isJobs = ['version', 'jobs'].some((key) => Object.hasOwn(value, key));
  return isJobs ? readJobs(value, locate) : readOneJob(value, [], locate);
}

function readOneJob(value: JobObject, keyPath: KeyPath, locate: Locate): JobDocumentReading {
  const { problems, isBroken } = check(schemas().job, value, { at: keyPath, locate });
  const jobs = isBroken ? [] : [{ value, keyPath }];
  return { document: { defaults: {}, vars: {}, jobs, locate }, problems };
}

/** The `kind` of a sidecar, and the newest version of it that is read. */
const SIDECAR = { kind: 'evolink.sidecar', version: 1 } as const;

function readSidecar({ schema_version, request }: JobObject, locate: Locate): JobDocumentReading {
  const refuse = (key: KeyPath, message: string, value?: string): JobDocumentReading => ({
    problems: [{ ...locate(key), value, message }],
  });
  if (typeof schema_version !== 'number' || schema_version > SIDECAR.version) {
    const message = `is not a version of sidecar that this evolink reads (up to ${SIDECAR.version}); update evolink`;
    return refuse(['schema_version'], message, describeValue(schema_version));
  }
  if (!isJobObject(request)) return refuse(['request'], 'is missing: this sidecar does not know its request');
  const isHidden = (entry: unknown) => typeof entry === 'string' && isRedacted(entry);
  const [key] = Object.entries(request).find(([, field]) => [field].flat().some(isHidden)) ?? [];
  if (key !== undefined) {
    const message = `holds an address whose query a sidecar leaves out; copy the request to a job file and give "${key}" again`;
    return refuse(['request', key], message);
  }
  const { document, problems } = readOneJob(bodyAsJob(request), ['request'], locate);
  return { document: document && { ...document, isFinal: true }, problems };
}

function readJobs(value: JobObject, locate: Locate): JobDocumentReading {
  const { head, job, name: nameSchema } = schemas();
  const { problems } = check(head, value, { locate });
  const add = (keyPath: KeyPath, message: string) => problems.push({ ...locate(keyPath), message });
  const { jobs = {}, defaults, vars } = value;
  const list: unknown[] = Array.isArray(jobs) ? jobs : [];
  const entries: readonly RawEntry[] = isJobObject(jobs)
    ? Object.entries(jobs).map(([name, each]) => ({ name, value: each, keyPath: ['jobs', name] }))
    : nameList(list).map((name, index) => ({ name, value: list[index], keyPath: ['jobs', index] }));
  if (!isJobObject(jobs) && !Array.isArray(jobs))
    add(['jobs'], 'must be an object: the name of a job, then its keys');
  else if (entries.length === 0) add(['jobs'], 'is missing or empty: there is nothing to do');
  const rawJobs = entries.flatMap(({ name, value: each, keyPath }): RawJob[] => {
    const misnamed = nameSchema.safeParse(name).error?.issues[0];
    if (misnamed !== undefined) add(keyPath, misnamed.message);
    const found = check(job, each, { at: keyPath, locate });
    problems.push(...found.problems);
    return isJobObject(each) && !found.isBroken ? [{ name, value: each, keyPath }] : [];
  });
  const object = (part: unknown): JobObject => (isJobObject(part) ? part : {});
  return { document: { defaults: object(defaults), vars: object(vars), jobs: rawJobs, locate }, problems };
}

interface RawEntry {
  readonly name: string;
  readonly value: unknown;
  readonly keyPath: KeyPath;
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

/** Keys that say the same: one of a job's own takes the place of any of its row in `defaults`. */
const ONE_CHOICE: readonly (readonly string[])[] = [
  ['images', 'image_urls', 'first', 'last'],
  ['videos', 'video_urls'],
  ['audios', 'audio_urls'],
  ['tier', 'model'],
  ['web_search', 'model_params'],
];

/** The keys of `defaults` that hold for a job; lists and objects are replaced as a whole. Pure. */
export function inheritedKeys(own: JobObject, defaults: JobObject): JobObject {
  const hasOwn = (key: string) => Object.hasOwn(own, key);
  const entries = Object.entries(defaults).filter(
    ([key]) => !hasOwn(key) && !ONE_CHOICE.some((row) => row.includes(key) && row.some(hasOwn)),
  );
  return Object.fromEntries(entries);
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

  # Reference media: URLs, or files next to this one. "image 1" in the prompt is the first image.
  # style:
  #   type: ref
  #   tier: standard
  #   prompt: "A harbour at dawn in the art style of image 1"
  #   images: [https://example.com/style.png]
`;
