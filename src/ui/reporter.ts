import type { EvolinkError, StoppedError } from '../errors.ts';
import type { Clock } from '../platform/clock.ts';
import type { Io } from '../platform/io.ts';
import type { TaskEvent, TaskResult } from '../task/events.ts';
import type { Theme } from './theme.ts';

/** Turns what happens into text. One per output form; the only thing that writes while a use case runs. */
export interface Reporter {
  event(event: TaskEvent): void;
  /** The result on stdout and the last words on stderr. */
  result(result: TaskResult): Promise<void>;
  error(error: EvolinkError): Promise<void>;
  stopped(
    error: StoppedError,
    facts: {
      taskId?: string | undefined;
      localId?: string | undefined;
      resume?: readonly string[] | undefined;
    },
  ): Promise<void>;
  /** Ends every bar and spinner and restores the terminal. Safe to call twice. */
  close(): void;
}

/** `quiet`: only errors; `verbose`: also what is only of interest when something is wrong. */
export type Verbosity = 'quiet' | 'normal' | 'verbose';

export interface ReporterContext {
  readonly io: Io;
  readonly clock: Clock;
  readonly verbosity: Verbosity;
  readonly theme: Theme;
}
