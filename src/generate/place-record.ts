import type { OutputPlan } from '../download/types.ts';
import type { TaskRecord } from '../journal/record.ts';
import type { GenerateDependencies } from './dependencies.ts';

/** Gives a record the place that the present command names for its clip. The caller holds the lock of the record. */
export async function placeRecord(
  { journal }: Pick<GenerateDependencies, 'journal'>,
  record: TaskRecord,
  output: OutputPlan,
): Promise<TaskRecord> {
  if (isSamePlan(record.output, output)) return record;
  return journal.update(record.localId, { output });
}

function isSamePlan(one: OutputPlan, other: OutputPlan): boolean {
  if (one.kind !== 'file' || other.kind !== 'file') return one.kind === other.kind;
  return one.folder === other.folder && one.pattern === other.pattern && one.onExisting === other.onExisting;
}
