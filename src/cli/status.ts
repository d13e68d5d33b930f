import type { Context } from '../platform/context.ts';
import { formOf } from './form.ts';
import { openJournal } from './open-journal.ts';
import type { StatusInput } from './show-status.ts';

/**
 * `evolink status`. The question asked most often, whether anything is open, is answered from the journal alone: config,
 * key and service are only looked at where there is something to ask them about.
 */
export async function runStatus(context: Context, input: StatusInput): Promise<number> {
  if (await isNothingOpen(context, input)) {
    if (input.options.quiet !== true) await context.io.stderr.write('nothing is unfinished or unsaved\n');
    return 0;
  }
  const { showStatus } = await import('./show-status.ts');
  return showStatus(context, input);
}

async function isNothingOpen(context: Context, { ids, options }: StatusInput): Promise<boolean> {
  if (ids.length > 0 || options.prune !== undefined || formOf(options) !== 'human') return false;
  const { records, strangers } = await openJournal(context, options).journal.readOpen();
  return records.length === 0 && strangers.length === 0;
}
