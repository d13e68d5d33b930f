import type { RecordState, TaskRecord } from '../journal/record.ts';

/** What a group of records says of money. */
export interface SpentCredits {
  readonly tasks: number;
  /** Sum of what the service said was used. */
  readonly used: number;
  /** Sum of what was reserved where what was used is not known. */
  readonly reserved: number;
  /** Tasks that were paid for, of which neither is known. */
  readonly unpricedTasks: number;
}

export interface JournalCredits {
  /** Tasks that have ended: saved or expired; and failed ones that were charged all the same. */
  readonly ended: SpentCredits;
  /** Tasks that are still to be finished or saved. */
  readonly open: SpentCredits;
  /** Submissions of which nobody knows whether they were taken. */
  readonly uncertainTasks: number;
}

const NOTHING: SpentCredits = { tasks: 0, used: 0, reserved: 0, unpricedTasks: 0 };
const ENDED: readonly RecordState[] = ['saved', 'expired'];
const OPEN: readonly RecordState[] = ['accepted', 'completed'];
const UNCERTAIN: readonly RecordState[] = ['sent', 'unknown'];

/**
 * Adds up what the records say was paid. Failed and refused tasks are normally refunded, so they count only with what the
 * service said they used.
 */
export async function sumSpentCredits(records: AsyncIterable<TaskRecord>): Promise<JournalCredits> {
  let ended = NOTHING;
  let open = NOTHING;
  let uncertainTasks = 0;
  for await (const record of records) {
    if (UNCERTAIN.includes(record.state)) uncertainTasks += 1;
    else if (OPEN.includes(record.state)) open = add(open, record);
    else if (ENDED.includes(record.state) || (record.usedCredits ?? 0) > 0) ended = add(ended, record);
  }
  return { ended, open, uncertainTasks };
}

function add(sum: SpentCredits, { usedCredits, reservedCredits }: TaskRecord): SpentCredits {
  const isReserved = usedCredits === undefined && reservedCredits !== undefined;
  return {
    tasks: sum.tasks + 1,
    used: sum.used + (usedCredits ?? 0),
    reserved: sum.reserved + (isReserved ? reservedCredits : 0),
    unpricedTasks: sum.unpricedTasks + (usedCredits === undefined && !isReserved ? 1 : 0),
  };
}
