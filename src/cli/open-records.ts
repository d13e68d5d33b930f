import type { TaskRecord } from '../task/record.ts';
import type { Frame } from './frame.ts';

/** Everything the journal knows to be unfinished or unsaved; files that are no records are named, never touched. */
export async function openRecords({ session, warn }: Frame): Promise<readonly TaskRecord[]> {
  const { records, unusable } = await session.journal.readOpen();
  for (const file of unusable) warn(`left alone in the state folder: ${file}`);
  return records;
}
