import type { OutputPlan } from '../download/types.ts';
import type { ErrorKind } from '../errors.ts';
import type { Operation, WireBody } from '../request/types.ts';

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

export interface SavedOutput {
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
