import type { OutputPlan } from '../config/output-pattern.ts';
import { type ErrorKind, EvolinkError, EXIT_CODES } from '../errors.ts';
import type { Operation, WireBody } from '../request/models.ts';

/** Without `i l o u`: easy to read out, and no words by accident (Crockford's Base32 alphabet, lower case). */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const RANDOM_LENGTH = 6;

/** What a local id, and so the name of a record's file, may look like. */
export const LOCAL_ID = /^[0-9a-z][0-9a-z-]{0,63}$/;

/**
 * A new id for a request that has no task id yet: `20261121-091502-k3f9q2`, UTC. Sorts by time, is lower case and safe
 * as a file name everywhere. `random` gives numbers in [0, 1).
 */
export function newLocalId(nowMs: number, random: () => number): string {
  const [day, time] = new Date(nowMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, '').split('T');
  const letters = Array.from({ length: RANDOM_LENGTH }, () =>
    ALPHABET.charAt(Math.floor(random() * ALPHABET.length)),
  );
  return `${day}-${time}-${letters.join('')}`;
}

/** `intent → sent → accepted → completed → saved`, or an end: `rejected`, `failed`; or `unknown`. */
export const RECORD_STATES = [
  'intent',
  'sent',
  'accepted',
  'completed',
  'saved',
  'rejected',
  'failed',
  'expired',
  'unknown',
] as const;
export type RecordState = (typeof RECORD_STATES)[number];

/** States that nothing will change any more: their records move to the closed folder. */
export const CLOSED_STATES: readonly RecordState[] = ['saved', 'rejected', 'failed', 'expired'];

interface SavedOutput {
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly atMs: number;
}

/** One paid request, from before the POST to the file on disk. Every `…Ms` is local wall time, ms since the epoch. */
export interface TaskRecord {
  readonly schemaVersion: 1;
  /** Made here, sorts by time, safe as a file name: the id of a request that has no task id yet. */
  readonly localId: string;
  readonly state: RecordState;
  /** Hash of fingerprint and output plan: what "the same command again" means. */
  readonly identity: string;
  /** Hash of the canonical request. */
  readonly fingerprint: string;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly apiBaseUrl: string;
  /** Absent for a task that was adopted by its bare id. */
  readonly operation?: Operation | undefined;
  readonly body?: WireBody | undefined;
  readonly idempotencyKey?: string | undefined;
  readonly output: OutputPlan;
  readonly hasSidecar: boolean;
  readonly estimatedCredits?: number | undefined;
  readonly sentAtMs?: number | undefined;
  /** When a person sent an uncertain request again, the last time. */
  readonly resentAtMs?: number | undefined;
  readonly taskId?: string | undefined;
  readonly acceptedAtMs?: number | undefined;
  readonly requestId?: string | undefined;
  readonly reservedCredits?: number | undefined;
  readonly usedCredits?: number | undefined;
  readonly estimatedSeconds?: number | undefined;
  readonly completedAtMs?: number | undefined;
  /** Secret for 24 h; the file is 0600. */
  readonly links?: readonly string[] | undefined;
  readonly linkExpiresAtMs?: number | undefined;
  readonly saved?: readonly SavedOutput[] | undefined;
  readonly error?: { readonly kind: ErrorKind; readonly code?: string; readonly message: string } | undefined;
  /** Why the outcome is unknown, and what was read of the answer (capped, without secrets). */
  readonly unknown?: {
    readonly reason: string;
    readonly httpStatus?: number | undefined;
    readonly rawBody?: string | undefined;
  };
  /** Each change of the service's own status word. */
  readonly timeline: readonly { readonly atMs: number; readonly status: string }[];
}

/** What a transition may change; the rest of a record is written once. `undefined` leaves what is known. */
export type RecordChange = Partial<
  Omit<TaskRecord, 'schemaVersion' | 'localId' | 'identity' | 'createdAtMs' | 'updatedAtMs'>
>;

