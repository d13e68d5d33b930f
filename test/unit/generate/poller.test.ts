import { describe, expect, it } from 'vitest';
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
  return { clock, calls, getTask, listTasks, readAll, names: () => calls.map(({ what }) => what) };
}

const many = (count: number) => Array.from({ length: count }, (_, index) => `t${index}`);

describe('createTaskPoller', () => {
  it('reads alone what is alone, and together what waits for its turn', async () => {
    const { readAll, names } = rig({ batch: (ids) => ids.map((id) => task(id)) });
    await readAll('a');
    expect((await readAll('b', 'c', 'd')).map(({ id }) => id)).toEqual(['b', 'c', 'd']);
    expect(names()).toEqual(['a', 'b+c+d']);
  });

  it('reads a thousand tasks with at most five requests a second, of fifty at most', async () => {
    const { readAll, calls } = rig({ batch: (ids) => ids.map((id) => task(id)) });
    await readAll('first');
    await readAll(...many(1_000));
    expect(calls.length).toBe(21);
    for (const [index, { atMs }] of calls.entries()) expect(atMs).toBeGreaterThanOrEqual(index * 200);
  });

  it('looks through the list where there is no batch, and alone at what it does not show as running', async () => {
    const list = [task('b'), task('c', { state: 'completed', status: 'completed' })];
    const { readAll, names } = rig({ list });
    await readAll('a');
    await readAll('b', 'c', 'd');
    expect(names()).toEqual(['a', 'b+c+d', 'list 1', 'c', 'd']);
    await readAll('b', 'c');
    expect(names().slice(5)).toEqual(['list 1', 'c']);
  });

  it('reads singly, each in its turn, where there is neither', async () => {
    const { readAll, calls, names } = rig({});
    await readAll('a');
    await readAll('b', 'c');
    expect(names()).toEqual(['a', 'b+c', 'list 1', 'b', 'c']);
    expect(calls.every(({ atMs }, index) => index === 0 || atMs - (calls[index - 1]?.atMs ?? 0) >= 200)).toBe(
      true,
    );
  });

  it('asks alone about a task that a batch leaves out or shows without its links', async () => {
    const { readAll, names } = rig({
      batch: () => [task('c', { state: 'completed' })],
      single: (id) => task(id, { links: ['https://x'] }),
    });
    await readAll('a');
    expect((await readAll('b', 'c')).map(({ links }) => links.length)).toEqual([1, 1]);
    expect(names()).toEqual(['a', 'b+c', 'b', 'c']);
  });

  it('asks less often once the service says that it is too much', async () => {
    const tooMuch = new ApiReadError('network', 'slow down', {
      isTransient: true,
      facts: { httpStatus: 429 },
    });
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

  it('tells every reader of a batch that failed; one that is aborted ends at once', async () => {
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

  it('asks alone where a batch is refused for one of its ids', async () => {
    const { readAll, names } = rig({
      batch: () => {
        throw new ApiReadError('usage', 'no such id', { isTransient: false, facts: { httpStatus: 400 } });
      },
    });
    await readAll('a');
    await readAll('b', 'c');
    expect(names()).toEqual(['a', 'b+c', 'b', 'c']);
  });

  it('lists in the same turns', async () => {
    const { readAll, listTasks, calls } = rig({ list: [] });
    await readAll('a');
    await Promise.all([listTasks({ page: 1, pageSize: 50 }), listTasks({ page: 2, pageSize: 50 })]);
    for (const [index, { atMs }] of calls.entries()) expect(atMs).toBeGreaterThanOrEqual(index * 200);
  });
});
