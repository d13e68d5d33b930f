import type { Clock } from '../platform/clock.ts';
import type { FaultPlan } from './faults/fault-types.ts';
import type { VideoMaker } from './video/types.ts';

export interface SandboxOptions {
  /** Port of the API; 0 or absent = any free one. */
  readonly port?: number | undefined;
  /** Port of result links and uploaded files; absent = the one after `port`, or any free one. */
  readonly linkPort?: number | undefined;
  /** A loopback address, `127.0.0.1` by default. */
  readonly host?: string | undefined;
  /** How many times faster than the service tasks end; 60 by default. */
  readonly speed?: number | undefined;
  readonly faults?: FaultPlan | undefined;
  readonly clock: Clock;
  /** The same seed gives the same ids and times. */
  readonly seed?: number | undefined;
  /** 1000 by default. */
  readonly startingCredits?: number | undefined;
  /** The keys that are good; any well-formed one by default. */
  readonly apiKeys?: readonly string[] | undefined;
  /** Whether Idempotency-Key is honoured; true by default. */
  readonly hasIdempotency?: boolean | undefined;
  /** Whether `GET /v1/tasks` exists; true by default. */
  readonly hasTaskList?: boolean | undefined;
  /** Keeps tasks, uploads and clips beyond this process. */
  readonly stateFolder?: string | undefined;
  /** `shared` makes one clip a size, length and sound; quicker than one a task, the default. */
  readonly clip?: 'per-task' | 'shared' | undefined;
  readonly videoMaker: VideoMaker;
  /** How long result links work, 24 h by default. */
  readonly linkLifeMs?: number | undefined;
  /** Model ids offered beyond the documented ones. */
  readonly extraModels?: readonly string[] | undefined;
  /** One line a request. */
  readonly log?: ((line: string) => void) | undefined;
}
