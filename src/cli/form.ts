import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Context } from '../platform/context.ts';
import { stateFolder } from '../platform/folders.ts';
import { fsErrorCode } from '../platform/fs-error.ts';
import type { FlagValues } from './flags.ts';

export type Form = 'human' | 'json' | 'events';

/** Which output form is asked for. `--events` contains what `--json` would say, so it wins. */
export function formOf(options: FlagValues): Form {
  if (options.events === true) return 'events';
  return options.json === true ? 'json' : 'human';
}

/** `EVOLINK_SANDBOX=1`: anything but an explicit no. */
function isSwitchedOn(value: string | undefined): boolean {
  return value !== undefined && !['', '0', 'false', 'no', 'off'].includes(value.trim().toLowerCase());
}

/** Where records lie. Those of the sandbox must never be mistaken for tasks that were paid for. */
export function statePlace(
  { env, platform, home }: Pick<Context, 'env' | 'platform' | 'home'>,
  options: FlagValues,
): { readonly folder: string; readonly isSandbox: boolean } {
  const isSandbox = options.sandbox === true || isSwitchedOn(env.EVOLINK_SANDBOX);
  const folder = stateFolder(env, platform, home);
  return { folder: isSandbox ? join(folder, 'sandbox') : folder, isSandbox };
}

/** Says that there is something to go on with in the sandbox, for who has left out `--sandbox`; else empty. */
export function sandboxHint(folder: string, isSandbox: boolean): string {
  const count = isSandbox ? 0 : openNames(join(folder, 'sandbox')).length;
  if (count === 0) return '';
  return `hint: ${count === 1 ? 'a task' : `${count} tasks`} of the sandbox can be continued: evolink resume --sandbox`;
}

/** The names of open records in a state folder. @throws the system's error, unless there is no such folder */
export function openNames(folder: string): readonly string[] {
  try {
    return readdirSync(join(folder, 'tasks', 'open')).filter((name) => !name.startsWith('.'));
  } catch (error) {
    if (fsErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
}
