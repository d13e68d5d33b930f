import { MODEL_PARAMS_KEYS } from '../request/body.ts';
import { FIELDS, type FieldRow } from '../request/models.ts';

/** A key of a job file that is no part of the request. */
export interface JobKey {
  readonly key: string;
  readonly description: string;
}

/** The keys of a file. */
export const FILE_KEYS = [
  { key: 'version', description: 'version of the form of the file: 1' },
  { key: 'defaults', description: 'request keys and output for all jobs that do not say otherwise' },
  { key: 'vars', description: 'variables for all jobs' },
  { key: 'jobs', description: 'the jobs, by name' },
] as const satisfies readonly JobKey[];

/** What a job has beyond its request. The schema and the checks read this table. */
export const CONTROL_KEYS = [
  {
    key: 'name',
    description: 'name of each job that this one becomes; default: its key, then row and matrix values',
  },
  {
    key: 'output',
    description: 'where the clip goes: file, folder/, or pattern with {job} {index} {ratio} {slug} {date} …',
  },
  { key: 'vars', description: 'variables of this job; {{name}} stands for the value in every text' },
  {
    key: 'matrix',
    description:
      'axes: each combination of their values is a job. An axis named as a request key sets that key. include and exclude as lists of values by axis',
  },
  {
    key: 'for_each',
    description: 'rows: each is a job, its columns are variables. A list, or a file: .csv, .json, .yaml',
  },
] as const satisfies readonly JobKey[];

export const REQUEST_KEYS: readonly string[] = FIELDS.map(({ key }) => key);
const CONTROL: readonly string[] = CONTROL_KEYS.map(({ key }) => key);

/** Every key that a job may have. */
export const ALL_JOB_KEYS: readonly string[] = [...REQUEST_KEYS, ...CONTROL];
/** What `defaults` may have: what makes several jobs of one belongs to a job. */
export const DEFAULTS_KEYS: readonly string[] = [...REQUEST_KEYS, 'output'];

/** Says whether a key belongs to the request. */
export function isRequestKey(key: string): boolean {
  return REQUEST_KEYS.includes(key);
}

/** The type that a request key wants, so that text from a table can become it. */
export function typeOfRequestKey(key: string): string | undefined {
  return FIELDS.find((row) => row.key === key)?.type;
}

type Schema = Readonly<Record<string, unknown>>;

/** Text with a {{variable}}, which becomes a value of another type. */
const TEMPLATE: Schema = { type: 'string', pattern: '\\{\\{[^{}]+\\}\\}' };

/** JSON Schema (draft 2020-12) of job files, made from the tables that the checks read. */
export function jobFileSchema(): Schema {
  const [version, defaults, vars, jobs] = FILE_KEYS;
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: 'urn:evolink-cli:job-file:1',
    title: 'evolink job file',
    type: 'object',
    additionalProperties: false,
    required: ['version', 'jobs'],
    properties: {
      version: { const: 1, description: version.description },
      defaults: {
        type: 'object',
        description: defaults.description,
        additionalProperties: false,
        properties: { ...requestProperties(), output: control('output') },
      },
      vars: { $ref: '#/$defs/vars', description: vars.description },
      jobs: {
        type: 'object',
        description: jobs.description,
        minProperties: 1,
        propertyNames: { pattern: '^[^\\s/{}](?:[^/{}]*[^\\s/{}])?$' },
        additionalProperties: { $ref: '#/$defs/job' },
      },
    },
    $defs: { job: jobSchema(), vars: { type: 'object' }, row: { type: 'object', minProperties: 1 } },
  };
}

function jobSchema(): Schema {
  const controls = Object.fromEntries(CONTROL_KEYS.map(({ key }) => [key, control(key)]));
  return { type: 'object', additionalProperties: false, properties: { ...requestProperties(), ...controls } };
}

type ControlKey = (typeof CONTROL_KEYS)[number]['key'];

