import { setMaxListeners } from 'node:events';
import { SIGNAL_EXITS, StoppedError, type StopSignal } from '../errors.ts';

export interface SignalOptions {
  /** Runs at the first signal, before the work is stopped: the place to acknowledge it. */
  readonly onFirst?: (signal: StopSignal) => void;
  /** Runs before the process is ended at once: shows the cursor, ends the live line. Must be synchronous. */
  readonly restoreTerminal?: () => void;
  /** Prints what was sent, on a second signal. Must be synchronous. */
  readonly print?: (text: string) => void;
}

export interface SignalWatch {
  /** Aborts at the first SIGINT, SIGTERM or SIGHUP, with a `StoppedError` as its reason. */
  readonly signal: AbortSignal;
  /** What a second signal prints before it ends the process: set by whoever has sent something. */
  lastWords: (() => string) | undefined;
  /** Ends the watch: from here on a signal ends the process as usual. */
  stop(): void;
  /**
   * After a first signal, with all output written: ends the process by that very signal, so that a shell or a CI
   * runner sees an interrupted command (128 + n) and stops its script too. Does nothing if there was no signal.
   */
  raise(): void;
}

/**
 * Turns the first stop signal into an abort; a second one ends the process at once.
 * (Ending by the signal itself: "Proper handling of SIGINT/SIGQUIT", cons.org/cracauer/sigint.html.)
 */
export function watchSignals(
  source: NodeJS.Process,
  { onFirst, restoreTerminal, print }: SignalOptions = {},
): SignalWatch {
  const controller = new AbortController();
  // Everything that is under way listens; Node warns on stderr from the eleventh on.
  setMaxListeners(0, controller.signal);
  let first: StopSignal | undefined;

  const listeners = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map(
    (name) => [name, () => onSignal(name)] as const,
  );
  for (const [name, listener] of listeners) source.on(name, listener);

  function stop(): void {
    for (const [name, listener] of listeners) source.off(name, listener);
  }

  function end(name: StopSignal): void {
    stop();
    try {
      restoreTerminal?.();
    } finally {
      // On Windows a signal from within is a kill with exit code 1; the code is kept there.
      if (source.platform !== 'win32') source.kill(source.pid, name);
      // Still here: process 1 of a container has no default action for signals.
      source.exit(SIGNAL_EXITS[name]);
    }
  }

  function onSignal(name: StopSignal): void {
    if (first !== undefined) {
      try {
        const words = watch.lastWords?.() ?? '';
        if (words !== '') print?.(words);
      } finally {
        end(name);
      }
      return;
    }
    first = name;
    try {
      onFirst?.(name);
    } finally {
      controller.abort(new StoppedError(name));
    }
  }

  const watch: SignalWatch = {
    signal: controller.signal,
    lastWords: undefined,
    stop,
    raise() {
      if (first !== undefined) end(first);
    },
  };
  return watch;
}
