import { describe, expect, it } from 'vitest';
import { sumSpentCredits } from '../../../src/cli/credits.ts';
import type { TaskRecord } from '../../../src/task/record.ts';
import { sampleRecord } from '../../helpers/sample-record.ts';

async function* given(...fields: readonly Partial<TaskRecord>[]): AsyncIterable<TaskRecord> {
  for (const each of fields)
    yield sampleRecord({ reservedCredits: undefined, usedCredits: undefined, ...each });
}

describe('sumSpentCredits', () => {
  it('adds up what was used, and what was reserved where nothing else is known', async () => {
    const { ended, open } = await sumSpentCredits(
      given(
        { state: 'saved', reservedCredits: 70, usedCredits: 67.5 },
        { state: 'saved', reservedCredits: 25.11 },
        { state: 'expired', usedCredits: 10 },
        { state: 'saved' },
        { state: 'accepted', reservedCredits: 13.5 },
        { state: 'completed', reservedCredits: 20, usedCredits: 18 },
      ),
    );
    expect(ended).toEqual({ tasks: 4, used: 77.5, reserved: 25.11, unpricedTasks: 1 });
    expect(open).toEqual({ tasks: 2, used: 18, reserved: 13.5, unpricedTasks: 0 });
  });

  it('takes failed and refused tasks as refunded, unless the service said that they used something', async () => {
    const { ended } = await sumSpentCredits(
      given(
        { state: 'failed', reservedCredits: 67.5 },
        { state: 'failed', reservedCredits: 67.5, usedCredits: 0 },
        { state: 'rejected' },
        { state: 'failed', usedCredits: 5 },
      ),
    );
    expect(ended).toEqual({ tasks: 1, used: 5, reserved: 0, unpricedTasks: 0 });
  });

  it('counts what nobody knows, and nothing for what was never sent', async () => {
    const { ended, open, uncertainTasks } = await sumSpentCredits(
      given({ state: 'unknown' }, { state: 'sent' }, { state: 'intent' }),
    );
    expect(uncertainTasks).toBe(2);
    expect(ended.tasks + open.tasks).toBe(0);
  });
});
