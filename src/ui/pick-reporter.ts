import type { Clock } from '../platform/clock.ts';
import type { Io } from '../platform/io.ts';
import { createEventsReporter } from './events-reporter.ts';
import { createJsonReporter } from './json-reporter.ts';
import { createPlainReporter } from './plain-reporter.ts';
import type { Reporter } from './reporter.ts';
import type { Verbosity } from './reporter-context.ts';
import { createTheme } from './theme.ts';

export type OutputForm = 'human' | 'json' | 'events';

export interface ReporterOptions {
  readonly io: Io;
  readonly clock: Clock;
  readonly form: OutputForm;
  readonly verbosity: Verbosity;
  /** False after `--no-progress`, and where the terminal cannot draw (`TERM=dumb`). */
  readonly hasProgress: boolean;
  readonly isCi: boolean;
  /** Hears which form was chosen, and what went wrong while showing something. */
  readonly onDebug?: ((message: string) => void) | undefined;
}

/**
 * The reporter of this run: `json` and `events` as asked; for people the live one on a terminal, else plain lines.
 * The drawing libraries are loaded for the live one only.
 */
export async function createReporter(options: ReporterOptions): Promise<Reporter> {
  const { onDebug = () => {} } = options;
  const name = pickForm(options);
  onDebug(`output form: ${name}`);
  return guardEvents(await create(name, options), onDebug);
}

function pickForm({
  form,
  io,
  verbosity,
  hasProgress,
  isCi,
}: ReporterOptions): 'terminal' | 'plain' | 'json' | 'events' {
  if (form !== 'human') return form;
  return io.stderr.isTty && hasProgress && !isCi && verbosity !== 'quiet' ? 'terminal' : 'plain';
}

async function create(
  name: ReturnType<typeof pickForm>,
  { io, clock, verbosity }: ReporterOptions,
): Promise<Reporter> {
  const context = { io, clock, verbosity, theme: createTheme({ isUnicode: io.isUnicode }) };
  switch (name) {
    case 'terminal': {
      const { createTerminalReporter } = await import('./terminal-reporter.ts');
      return createTerminalReporter(context);
    }
    case 'plain':
      return createPlainReporter(context);
    case 'json':
      return createJsonReporter(context);
    case 'events':
      return createEventsReporter(context);
  }
}

/** A fault in showing an event must not end the work that it is about: a clip may be paid for. */
function guardEvents(reporter: Reporter, onDebug: (message: string) => void): Reporter {
  return {
    ...reporter,
    event(event) {
      try {
        reporter.event(event);
      } catch (error) {
        onDebug(
          `could not show "${event.kind}": ${error instanceof Error ? error.message : 'unknown fault'}`,
        );
      }
    },
  };
}
