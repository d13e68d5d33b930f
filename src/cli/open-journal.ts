import { join } from 'node:path';
import type { Context } from '../platform/context.ts';
import { stateFolder } from '../platform/folders.ts';
import type { Journal } from '../task/journal.ts';
import { createJournal } from '../task/journal.ts';
import type { FormOptions } from './form.ts';

/** `EVOLINK_SANDBOX=1`: anything but an explicit no. */
function isSwitchedOn(value: string | undefined): boolean {
  return value !== undefined && !['', '0', 'false', 'no', 'off'].includes(value.trim().toLowerCase());
}

export interface OpenJournal {
  readonly journal: Journal;
  readonly stateFolder: string;
  readonly isSandbox: boolean;
}

/** The journal of this user. Rehearsals have one of their own: they must never be mistaken for tasks that were paid for. */
export function openJournal(context: Context, form: FormOptions): OpenJournal {
  const { env, platform, home, clock, host, pid, userId } = context;
  const isSandbox = form.sandbox === true || isSwitchedOn(env.EVOLINK_SANDBOX);
  const baseFolder = stateFolder(env, platform, home);
  const folder = isSandbox ? join(baseFolder, 'sandbox') : baseFolder;
  return { journal: createJournal({ folder, clock, host, pid, userId }), stateFolder: folder, isSandbox };
}
