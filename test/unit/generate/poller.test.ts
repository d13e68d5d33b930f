import { expect, it } from 'vitest';
import type { ListedTask, TaskSnapshot } from '../../../src/api/answers.ts';
import { ApiReadError } from '../../../src/api/errors.ts';
import { createTaskPoller } from '../../../src/task/poll.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';

function task(id: string, change: Partial<TaskSnapshot> = {}): TaskSnapshot {
  return { id, state: 'running', status: 'processing', isKnownStatus: true, links: [], ...change };
}

interface Service {
  readonly batch?: (ids: readonly string[]) => readonly TaskSnapshot[] | undefined;
  readonly list?: readonly ListedTask[];
  readonly single?: (id: string) => TaskSnapshot;
}

function rig({ batch = () => undefined, list, single = task }: Service) {
  const clock = createFakeClock({ autoAdvance: true });
  const calls: { readonly what: string; readonly atMs: number }[] = [];
  const note = (what: string) => calls.push({ what, atMs: clock.monotonicMs() });
  const api: Parameters<typeof createTaskPoller>[0] = {
    getTask: async (id) => {
      note(id);
      return single(id);
    },
    getTasks: async (ids) => {
      note(ids.join('+'));
      return batch(ids);
    },
    listTasks: async ({ page, pageSize }) => {
      note(`list ${page}`);
      return list && { tasks: list.slice((page - 1) * pageSize, page * pageSize), page, pageSize };
    },
  };
  const { getTask, listTasks } = createTaskPoller(api, clock, 300);
  const readAll = (...ids: string[]) => Promise.all(ids.map((id) => getTask(id)));
  return { clock, calls, getTask, listTasks, readAll };
}

/** At most five a second. */
function expectPaced(calls: readonly { readonly atMs: number }[]): void {
  for (const [index, { atMs }] of calls.entries()) expect(atMs).toBeGreaterThanOrEqual(index * 200);
}

const many = (count: number) => Array.from({ length: count }, (_, index) => `t${index}`);
const all = (ids: readonly string[]) => ids.map((id) => task(id));
const refusal = new ApiReadError('usage', 'no such id', { isTransient: false, facts: { httpStatus: 400 } });
const refuse = () => {
  throw refusal;
};
const ended = { state: 'completed', status: 'completed' } as const;

it.each<[string, Service, string[]]>([
  ['reads together what waits for its turn', { batch: all }, ['b+c']],
  ['looks through the list where there is no batch', { list: all(['b', 'c']) }, ['b+c', 'list 1']],
  [
    'asks alone about what the list does not show as running',
    { list: [task('c', ended)] },
    ['b+c', 'list 1', 'b', 'c'],
  ],
  ['reads singly where there is neither', {}, ['b+c', 'list 1', 'b', 'c']],
  [
    'asks alone about what a batch leaves out, or shows without its links',
    { batch: () => [task('c', ended)] },
    ['b+c', 'b', 'c'],
  ],
  ['asks alone where a batch is refused for one of its ids', { batch: refuse }, ['b+c', 'b', 'c']],
])('%s', async (_what, service, names) => {
  const links = ['https://x'];
  const { readAll, calls } = rig({ single: (id) => task(id, { links }), ...service });
  await readAll('a');
  const read = await readAll('b', 'c');
  expect(read.map(({ id }) => id)).toEqual(['b', 'c']);
  // Of those that were asked about alone.
  for (const each of read) if (names.includes(each.id)) expect(each.links).toEqual(links);
  expect(calls.map(({ what }) => what)).toEqual(['a', ...names]);
  expectPaced(calls);
});

it('looks through the list at once where it knows that there is no batch', async () => {
  const { readAll, calls } = rig({ list: [task('b'), task('c', ended)] });
  await readAll('a');
  await readAll('b', 'c');
  const before = calls.length;
  await readAll('b', 'c');
  expect(calls.slice(before).map(({ what }) => what)).toEqual(['list 1', 'c']);
});

it('reads a thousand tasks with at most five requests a second, of fifty at most', async () => {
  const { readAll, calls } = rig({ batch: all });
  await readAll('first');
  await readAll(...many(1_000));
  expect(calls.length).toBe(21);
  expectPaced(calls);
});

it('asks less often once the service says that it is too much', async () => {
  const facts = { httpStatus: 429 };
  const tooMuch = new ApiReadError('network', 'slow down', { isTransient: true, facts });
  const { readAll, getTask, calls } = rig({
    single: (id) => {
      if (id === 'bad') throw tooMuch;
      return task(id);
    },
  });
  await expect(getTask('bad')).rejects.toBe(tooMuch);
  await readAll('a');
  await readAll('b');
  expect((calls[2]?.atMs ?? 0) - (calls[1]?.atMs ?? 0)).toBeGreaterThan(300);
});

it('gives every reader of a batch its failure; one that is aborted ends at once', async () => {
  const { readAll, getTask } = rig({
    batch: () => {
      throw new Error('down');
    },
  });
  await readAll('a');
  const results = await Promise.allSettled([getTask('b'), getTask('c')]);
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  const controller = new AbortController();
  const wait = getTask('d', controller.signal);
  controller.abort(new Error('stopped'));
  await expect(wait).rejects.toThrow('stopped');
});

it('lists in the same turns', async () => {
  const { readAll, listTasks, calls } = rig({ list: [] });
  await readAll('a');
  await Promise.all([listTasks({ page: 1, pageSize: 50 }), listTasks({ page: 2, pageSize: 50 })]);
  expectPaced(calls);
});
