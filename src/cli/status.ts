import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Context } from '../platform/context.ts';
import { SCHEMA_VERSION } from '../report/states.ts';
import { formOf, statePlace } from './form.ts';
import type { StatusInput } from './show-status.ts';

/**
 * `evolink status`. The question asked most often, whether anything is open, is answered from the folder of open records:
 * config, key and service are only looked at where there is something to ask them about.
 */
export async function runStatus(context: Context, input: StatusInput): Promise<number> {
  const { ids, options } = input;
  const form = formOf(options);
  const isPlain = ids.length === 0 && options.prune === undefined && form !== 'events';
  if (!isPlain || !isEmpty(join(statePlace(context, options).folder, 'tasks', 'open'))) {
    const { showStatus } = await import('./show-status.ts');
    return showStatus(context, input);
  }
  if (options.quiet !== true) await context.io.stderr.write('nothing is unfinished or unsaved\n');
  if (form === 'json')
    await context.io.stdout.write(`{"schema_version":${SCHEMA_VERSION},"ok":true,"tasks":[]}\n`);
  return 0;
}

function isEmpty(folder: string): boolean {
  try {
    return readdirSync(folder).every((name) => name.startsWith('.'));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}
