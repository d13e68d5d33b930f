import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { ClipStore } from './clip-store.ts';
import type { SeededRandom, ServerClock } from './clock.ts';
import type { Fault, FaultPlan } from './fault-table.ts';
import type { FaultQueue } from './faults.ts';
import type { Ledger } from './ledger.ts';
import type { ModelRow } from './service.ts';
import type { TaskBook } from './task-book.ts';
import type { SandboxTask } from './task-object.ts';
import type { UploadBook } from './uploads.ts';
import type { GenerationValidator } from './validation.ts';

/** What the account and the service allow. */
export interface SandboxRules {
  readonly speed: number;
  readonly startingCredits: number;
  /** `undefined` = any well-formed key. */
  readonly apiKeys: readonly string[] | undefined;
  readonly hasIdempotency: boolean;
  readonly hasTaskList: boolean;
  readonly clip: 'per-task' | 'shared';
  readonly models: readonly ModelRow[];
}

/** What the handlers of both servers share. */
export interface SandboxContext {
  readonly rules: SandboxRules;
  readonly clock: ServerClock;
  readonly random: SeededRandom;
  readonly faults: FaultQueue;
  readonly ledger: Ledger;
  readonly tasks: TaskBook;
  readonly uploads: UploadBook;
  readonly clips: ClipStore;
  readonly validator: GenerationValidator;
  /** Aborted when the sandbox closes. */
  readonly signal: AbortSignal;
  readonly linkUrl: () => string;
  readonly linksOf: (task: SandboxTask) => readonly string[];
  /** Says whether this connection has served a request before. */
  readonly isReused: (socket: Socket) => boolean;
  /** Writes into the ledger which faults struck the request behind an answer. */
  readonly noteFaults: (response: ServerResponse, faults: readonly Fault[]) => void;
  readonly addFaults: (plan: FaultPlan) => void;
}
