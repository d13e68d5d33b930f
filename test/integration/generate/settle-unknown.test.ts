import { describe, expect, it } from 'vitest';
import type { ListedTask } from '../../../src/api/answers.ts';
import { settleUnknown } from '../../../src/task/settle.ts';
import { setUpGenerate } from '../../helpers/generate-setup.ts';
import { sampleRecord } from '../../helpers/sample-record.ts';

const sentAtMs = Date.UTC(2026, 10, 21, 9, 15, 0);
const model = 'seedance-2.0-text-to-video';
const lost = sampleRecord({ state: 'sent', sentAtMs });

function task(id: string, createdAtMs: number, fields: Partial<ListedTask> = {}): ListedTask {
  return { id, model, state: 'running', status: 'processing', isKnownStatus: true, createdAtMs, ...fields };
}

async function settle(listed: readonly ListedTask[] | undefined, serverNowMs?: number) {
  const { deps } = await setUpGenerate({
    ...(listed === undefined ? {} : { listed }),
    ...(serverNowMs === undefined ? {} : { serverNowMs }),
  });
  await deps.journal.create(lost);
  return { deps, settlement: await settleUnknown(deps, lost) };
}

describe('settleUnknown', () => {
  it('takes the only task of the window', async () => {
    const listed = [
      task('task-later', sentAtMs + 600_000),
      task('task-ours', sentAtMs + 2_000),
      task('task-earlier', sentAtMs - 600_000),
    ];
    expect((await settle(listed)).settlement).toEqual({ taskId: 'task-ours' });
  });

  it('takes none of two', async () => {
    const { settlement } = await settle([task('task-b', sentAtMs + 3_000), task('task-a', sentAtMs + 2_000)]);
    expect(settlement).toEqual({
      finding: 'the task list shows several that could be it: task-b, task-a',
    });
  });

  it.each([
    ['another model', task('task-x', sentAtMs + 2_000, { model: 'seedance-2.0-fast-text-to-video' })],
    ['before the call', task('task-x', sentAtMs - 6_000)],
    ['after the call can have ended', task('task-x', sentAtMs + 81_000)],
    ['an unknown time', task('task-x', 0, { createdAtMs: undefined })],
  ])('does not take a task of %s', async (_why, listed) => {
    expect((await settle([listed])).settlement).toHaveProperty('finding');
  });

  it('looks from the first sending to the last of a request that was sent again', async () => {
    const resent = sampleRecord({ state: 'unknown', sentAtMs, resentAtMs: sentAtMs + 3_600_000 });
    const { deps } = await setUpGenerate({ listed: [task('task-second', sentAtMs + 3_602_000)] });
    await deps.journal.create(resent);
    expect(await settleUnknown(deps, resent)).toEqual({ taskId: 'task-second' });
    const both = await setUpGenerate({
      listed: [task('task-second', sentAtMs + 3_602_000), task('task-first', sentAtMs + 2_000)],
    });
    await both.deps.journal.create(resent);
    expect(await settleUnknown(both.deps, resent)).toHaveProperty('finding');
  });

  it('does not take a task that another record has', async () => {
    const { deps } = await setUpGenerate({ listed: [task('task-claimed', sentAtMs + 2_000)] });
    await deps.journal.create(lost);
    await deps.journal.create(
      sampleRecord({ localId: '20261121-091501-zzzzzz', state: 'accepted', taskId: 'task-claimed' }),
    );
    expect(await settleUnknown(deps, lost)).toHaveProperty('finding');
  });

  it('does not take a task while another request of that time and model is uncertain too', async () => {
    const { deps } = await setUpGenerate({ listed: [task('task-whose', sentAtMs + 2_000)] });
    await deps.journal.create(lost);
    await deps.journal.create(
      sampleRecord({ localId: '20261121-091501-rivals', state: 'sent', sentAtMs: sentAtMs - 1_000 }),
    );
    expect(await settleUnknown(deps, lost)).toEqual({
      finding:
        "other requests of that time are uncertain as well (20261121-091501-rivals), so its task can't be identified",
    });
  });

  it('does not take a task that may be of a request which another process began to send meanwhile', async () => {
    const { deps } = await setUpGenerate({ listed: [task('task-theirs', sentAtMs + 2_000)] });
    await deps.journal.create(lost);
    const listTasks: typeof deps.api.listTasks = async (...asked) => {
      await deps.journal.create(
        sampleRecord({ localId: '20261121-091502-theirs', state: 'sent', sentAtMs: sentAtMs + 1_000 }),
      );
      return deps.api.listTasks(...asked);
    };
    const settlement = await settleUnknown({ ...deps, api: { ...deps.api, listTasks } }, lost);
    expect(settlement).toMatchObject({ finding: expect.stringContaining('theirs') });
  });

  it('reads the window on the clock of the service', async () => {
    const { deps, clock } = await setUpGenerate({});
    await deps.journal.create(lost);
    const aheadMs = 2 * 3_600_000;
    const { settlement } = await settle(
      [task('task-ours', sentAtMs + aheadMs + 2_000)],
      clock.now() + aheadMs,
    );
    expect(settlement).toEqual({ taskId: 'task-ours' });
  });

  it('looks on further pages, and not forever', async () => {
    const newer = Array.from({ length: 120 }, (_, index) =>
      task(`task-new-${index}`, sentAtMs + 900_000 - index),
    );
    expect((await settle([...newer, task('task-ours', sentAtMs + 1_000)])).settlement).toEqual({
      taskId: 'task-ours',
    });
    const busy = Array.from({ length: 700 }, (_, index) =>
      task(`task-new-${index}`, sentAtMs + 900_000 - index),
    );
    expect((await settle([...busy, task('task-ours', sentAtMs + 1_000)])).settlement).toMatchObject({});
  });

  it('settles nothing where the service has no list', async () => {
    expect((await settle(undefined)).settlement).toEqual({
      finding: 'the service offers no task list to look through',
    });
  });
});
