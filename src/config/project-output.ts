import { dirname, join, relative, resolve, sep } from 'node:path';
import { escapePattern } from '../download/pattern.ts';
import { isInside } from '../platform/is-inside.ts';
import type { ConfigFile } from './read-config.ts';
import type { Setting } from './settings.ts';

/**
 * Makes the output of a project file absolute: it counts from the file's folder. One outside of that folder is left out
 * with a warning: a repository from somebody else must not decide where on the disk files are written.
 */
export function placeProjectOutput(
  chain: readonly Setting<unknown>[],
  file: ConfigFile | undefined,
  warnings: string[],
): readonly Setting<unknown>[] {
  return chain.flatMap((setting) => {
    const { value } = setting;
    if (setting.level !== 'project' || file === undefined || typeof value !== 'string' || value === '-')
      return [setting];
    const folder = dirname(file.path);
    const path = resolve(folder, value);
    if (!isInside(folder, path)) {
      warnings.push(
        `output from ${setting.source} is ignored: it leads out of ${folder}, and a project file may only write below its own folder; use -o or EVOLINK_OUTPUT for another place`,
      );
      return [];
    }
    const inside = relative(folder, path);
    const isFolder = inside === '' || /[/\\]$/.test(value);
    return [{ ...setting, value: `${join(escapePattern(folder), inside)}${isFolder ? sep : ''}` }];
  });
}
