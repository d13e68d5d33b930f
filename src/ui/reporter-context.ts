import type { Clock } from '../platform/clock.ts';
import type { Io } from '../platform/io.ts';
import type { Theme } from './theme.ts';

/** `quiet`: only errors; `verbose`: also what is only of interest when something is wrong. */
export type Verbosity = 'quiet' | 'normal' | 'verbose';

export interface ReporterContext {
  readonly io: Io;
  readonly clock: Clock;
  readonly verbosity: Verbosity;
  readonly theme: Theme;
}
