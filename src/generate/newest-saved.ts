import { placedIdentity } from '../journal/identity.ts';
import type { TaskRecord } from '../journal/record.ts';
import type { GenerateDependencies } from './dependencies.ts';

/**
 * The newest saved record that has an identity by the place of its clip, and fits; reads through all records.
 * @throws EvolinkError `local-io`
 */
export async function newestSaved(
  { journal, service }: Pick<GenerateDependencies, 'journal' | 'service'>,
  identity: string,
  fits: (record: TaskRecord) => boolean,
): Promise<TaskRecord | undefined> {
  const isOf = (record: TaskRecord) => placedIdentity(record, service) === identity;
  let newest: TaskRecord | undefined;
  for await (const record of journal.readAll())
    if (record.state === 'saved' && fits(record) && isOf(record)) newest = record;
  return newest;
}
