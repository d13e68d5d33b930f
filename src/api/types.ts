import type { EvolinkError } from '../errors.ts';
import type { WireBody } from '../request/types.ts';

export type TaskState = 'running' | 'completed' | 'failed' | 'cancelled';

/** One reading of a task, tolerant: whatever is missing is absent. Server text is sanitised already. */
export interface TaskSnapshot {
  readonly id: string;
  readonly model?: string | undefined;
  readonly state: TaskState;
  /** The service's own word: `pending`, `processing`, … */
  readonly status: string;
  /** False for a word that no document names: the task counts as running, and a warning is due once. */
  readonly isKnownStatus: boolean;
  /** 0 to 100. */
  readonly progressPercent?: number | undefined;
  readonly estimatedSeconds?: number | undefined;
  readonly createdAtMs?: number | undefined;
  /** Result links in order; empty until completed. Secrets for 24 h. */
  readonly links: readonly string[];
  readonly videoSeconds?: number | undefined;
  readonly reservedCredits?: number | undefined;
  readonly usedCredits?: number | undefined;
  readonly error?: { readonly code: string; readonly message: string } | undefined;
  /** The server's clock (`Date` header) at the time of the answer. */
  readonly serverNowMs?: number | undefined;
  readonly requestId?: string | undefined;
}

/** What became of the paid POST. Only `not-sent` and `throttled` may be repeated, and only with the same key. */
export type SubmitOutcome =
  | {
      readonly kind: 'accepted';
      readonly task: TaskSnapshot;
      readonly isReplay: boolean;
      readonly requestId?: string;
    }
  /** Provably no byte of the request left: DNS, refused, unreachable, connect timeout, TLS, proxy CONNECT. */
  | { readonly kind: 'not-sent'; readonly error: EvolinkError; readonly isTransient: boolean }
  /** 429, or 503 with the API's own JSON: the service itself says that it did not take the task. */
  | { readonly kind: 'throttled'; readonly error: EvolinkError; readonly retryAfterMs?: number | undefined }
  /** The service refused the request; nothing was charged. */
  | { readonly kind: 'rejected'; readonly error: EvolinkError }
  /** Anything else after the first byte. `rawBody` is size-capped and free of secrets. */
  | {
      readonly kind: 'unknown';
      readonly reason: string;
      readonly httpStatus?: number | undefined;
      readonly requestId?: string | undefined;
      readonly rawBody?: string | undefined;
    };

export interface ListedTask {
  readonly id: string;
  readonly model?: string | undefined;
  readonly status: string;
  readonly createdAtMs?: number | undefined;
}

export interface TaskPage {
  readonly tasks: readonly ListedTask[];
  readonly page: number;
  readonly pageSize: number;
  readonly total?: number | undefined;
  readonly serverNowMs?: number | undefined;
}

export interface Credits {
  readonly userRemaining?: number | undefined;
  readonly userUsed?: number | undefined;
  readonly tokenRemaining?: number | undefined;
  readonly isTokenUnlimited: boolean;
  /** The smaller of what user and token have left; absent when the answer names neither. */
  readonly spendable?: number | undefined;
}

/** The service, one method an endpoint. Only `submit` POSTs something that costs. */
export interface ApiClient {
  readonly baseUrl: string;
  /** Loads what the first request needs, so that nothing lies between the record of a submission and its sending. */
  prepare?(): Promise<void>;
  /** Sends the paid POST exactly once: own connection, no redirects, no retry. Never throws but for an abort. */
  submit(body: WireBody, options: { idempotencyKey: string; signal?: AbortSignal }): Promise<SubmitOutcome>;
  /**
   * Reads one task once, without retry.
   * @throws EvolinkError `auth` (401, 403), `task-failed` (404), `network` (everything that may pass by itself;
   * `retryAfterMs` is on the `ApiReadError`), `usage` (400).
   */
  getTask(taskId: string, signal?: AbortSignal): Promise<TaskSnapshot>;
  /** `undefined` where the service has no list (404, 405). */
  listTasks(
    query: { model?: string; page: number; pageSize: number },
    signal?: AbortSignal,
  ): Promise<TaskPage | undefined>;
  /** `undefined` where the service has no batch read (404, 405). Unknown ids are missing from the answer. */
  getTasks(taskIds: readonly string[], signal?: AbortSignal): Promise<readonly TaskSnapshot[] | undefined>;
  getCredits(signal?: AbortSignal): Promise<Credits>;
}
