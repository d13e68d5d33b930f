import { expect, it } from 'vitest';
import type { ListedTask } from '../../../src/api/answers.ts';
import type { TaskRecord } from '../../../src/task/record.ts';
import { settleUnknown } from '../../../src/task/settle.ts';
import { setUpGenerate } from '../../helpers/generate-setup.ts';
import { sampleRecord } from '../../helpers/sample-record.ts';

const sentAtMs = Date.UTC(2026, 10, 21, 9, 15, 0);
const HOUR_MS = 3_600_000;
const lost = sampleRecord({ state: 'sent', sentAtMs });
const resent = sampleRecord({ state: 'unknown', sentAtMs, resentAtMs: sentAtMs + HOUR_MS });
const other = (fields: Partial<TaskRecord>) =>
  sampleRecord({ localId: '20261121-091501-others', sentAtMs: sentAtMs - 1_000, ...fields });

/** A task of the list, made so long after the request was sent. */
function task(id: string, laterMs = 2_000, fields: Partial<ListedTask> = {}): ListedTask {
  const state = { state: 'running', status: 'processing', isKnownStatus: true } as const;
  return { id, model: 'seedance-2.0-text-to-video', ...state, createdAtMs: sentAtMs + laterMs, ...fields };
}
const others = (count: number) =>
  Array.from({ length: count }, (_, index) => task(`task-new-${index}`, 900_000 - index));

async function settle(
  listed: readonly ListedTask[] | undefined,
  record = lost,
  known: readonly TaskRecord[] = [],
  aheadMs = 0,
) {
  const { clock } = await setUpGenerate({});
  const serverNowMs = clock.now() + aheadMs;
  const { deps } = await setUpGenerate({ ...(listed && { listed }), ...(aheadMs > 0 && { serverNowMs }) });
  for (const each of [record, ...known]) await deps.journal.create(each);
  return settleUnknown(deps, record);
}

it.each<[string, ...Parameters<typeof settle>]>([
  ['of the window', [task('task-later', 600_000), task('task-ours'), task('task-earlier', -600_000)]],
  ['of the second sending', [task('task-ours', HOUR_MS + 2_000)], resent],
  ['by the clock of the service', [task('task-ours', 2 * HOUR_MS + 2_000)], lost, [], 2 * HOUR_MS],
  ['on a further page', [...others(120), task('task-ours', 1_000)]],
])('takes the only task %s', async (_what, ...given) => {
  expect(await settle(...given)).toEqual({ taskId: 'task-ours' });
});

const RIVAL =
  "other requests of that time are uncertain as well (20261121-091501-others), so its task can't be";
it.each<[string, string, ...Parameters<typeof settle>]>([
  ['one of two', 'several that could be it: task-b, task-a', [task('task-b', 3_000), task('task-a')]],
  ['one of two sendings', 'several', [task('task-b', HOUR_MS + 2_000), task('task-a')], resent],
  ['another model', 'no unclaimed', [task('task-x', 2_000, { model: 'seedance-2.0-fast-text-to-video' })]],
  ['before the call', 'no unclaimed', [task('task-x', -6_000)]],
  ['after the call can have ended', 'no unclaimed', [task('task-x', 81_000)]],
  ['an unknown time', 'no unclaimed', [task('task-x', 0, { createdAtMs: undefined })]],
  [
    'another record',
    'no unclaimed',
    [task('task-x')],
    lost,
    [other({ state: 'accepted', taskId: 'task-x' })],
  ],
  ['one of two uncertain requests', RIVAL, [task('task-x')], lost, [other({ state: 'sent' })]],
  ['too far back', 'no unclaimed', [...others(700), task('task-ours', 1_000)]],
  ['a service without a list', 'the service offers no task list to look through', undefined],
])('does not take a task of %s', async (_why, finding, ...given) => {
  expect(await settle(...given)).toEqual({ finding: expect.stringContaining(finding) });
});

it('does not take a task that may be of a request which another process began to send meanwhile', async () => {
  const { deps } = await setUpGenerate({ listed: [task('task-theirs')] });
  await deps.journal.create(lost);
  const listTasks: typeof deps.api.listTasks = async (...asked) => {
    await deps.journal.create(other({ state: 'sent' }));
    return deps.api.listTasks(...asked);
  };
  const settlement = await settleUnknown({ ...deps, api: { ...deps.api, listTasks } }, lost);
  expect(settlement).toEqual({ finding: expect.stringContaining(RIVAL) });
});
