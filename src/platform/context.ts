import type { Clock } from './clock.ts';
import type { Io } from './io.ts';
import type { SignalWatch } from './signals.ts';
import type { Secrets } from './text.ts';

/** Everything of the outside world that a command may touch; made once in `main.ts`, by hand in tests. */
export interface Context {
  readonly io: Io;
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly home: string;
  readonly platform: NodeJS.Platform;
  readonly host: string;
  readonly pid: number;
  readonly userId: number | undefined;
  readonly version: string;
  /** What must never be printed; every stream masks these. */
  readonly secrets: Secrets;
  readonly signals: SignalWatch;
  /** Aborts when nothing is left to wait for although the command has not ended. */
  readonly stalled: AbortSignal;
}
