import { EvolinkError } from '../errors.ts';
import { isDeviceName } from './file-name.ts';
import { literalText, parsePattern } from './pattern.ts';

/** A drive, as the first part of a path: there the colon is none of the name. */
const DRIVE = /^[a-z]:$/i;

/**
 * Refuses what a person wrote out that Windows would take for something else than a file of that name: a device (`CON`,
 * `nul.mp4`), a stream behind a colon, a name whose last dot or space it drops. Fields are made safe when they are filled in.
 * @param segments the parts of the output, as a pattern
 * @throws EvolinkError `usage`
 */
export function refuseWindowsNames(segments: readonly string[]): void {
  for (const [index, segment] of segments.entries()) {
    if (index === 0 && DRIVE.test(segment)) continue;
    const problem = problemOf(segment);
    if (problem === undefined) continue;
    throw new EvolinkError('usage', `no file can have the name "${segment}" on Windows: ${problem}`, {
      hint: 'choose another name with -o',
      charged: 'no',
    });
  }
}

function problemOf(segment: string): string | undefined {
  const name = literalText(segment);
  const typed = parsePattern(segment).map((part) => (part.kind === 'text' ? part.text : 'x'));
  const reserved = /[<>:"|?*]/.exec(typed.join(''))?.[0];
  if (reserved !== undefined) return `it has ${reserved}`;
  if (name === undefined || name === '' || /^\.{1,2}$/.test(name)) return undefined;
  if (isDeviceName(name)) return 'it stands for a device';
  return /[. ]$/.test(name) ? 'it ends in a dot or a space' : undefined;
}
