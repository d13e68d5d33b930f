import { EvolinkError } from '../errors.ts';
import type { Io } from '../platform/io.ts';
import type { Form } from './form.ts';

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
