import { knownPath } from '../download/known-path.ts';
import type { TaskRecord } from '../journal/record.ts';
import { fieldsOf } from './save-task.ts';

/** Where the clip of a request that may have been paid for is to go; undefined for a stream, and while its name is not known. */
export function placeOf(record: TaskRecord): string | undefined {
  if (record.state === 'intent' || record.output.kind !== 'file') return undefined;
  return knownPath(record.output, fieldsOf(record));
}
