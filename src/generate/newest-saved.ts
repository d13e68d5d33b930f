import type { TaskRecord } from '../journal/record.ts';
import type { GenerateDependencies } from './dependencies.ts';

/** The newest saved record of an identity that fits; reads through all records. @throws EvolinkError `local-io` */
export async function newestSaved(
  { journal }: Pick<GenerateDependencies, 'journal'>,
  identity: string,
  fits: (record: TaskRecord) => boolean,
): Promise<TaskRecord | undefined> {
  let newest: TaskRecord | undefined;
  for await (const record of journal.readAll())
    if (record.state === 'saved' && record.identity === identity && fits(record)) newest = record;
  return newest;
}
