import { setMaxListeners } from 'node:events';
import { SIGNAL_EXITS, StoppedError, type StopSignal } from '../errors.ts';

export type SignalWatch = ReturnType<typeof watchSignals>;

/**
 * Turns the first stop signal into an abort; a second one ends the process at once.
 * (Ending by the signal itself: "Proper handling of SIGINT/SIGQUIT", cons.org/cracauer/sigint.html.)
 * @param restoreTerminal runs before the process is ended at once: shows the cursor, ends the live line
 * @param print prints what was sent, on a second signal; both must be synchronous
 */
export function watchSignals(
  source: NodeJS.Process,
  restoreTerminal: () => void = () => {},
  print: (text: string) => void = () => {},
) {
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
      restoreTerminal();
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
        if (words !== '') print(words);
      } finally {
        end(name);
      }
      return;
    }
    first = name;
    controller.abort(new StoppedError(name));
  }

  const watch = {
    /** Aborts at the first SIGINT, SIGTERM or SIGHUP, with a `StoppedError` as its reason. */
    signal: controller.signal,
    /** What a second signal prints before it ends the process: set by whoever has sent something. */
    lastWords: undefined as (() => string) | undefined,
    /** Ends the watch: from here on a signal ends the process as usual. */
    stop,
    /**
     * After a first signal, with all output written: ends the process by that very signal, so that a shell or a CI
     * runner sees an interrupted command (128 + n) and stops its script too. Does nothing if there was no signal.
     */
    raise(): void {
      if (first !== undefined) end(first);
    },
  };
  return watch;
}
