import type { EvolinkError, StoppedError } from '../errors.ts';
import type { TaskEvent, TaskResult } from '../generate/events.ts';

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
