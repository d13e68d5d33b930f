import { SCHEMA_VERSION } from '../report/states.ts';
import type { Invocation } from './flags.ts';
import { formOf, openNames, sandboxHint, statePlace } from './form.ts';

/**
 * `evolink status`. The question asked most often, whether anything is open, is answered from the folder of open records:
 * config, key and service are only looked at where there is something to ask them about.
 */
export async function runStatus(call: Invocation): Promise<number> {
  const { context, args: ids, options } = call;
  const form = formOf(options);
  const { folder, isSandbox } = statePlace(context, options);
  const isPlain = ids.length === 0 && options.prune === undefined && form !== 'events';
  if (!isPlain || hasOpen(folder)) return (await import('./show-status.ts')).showStatus(call);
  const notes = ['nothing is unfinished or unsaved', sandboxHint(folder, isSandbox)];
  if (options.quiet !== true)
    await context.io.stderr.write(notes.map((note) => note && `${note}\n`).join(''));
  if (form === 'json')
    await context.io.stdout.write(`{"schema_version":${SCHEMA_VERSION},"ok":true,"tasks":[]}\n`);
  return 0;
}

/** A folder that can't be read says so in the full form. */
function hasOpen(folder: string): boolean {
  try {
    return openNames(folder).length > 0;
  } catch {
    return true;
  }
}