/** The durable memory of every paid request. Every write is on the disk when its promise resolves. */
export interface Journal {
  readonly folder: string;
  /**
   * Creates a record exclusively, before anything is sent.
   * @throws EvolinkError `local-io` when it cannot be made durable: then nothing may be sent.
   */
  create(record: TaskRecord): Promise<void>;
  /**
   * Writes the next state of a record: temporary file, length check, fsync, rename, folder fsync. Unknown fields of
   * the file on disk survive. A closed state moves the record out of the open folder.
   * @throws EvolinkError `local-io`
   */
  update(localId: string, change: RecordChange): Promise<TaskRecord>;
  /** Open records, oldest first. Torn or foreign files are left alone and reported in `strangers`: `<path> (<reason>)`. */
  readOpen(): Promise<{ readonly records: readonly TaskRecord[]; readonly strangers: readonly string[] }>;
  /**
   * The open record of an identity, the newest if there are several. `onStranger` is told once of each torn or foreign
   * file, which may have been it.
   * @throws EvolinkError `local-io` where a file can't be read at all: then nobody knows what is open
   */
  findOpen(identity: string, onStranger?: (pathAndReason: string) => void): Promise<TaskRecord | undefined>;
  /** By local id or task id (whole, or an unambiguous short form), open or closed. */
  find(id: string): Promise<TaskRecord | undefined>;
  /** Everything, open and closed, oldest first, one record at a time. */
  readAll(): AsyncIterable<TaskRecord>;
  /** Removes closed records older than the age; returns how many. */
  prune(olderThanMs: number): Promise<number>;
  /**
   * Holds the identity for this process; a dead holder is replaced.
   * @throws EvolinkError `locked`, naming pid, host and since when, if another process still holds it after `waitMs`.
   */
  lock(identity: string, options: { waitMs: number; signal?: AbortSignal }): Promise<JournalLock>;
}

export interface JournalLock {
  release(): Promise<void>;
}

/** What each state may become. A change that keeps the state is always allowed. */
const TRANSITIONS: Readonly<Record<RecordState, readonly RecordState[]>> = {
  // `unknown` and `accepted` need `sent` first: a record that says `intent` promises that nothing has left.
  intent: ['sent', 'rejected', 'failed'],
  // Back to `intent` only when it is certain that the service did not take it.
  sent: ['accepted', 'rejected', 'failed', 'unknown', 'intent'],
  // To `rejected` when it turns out, or a person decides, that it was not taken; to `sent` by the same key only.
  unknown: ['accepted', 'rejected', 'failed', 'sent', 'intent'],
  accepted: ['completed', 'failed', 'expired'],
  completed: ['saved', 'expired', 'failed'],
  saved: ['expired'],
  rejected: [],
  // The service may find a task again that it did not know, or give a fresh link for one whose link was gone.
  failed: ['accepted', 'completed'],
  expired: ['accepted', 'completed', 'saved'],
};

/**
 * Checks a change of state.
 * @throws EvolinkError `internal`: only a bug asks for a change that the table does not hold
 */
export function checkTransition(localId: string, from: RecordState, to: RecordState): void {
  if (from === to || TRANSITIONS[from].includes(to)) return;
  throw new EvolinkError('internal', `record ${localId} cannot go from state "${from}" to "${to}"`, {
    localId,
  });
}

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

/** The version of the record's form that this program writes. It changes only when an older program would misread it. */
const SCHEMA_VERSION = 1;

export type ParsedRecord =
  | { readonly kind: 'record'; readonly record: TaskRecord }
  /** Not one of ours, or not whole; `reason` is a phrase for people. */
  | { readonly kind: 'stranger'; readonly reason: string };

/** Reads the text of a record's file. Fields that this version does not know are kept in the object. Pure. */
export function parseRecord(text: string): ParsedRecord {
  const data = parseJson(text);
  if (data === undefined) return { kind: 'stranger', reason: 'not whole, or not JSON' };
  if (isTaskRecord(data)) return { kind: 'record', record: data };
  const version =
    typeof data === 'object' && data !== null && 'schemaVersion' in data ? data.schemaVersion : undefined;
  if (typeof version === 'number' && version > SCHEMA_VERSION) {
    return { kind: 'stranger', reason: `written by a newer evolink (schema version ${version})` };
  }
  return { kind: 'stranger', reason: describeMisfit(data) };
}

/** The text of a record's file. */
export function formatRecord(record: TaskRecord): string {
  return `${JSON.stringify(record, null, 1)}\n`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The API of EvoLink itself, which most records belong to. */
const OWN_ORIGIN = 'https://api.evolink.ai';

/**
 * Which service an API address belongs to: its origin, or undefined for EvoLink's own. A task of one service means nothing
 * to another, whatever their requests have in common. Text that is no URL is a service of its own.
 */
export function serviceOf(baseUrl: string): string | undefined {
  const origin = URL.canParse(baseUrl) ? new URL(baseUrl).origin : baseUrl;
  return origin === OWN_ORIGIN ? undefined : origin;
}
