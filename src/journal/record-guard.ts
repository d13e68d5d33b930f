import { EXIT_CODES } from '../errors.ts';
import { LOCAL_ID } from './new-local-id.ts';
import { RECORD_STATES, type SavedOutput, type TaskRecord } from './record.ts';

type Check = (value: unknown) => boolean;
type Shape<T> = { readonly [Key in keyof Required<T>]: Check };

const STATES: ReadonlySet<unknown> = new Set(RECORD_STATES);
const ERROR_KINDS: ReadonlySet<unknown> = new Set(Object.keys(EXIT_CODES).filter((name) => name !== 'ok'));

const isText: Check = (value) => typeof value === 'string';
const isFlag: Check = (value) => typeof value === 'boolean';
const isNumber: Check = (value) => typeof value === 'number' && Number.isFinite(value);
const isTexts = listOf(isText);

const SAVED: Shape<SavedOutput> = { path: isText, sizeBytes: isNumber, sha256: isText, atMs: isNumber };
const BODY: Shape<NonNullable<TaskRecord['body']>> = {
  model: isText,
  prompt: isText,
  image_urls: optional(isTexts),
  video_urls: optional(isTexts),
  audio_urls: optional(isTexts),
  duration: isNumber,
  quality: isText,
  aspect_ratio: isText,
  generate_audio: isFlag,
  content_filter: isFlag,
  model_params: optional(shape({ web_search: isFlag })),
  callback_url: optional(isText),
};
const FILE_PLAN = shape({
  kind: (value) => value === 'file',
  folder: isText,
  pattern: isText,
  onExisting: (value) => value === 'refuse' || value === 'overwrite' || value === 'skip',
});
const STDOUT_PLAN = shape({ kind: (value) => value === 'stdout' });

/** One check a field: a field that the contract gains and this table lacks does not compile. */
const RECORD: Shape<TaskRecord> = {
  schemaVersion: (value) => value === 1,
  localId: (value) => typeof value === 'string' && LOCAL_ID.test(value),
  state: (value) => STATES.has(value),
  identity: isText,
  fingerprint: isText,
  createdAtMs: isNumber,
  updatedAtMs: isNumber,
  apiBaseUrl: isText,
  operation: optional((value) => value === 't2v' || value === 'i2v' || value === 'ref'),
  body: optional(shape(BODY)),
  idempotencyKey: optional(isText),
  output: (value) => FILE_PLAN(value) || STDOUT_PLAN(value),
  hasSidecar: isFlag,
  estimatedCredits: optional(isNumber),
  sentAtMs: optional(isNumber),
  resentAtMs: optional(isNumber),
  taskId: optional(isText),
  acceptedAtMs: optional(isNumber),
  requestId: optional(isText),
  reservedCredits: optional(isNumber),
  usedCredits: optional(isNumber),
  estimatedSeconds: optional(isNumber),
  completedAtMs: optional(isNumber),
  links: optional(isTexts),
  linkExpiresAtMs: optional(isNumber),
  saved: optional(listOf(shape(SAVED))),
  error: optional(
    shape({ kind: (value) => ERROR_KINDS.has(value), code: optional(isText), message: isText }),
  ),
  unknown: optional(shape({ reason: isText, httpStatus: optional(isNumber), rawBody: optional(isText) })),
  timeline: listOf(shape({ atMs: isNumber, status: isText })),
};
const RECORD_FIELDS = Object.entries(RECORD);

/**
 * Whether a parsed value is a whole record with every field of its type. Written by hand because it runs on ten
 * thousand files at the start of a command, which a schema library takes seconds for.
 */
export function isTaskRecord(value: unknown): value is TaskRecord {
  return firstMisfit(value, RECORD_FIELDS) === undefined;
}

/** Why a value is no record, as a phrase. */
export function describeMisfit(value: unknown): string {
  const field = firstMisfit(value, RECORD_FIELDS);
  return field === undefined || field === ''
    ? 'not a task record'
    : `not a task record: "${field}" is missing or wrong`;
}

function firstMisfit(value: unknown, fields: readonly (readonly [string, Check])[]): string | undefined {
  if (!isObject(value)) return '';
  for (const [name, check] of fields) if (!check(value[name])) return name;
  return undefined;
}

function shape(checks: Readonly<Record<string, Check>>): Check {
  const fields = Object.entries(checks);
  return (value) => firstMisfit(value, fields) === undefined;
}

function optional(check: Check): Check {
  return (value) => value === undefined || check(value);
}

function listOf(check: Check): Check {
  return (value) => Array.isArray(value) && value.every(check);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
