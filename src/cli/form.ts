import { join } from 'node:path';
import { EvolinkError } from '../errors.ts';
import type { Context } from '../platform/context.ts';
import { stateFolder } from '../platform/folders.ts';
import type { Io } from '../platform/io.ts';
import type { FlagValues, FORM_FLAGS } from './flags.ts';

/** The form flags, which every command has. */
export type FormOptions = FlagValues<(typeof FORM_FLAGS)[number]>;

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

/** `EVOLINK_SANDBOX=1`: anything but an explicit no. */
function isSwitchedOn(value: string | undefined): boolean {
  return value !== undefined && !['', '0', 'false', 'no', 'off'].includes(value.trim().toLowerCase());
}

/** Where records lie. Those of the sandbox must never be mistaken for tasks that were paid for. */
export function statePlace(
  { env, platform, home }: Pick<Context, 'env' | 'platform' | 'home'>,
  form: FormOptions,
): { readonly folder: string; readonly isSandbox: boolean } {
  const isSandbox = form.sandbox === true || isSwitchedOn(env.EVOLINK_SANDBOX);
  const folder = stateFolder(env, platform, home);
  return { folder: isSandbox ? join(folder, 'sandbox') : folder, isSandbox };
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
