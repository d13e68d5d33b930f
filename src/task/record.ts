import { createHash } from 'node:crypto';
import * as z from 'zod/mini';
import type { OutputPlan } from '../config/output.ts';
import { type Charged, type ErrorKind, EvolinkError, EXIT_CODES } from '../errors.ts';
import { all, camelKeys, snakeKeys } from '../platform/text.ts';

/** What each state may become, and what is known of the money in it. A change that keeps the state is always allowed. */
const STATES = {
  // `unknown` and `accepted` need `sent` first: a record that says `intent` promises that nothing has left.
  intent: { charged: 'no', next: ['sent', 'rejected', 'failed'] },
  // Back to `intent` only when it is certain that the service did not accept it.
  sent: { charged: 'unknown', next: ['accepted', 'rejected', 'failed', 'unknown', 'intent', 'dismissed'] },
  // To `rejected` when it turns out, or a person decides, that it was not accepted; to `sent` by the same key only.
  unknown: { charged: 'unknown', next: ['accepted', 'rejected', 'failed', 'sent', 'intent', 'dismissed'] },
  // To `dismissed` only where a person has judged a task that the service does not know.
  accepted: { charged: 'yes', next: ['completed', 'failed', 'expired', 'dismissed'] },
  completed: { charged: 'yes', next: ['saved', 'expired', 'failed', 'dismissed'] },
  saved: { charged: 'yes', next: ['expired'] },
  rejected: { charged: 'no', next: [] },
  // The service may find a task again that it did not know, or give a fresh link for one whose link was gone.
  failed: { charged: 'unknown', next: ['accepted', 'completed'] },
  expired: { charged: 'yes', next: ['accepted', 'completed', 'saved'] },
  dismissed: { charged: 'unknown', next: ['accepted'] },
} as const satisfies Readonly<Record<string, { charged: Charged; next: readonly string[] }>>;

export type RecordState = keyof typeof STATES;
export const RECORD_STATES = Object.keys(STATES) as RecordState[];

/** Records in these states are open: something may still become of them by itself. */
const OPEN: readonly RecordState[] = ['intent', 'sent', 'unknown', 'accepted', 'completed'];

export function isOpen({ state }: Pick<TaskRecord, 'state'>): boolean {
  return OPEN.includes(state);
}

/** Nobody knows whether the service has accepted it. */
export function isUncertain({ state }: Pick<TaskRecord, 'state'>): boolean {
  return state === 'sent' || state === 'unknown';
}

export function chargedIn({ state }: Pick<TaskRecord, 'state'>): Charged {
  return STATES[state].charged;
}

/**
 * Checks a change of state.
 * @throws EvolinkError `locked` where a request that another process is sending would be sent; `internal`: only a bug asks
 * for another change that the table does not hold
 */
export function checkTransition(localId: string, from: RecordState, to: RecordState): void {
  if (from === 'sent' && to === 'sent')
    throw new EvolinkError('locked', `another process is sending request ${localId}`, {
      hint: 'wait until it ends, then run the command again',
      localId,
    });
  const next: readonly RecordState[] = STATES[from].next;
  if (from === to || next.includes(to)) return;
  throw new EvolinkError('internal', `record ${localId} cannot go from state "${from}" to "${to}"`, {
    localId,
  });
}

/** Without `i l o u`: easy to read out, and no words by accident (Crockford's Base32 alphabet, lower case). */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** What a local id, and so the name of a record's file, may look like. */
export const LOCAL_ID = /^[0-9a-z][0-9a-z-]{0,63}$/;

/**
 * A new id for a request that has no task id yet: `20261121-091502-k3f9q2`, UTC; the first two letters are the millisecond.
 * Sorts by time, is lower case and safe as a file name everywhere. `random` gives numbers in [0, 1).
 */
export function newLocalId(nowMs: number, random: () => number): string {
  const [day, time] = new Date(nowMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, '').split('T');
  const millisecond = (nowMs % 1000) / 1024;
  const parts = [millisecond, (millisecond * 32) % 1, random(), random(), random(), random()];
  const letters = parts.map((part) => ALPHABET.charAt(Math.floor(part * ALPHABET.length)));
  return `${day}-${time}-${letters.join('')}`;
}

