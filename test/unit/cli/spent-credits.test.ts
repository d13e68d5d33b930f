import { expect, it } from 'vitest';
import type { TaskRecord } from '../../../src/task/record.ts';
import { addPruned, type PrunedSpending, sumSpending } from '../../../src/task/spending.ts';
import { sampleRecord } from '../../helpers/sample-record.ts';

const NONE: PrunedSpending = { schema_version: 1, days: [], task_ids: [] };

function* given(...fields: readonly Partial<TaskRecord>[]): Iterable<TaskRecord> {
  for (const [index, each] of fields.entries())
    yield sampleRecord({
      localId: `20261121-091502-00000${index}`,
      reservedCredits: undefined,
      usedCredits: undefined,
      ...each,
    });
}

it('adds up what was used, and what was reserved where nothing else is known', () => {
  const { ended, open } = sumSpending(
    given(
      { state: 'saved', reservedCredits: 70, usedCredits: 67.5 },
      { state: 'saved', reservedCredits: 25.11 },
      { state: 'expired', usedCredits: 10 },
      { state: 'saved' },
      { state: 'accepted', reservedCredits: 13.5 },
      { state: 'completed', reservedCredits: 20, usedCredits: 18 },
    ),
    NONE,
  );
  expect(ended).toEqual({ tasks: 4, used: 77.5, reserved: 25.11, unpriced_tasks: 1 });
  expect(open).toEqual({ tasks: 2, used: 18, reserved: 13.5, unpriced_tasks: 0 });
});

it('takes failed and refused tasks as refunded, unless the service said that they used something', () => {
  const failed = { state: 'failed', reservedCredits: 67.5 } as const;
  const used = { state: 'failed', usedCredits: 5 } as const;
  const { ended } = sumSpending(
    given(failed, { ...failed, usedCredits: 0 }, { state: 'rejected' }, used),
    NONE,
  );
  expect(ended).toEqual({ tasks: 1, used: 5, reserved: 0, unpriced_tasks: 0 });
});

it('counts what nobody knows, keeps what was dismissed apart, and takes nothing for what was never sent', () => {
  const states = [{ state: 'unknown' }, { state: 'sent' }, { state: 'intent' }] as const;
  const sums = sumSpending(given(...states, { state: 'dismissed', reservedCredits: 3 }), NONE);
  expect([sums.uncertain_tasks, sums.ended.tasks + sums.open.tasks]).toEqual([2, 0]);
  expect(sums.dismissed).toEqual({ tasks: 1, used: 0, reserved: 3, unpriced_tasks: 0 });
});

it('counts a task once, however many records it has and whichever of them were removed', () => {
  const first = { state: 'saved', taskId: 'task-1', usedCredits: 5 } as const;
  const again = { state: 'saved', taskId: 'task-1' } as const;
  const spent = (records: readonly Partial<TaskRecord>[], pruned = NONE) =>
    sumSpending(given(...records), pruned).ended;
  expect(spent([first, again])).toMatchObject({ tasks: 1, used: 5, unpriced_tasks: 0 });
  const pruned = addPruned(NONE, [sampleRecord(first), sampleRecord(again)]);
  const sums = { tasks: 1, used: 5, reserved: 0, unpriced_tasks: 0 };
  expect(pruned.days).toEqual([{ day: '2026-11-21', model: 'seedance-2.0-text-to-video', ...sums }]);
  expect(spent([again], pruned)).toMatchObject({ tasks: 1, used: 5 });
  const other = { ...again, taskId: 'task-2', reservedCredits: 7 };
  expect(spent([other], pruned)).toMatchObject({ tasks: 2, used: 5, reserved: 7 });
});
