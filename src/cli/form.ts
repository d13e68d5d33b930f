import { EvolinkError } from '../errors.ts';
import type { Io } from '../platform/io.ts';

/** The form flags as commander hands them over. */
export interface FormOptions {
  readonly json?: boolean;
  readonly events?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly debug?: boolean;
  readonly color?: boolean;
  readonly progress?: boolean;
  readonly sandbox?: boolean;
}

export type Form = 'human' | 'json' | 'events';

/** Which output form is asked for. `--events` contains what `--json` would say, so it wins. */
export function formOf(options: FormOptions): Form {
  if (options.events === true) return 'events';
  return options.json === true ? 'json' : 'human';
}

export function verbosityOf(options: FormOptions): 'quiet' | 'normal' | 'verbose' {
  if (options.quiet === true) return 'quiet';
  return options.verbose === true || options.debug === true ? 'verbose' : 'normal';
}

/**
 * Refuses `-o -` where standard output is not free for a video: nobody can watch bytes on a terminal, and two things
 * can't have it at once.
 * @throws EvolinkError `usage`; nothing was sent
 */
export function checkVideoOnStdout({ stdout }: Pick<Io, 'stdout'>, form: Form): void {
  if (form !== 'human') {
    throw new EvolinkError(
      'usage',
      `-o - puts the video on standard output, where --${form} would be as well`,
      { hint: `leave out --${form}, or save to a file`, charged: 'no' },
    );
  }
  if (!stdout.isTty) return;
  throw new EvolinkError('usage', '-o - puts the video on standard output, which is a terminal', {
    hint: 'pipe it into a program or a file (-o - | ffplay -), or name a file: -o clip.mp4',
    charged: 'no',
  });
}