const CONTROL_SCHEMAS: Readonly<Record<ControlKey, Schema>> = {
  name: { type: 'string', minLength: 1 },
  output: { type: 'string', minLength: 1 },
  vars: { $ref: '#/$defs/vars' },
  matrix: {
    type: 'object',
    minProperties: 1,
    properties: {
      include: { type: 'array', items: { $ref: '#/$defs/row' } },
      exclude: { type: 'array', items: { $ref: '#/$defs/row' } },
    },
    additionalProperties: { type: 'array', minItems: 1 },
  },
  for_each: {
    oneOf: [
      { type: 'string', pattern: '\\.([cC][sS][vV]|[jJ][sS][oO][nN]|[yY][aA]?[mM][lL])$' },
      { type: 'array', minItems: 1, items: { $ref: '#/$defs/row' } },
    ],
  },
};

function control(key: ControlKey): Schema {
  const row = CONTROL_KEYS.find((known) => known.key === key);
  return { description: row?.description, ...CONTROL_SCHEMAS[key] };
}

function requestProperties(): Schema {
  const rows: readonly FieldRow[] = FIELDS;
  return Object.fromEntries(rows.map((row) => [row.key, keySchema(row)]));
}

function keySchema(row: FieldRow): Schema {
  const facts = {
    description: row.description,
    ...(row.default === undefined ? {} : { default: row.default }),
  };
  return { ...facts, ...typeSchema(row) };
}

/** Values that only one tier or operation takes are left to the checks: the schema says what no file may have. */
function typeSchema({ type, values, min, max }: FieldRow): Schema {
  switch (type) {
    case 'string':
      return values === undefined ? { type: 'string' } : { anyOf: [{ enum: values }, TEMPLATE] };
    case 'integer':
      return { anyOf: [{ type: 'integer', minimum: min, maximum: max }, TEMPLATE] };
    case 'boolean':
      return { anyOf: [{ type: 'boolean' }, TEMPLATE] };
    case 'string[]':
      return { type: 'array', items: { type: 'string' }, ...(max === undefined ? {} : { maxItems: max }) };
    case 'object': {
      const properties = Object.fromEntries(
        MODEL_PARAMS_KEYS.map((key) => [key, { anyOf: [{ type: 'boolean' }, TEMPLATE] }]),
      );
      return { type: 'object', additionalProperties: false, properties };
    }
  }
}

/** Where editors look for the schema of job files, for completion and checks while writing: beside the job file. */
const SCHEMA_FILE = 'job-file.schema.json';

/** What `evolink run --init` writes: runs as it stands in the sandbox, and shows every part of a job file. */
export const EXAMPLE_JOB_FILE = `# yaml-language-server: $schema=./${SCHEMA_FILE}
# For completion and checks in your editor: evolink schema > ${SCHEMA_FILE}
#
#   evolink run evolink.yaml --sandbox   rehearse: no key, no network, no cost
#   evolink run evolink.yaml --dry-run   the plan: what is new, what it costs; sends nothing
#   evolink run evolink.yaml             make what is missing or has changed, nothing else
#
# Commit this file. Keep the folder of clips (with the .json beside each) in the cache of your CI: what is there and
# unchanged is never resubmitted.
version: 1

# For all jobs that do not say otherwise.
defaults:
  tier: mini
  quality: 480p
  duration: 4
  # Fields: {job} {index} {ratio} {quality} {duration} {tier} {model} {operation} {slug}
  output: "out/{job}-{ratio}.mp4"

# {{name}} stands for a value in every text; here for all jobs, in a job for that job.
vars:
  tone: warm morning light, slow camera

jobs:
  # One clip for each ratio.
  hero:
    type: t2v
    prompt: "A paper boat on a lake, {{tone}}"
    matrix:
      aspect_ratio: ["16:9", "9:16"]

  # One clip for each row and language. Rows may also stand in a file: for_each: products.csv (or .json, .yaml)
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

  # Reference media: addresses, or files beside this one. "image 1" in the prompt is the first image.
  # style:
  #   type: ref
  #   tier: standard
  #   prompt: "A harbour at dawn in the art style of image 1"
  #   images: [https://example.com/style.png]
`;