/** The ids and the money of a task, as every document has them. */
export function taskFacts(record: TaskRecord) {
  const { estimatedCredits, reservedCredits, usedCredits } = record;
  return {
    local_id: record.localId,
    task_id: record.taskId ?? null,
    credits: {
      estimated: estimatedCredits ?? null,
      reserved: reservedCredits ?? null,
      used: usedCredits ?? null,
    },
  };
}

/** 1 is that of 0.1.0, which wrote the keys as they are in memory. */
export const RECORD_VERSION = 2;

/**
 * One paid request, from before the POST to the file on disk. Every `…Ms` is local wall time, ms since the epoch. In the
 * file the keys are in snake_case. Made when the first record is read.
 */
function recordSchema() {
  const number = z.optional(z.number());
  const text = z.optional(z.string());
  const exactText = z.exactOptional(z.string());
  const texts = z.readonly(z.array(z.string()));
  const errorKinds = Object.keys(EXIT_CODES).filter((name): name is ErrorKind => name !== 'ok');
  return z.object({
    schemaVersion: z.literal([1, RECORD_VERSION]),
    /** Made here, sorts by time, safe as a file name: the id of a request that has no task id yet. */
    localId: z.string().check(z.regex(LOCAL_ID)),
    state: z.enum(RECORD_STATES),
    /** Hash of fingerprint and output plan: what "the same command again" means. Never changes. */
    identity: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
    /** `fingerprint`: hash of the canonical request; empty where that is not known. */
    ...all(z.string(), 'fingerprint', 'apiBaseUrl'),
    ...all(z.number(), 'createdAtMs', 'updatedAtMs'),
    /**
     * `job`: its name in a job file. `keyHash` tells whether the key is another by now, and is too short to tell anything of
     * the key itself.
     */
    ...all(text, 'job', 'idempotencyKey', 'keyHash', 'taskId', 'requestId'),
    /** Absent for a task that was adopted by its bare id. */
    operation: z.optional(z.enum(['t2v', 'i2v', 'ref'])),
    body: z.optional(
      z.looseObject({
        ...all(z.string(), 'model', 'prompt'),
        ...all(z.exactOptional(texts), 'image_urls', 'video_urls', 'audio_urls'),
        duration: z.exactOptional(z.number()),
        ...all(exactText, 'quality', 'aspect_ratio'),
        generate_audio: z.exactOptional(z.boolean()),
      }),
    ),
    output: z.discriminatedUnion('kind', [
      z.object({
        kind: z.literal('file'),
        ...all(z.string(), 'folder', 'pattern'),
        onExisting: z.enum(['refuse', 'overwrite', 'skip']),
      }),
      z.object({ kind: z.literal('stdout') }),
    ]),
    hasSidecar: z.boolean(),
    /** `resentAtMs`: when a person sent an uncertain request again, the last time. */
    ...all(number, 'sentAtMs', 'resentAtMs', 'acceptedAtMs', 'completedAtMs'),
    ...all(number, 'estimatedCredits', 'reservedCredits', 'usedCredits', 'estimatedSeconds'),
    /** Secret for 24 h; the file is 0600. */
    links: z.optional(texts),
    /** `serverAheadMs`: the service's clock minus ours when the end was reckoned; ours may be set before a download. */
    ...all(number, 'linkExpiresAtMs', 'serverAheadMs'),
    saved: z.optional(
      z.readonly(
        z.array(z.object({ ...all(z.string(), 'path', 'sha256'), ...all(z.number(), 'sizeBytes', 'atMs') })),
      ),
    ),
    error: z.optional(z.object({ kind: z.enum(errorKinds), code: text, message: z.string() })),
    /** Why the outcome is unknown, and what was read of the answer (capped, without secrets). */
    unknown: z.optional(z.object({ reason: z.string(), httpStatus: number, rawBody: text })),
    /** Each change of the service's own status word. */
    timeline: z.readonly(z.array(z.object({ atMs: z.number(), status: z.string() }))),
  });
}

let madeSchema: ReturnType<typeof recordSchema> | undefined;

export type TaskRecord = Readonly<z.infer<ReturnType<typeof recordSchema>>>;

