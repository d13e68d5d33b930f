import type { VideoSpec } from './video/types.ts';

/** How a task will end, decided when it is made. */
export type TaskFate =
  | { readonly kind: 'completed' }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
  | { readonly kind: 'cancelled' }
  /** Never ends, and shows this status word. */
  | { readonly kind: 'stuck'; readonly word: string };

/** One task. Plain data: it is what the state folder holds. */
export interface SandboxTask {
  readonly schemaVersion: 1;
  readonly id: string;
  readonly model: string;
  readonly createdAtMs: number;
  /** Wall milliseconds from submit to end, speed applied. */
  readonly lifeMs: number;
  readonly fingerprint: string;
  readonly idempotencyKey?: string | undefined;
  readonly reservedCredits: number;
  readonly searchCredits: number;
  readonly fate: TaskFate;
  readonly linkCount: number;
  readonly isResultDataOnly: boolean;
  readonly callbackUrl?: string | undefined;
  readonly spec: VideoSpec;
  readonly end?: TaskEnd | undefined;
  /** Raised when the links given out so far stop working. */
  readonly linkRevision: number;
  /** Raised when the clip becomes another one. */
  readonly clipVersion: number;
}

export interface TaskEnd {
  readonly status: 'completed' | 'failed' | 'cancelled';
  readonly atMs: number;
  readonly chargedCredits: number;
  readonly error?: { readonly code: string; readonly message: string } | undefined;
}
