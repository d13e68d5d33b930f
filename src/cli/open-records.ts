import type { TaskRecord } from '../task/record.ts';
import type { Frame } from './frame.ts';

/** Everything the journal knows to be unfinished or unsaved; files that are no records are named, never touched. */
export async function openRecords({ session, warn }: Frame): Promise<readonly TaskRecord[]> {
  const { records, strangers } = await session.journal.readOpen();
  for (const stranger of strangers) warn(`left alone in the state folder: ${stranger}`);
  return records;
}