/** What a transition may change; the rest of a record is written once. `undefined` leaves what is known. */
export type RecordChange = Partial<
  Omit<TaskRecord, 'schemaVersion' | 'localId' | 'identity' | 'createdAtMs' | 'updatedAtMs'>
>;

/** The body of a request has the service's own keys. */
const OPAQUE = ['body'];

/**
 * Reads the text of a record's file. Fields that this version does not know are kept in the object. Pure.
 * @returns a phrase for people where it is not one of ours, or not whole
 */
export function parseRecord(text: string): TaskRecord | string {
  let data: unknown;
  try {
    data = camelKeys(JSON.parse(text), OPAQUE);
  } catch {
    return 'not whole, or not JSON';
  }
  const misfit = misfitOf(data);
  if (misfit === undefined) return data as TaskRecord;
  const version = Number(Object(data).schemaVersion);
  return version > RECORD_VERSION ? `written by a newer evolink (schema version ${version})` : misfit;
}

/** Why a value is no record, as a phrase. */
function misfitOf(value: unknown): string | undefined {
  madeSchema ??= recordSchema();
  const [issue] = madeSchema.safeParse(value).error?.issues ?? [];
  if (issue === undefined) return undefined;
  const [field] = issue.path;
  return `not a task record${field === undefined ? '' : `: "${String(field)}" is missing or wrong`}`;
}

/**
 * The text of a record's file.
 * @throws EvolinkError `internal`: a record that could not be read again must never be written
 */
export function formatRecord(record: TaskRecord): string {
  const misfit = misfitOf(record);
  if (misfit !== undefined)
    throw new EvolinkError('internal', `record ${record.localId} cannot be written: ${misfit}`);
  return `${JSON.stringify(snakeKeys({ ...record, schemaVersion: RECORD_VERSION }, OPAQUE), null, 1)}\n`;
}

/** Ours, and what 0.1.0 has named its records. */
const FILE_NAME =
  /^(?:([0-9a-z][0-9a-z-]{0,63})\.([0-9a-f]{32})(?:\.([0-9a-f]{16}))?|(\d{8}-\d{6}-[0-9a-z]{6}))\.json$/;

/**
 * What a file name says, so that a file that can't be read still stands for its request: the local id, the first half of
 * the request's identity (absent in names of 0.1.0), and of a closed record which task it is of. Undefined for a name that
 * no version gives to a record.
 */
export function readName(name: string) {
  const [, ourId, request, task, localId = ourId] = FILE_NAME.exec(name) ?? [];
  return localId === undefined ? undefined : { localId, request, task };
}

/** The name of a record's file, which sorts by time. */
export function nameOf(record: TaskRecord): string {
  const { localId, identity, taskId } = record;
  const task = isOpen(record) || taskId === undefined ? '' : `.${taskPart(taskId)}`;
  return `${localId}.${requestPart(identity)}${task}.json`;
}

/** The part of an identity that stands in names. */
export function requestPart(identity: string): string {
  return identity.slice(0, 32);
}

/** What stands for a task in the names of its closed records. */
export function taskPart(taskId: string): string {
  return sha256(taskId).slice(0, 16);
}

/** As `keyHash` of a record: one of 16 million, which millions of possible keys share. */
export function hashKey(apiKey: string): string {
  return sha256(`evolink key ${apiKey}`).slice(0, 6);
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/**
 * What "the same command again" means: the same request (its fingerprint) to the same service into the same place, as 64
 * hex digits. What to do with an existing file is no part of it: a run repeated with `--overwrite` must find the task that
 * was paid for, not buy a second one. Of a record that was moved since it is another than the record's own.
 * @param service as `serviceOf`; absent for EvoLink's own, and in the sandbox, whose journal has no other
 */
export function requestIdentity(
  { fingerprint, output }: { readonly fingerprint: string; readonly output: OutputPlan },
  service?: string,
): string {
  const place = output.kind === 'file' ? [output.kind, output.folder, output.pattern] : [output.kind];
  const of = service === undefined ? [] : [{ service }];
  return sha256(JSON.stringify(['identity-1', fingerprint, ...place, ...of]));
}
