import { BODY_KEYS, type BodyKey, MODEL_PARAMS_KEYS } from '../request/body-keys.ts';
import { CONTROL_KEYS, FILE_KEYS } from './job-keys.ts';

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
  const rows: readonly BodyKey[] = BODY_KEYS;
  return Object.fromEntries(rows.map((row) => [row.key, keySchema(row)]));
}

function keySchema(row: BodyKey): Schema {
  const facts = {
    description: row.description,
    ...(row.default === undefined ? {} : { default: row.default }),
  };
  return { ...facts, ...typeSchema(row) };
}

/** Values that only one tier or operation takes are left to the checks: the schema says what no file may have. */
function typeSchema({ type, values, min, max }: BodyKey): Schema {
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
