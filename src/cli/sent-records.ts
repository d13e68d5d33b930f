import { EvolinkError } from '../errors.ts';
import { quoteCommand } from '../platform/text.ts';
import { recordFacts, resumeCommand } from '../task/failures.ts';
import type { Journal } from '../task/journal.ts';
import type { TaskRecord } from '../task/record.ts';

/** The records that this process works on, as they are now: what must be named however it ends. */
export interface KnownRecords {
  note(record: TaskRecord): void;
  /** The journal, whose changes are noted by themselves. */
  watch(journal: Journal): Journal;
  /** The record as it is now. */
  latest(record: TaskRecord): TaskRecord;
  /** Those that something was sent for, unless it came to nothing: the uncertain ones first. */
  sent(): readonly TaskRecord[];
}

export function createKnownRecords(): KnownRecords {
  const known = new Map<string, TaskRecord>();
  const note = (record: TaskRecord): void => void known.set(record.localId, record);
  return {
    note,
    watch: (journal) => ({
      ...journal,
      async create(record) {
        await journal.create(record);
        note(record);
      },
      async update(localId, change) {
        const record = known.get(localId);
        // Before it is written, as the answer may be known here alone; but nothing is sent before `sent` is written.
        if (record !== undefined && change.state !== 'sent') note({ ...record, ...change });
        const written = await journal.update(localId, change);
        note(written);
        return written;
      },
    }),
    latest: (record) => known.get(record.localId) ?? record,
    sent: () => {
      const all = [...known.values()];
      const ofStates = (...states: readonly string[]) => all.filter(({ state }) => states.includes(state));
      return [...ofStates('sent', 'unknown'), ...ofStates('accepted', 'completed', 'saved')];
    },
  };
}

/** At most so many records are named one by one. */
const MAX_NAMED = 50;

/** One line a record: what it is, and the command that continues it. */
export function recordLines(records: readonly TaskRecord[]): readonly string[] {
  const lines = records.slice(0, MAX_NAMED).map((record) => {
    const id = record.taskId === undefined ? `request ${record.localId}` : `task ${record.taskId}`;
    return `${id} (${record.state}): ${quoteCommand(resumeCommand(record))}`;
  });
  const more = records.length - lines.length;
  return more > 0 ? [...lines, `and ${more} more: evolink status`] : lines;
}

/**
 * The program has nothing left to wait for, and has not ended: a promise that never settles. What is sent decides the
 * exit, as money may depend on it.
 */
export function stalledError(records: readonly TaskRecord[]): EvolinkError {
  const [worst] = records;
  if (worst === undefined) {
    return new EvolinkError(
      'internal',
      'this is a bug in evolink (it waits for something that never comes)',
      { hint: 'run it again with --debug and report what it prints' },
    );
  }
  const isUncertain = worst.taskId === undefined;
  return new EvolinkError(
    isUncertain ? 'unknown' : 'pending',
    'this is a bug in evolink (it waits for something that never comes); what was sent goes on',
    {
      details: recordLines(records),
      charged: isUncertain ? 'unknown' : 'yes',
      ...recordFacts(worst),
    },
  );
}
