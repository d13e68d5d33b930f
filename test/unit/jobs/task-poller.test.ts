import { describe, expect, it } from 'vitest';
import type { TaskSnapshot } from '../../../src/api/answers.ts';
import { createSubmitTurns, createTaskPoller } from '../../../src/run/pace.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';

function task(id: string, change: Partial<TaskSnapshot> = {}): TaskSnapshot {
  return { id, state: 'running', status: 'processing', isKnownStatus: true, links: [], ...change };
}

function rig(batch: (ids: readonly string[]) => readonly TaskSnapshot[] | undefined) {
  const clock = createFakeClock();
  const calls: string[] = [];
  const getTask = createTaskPoller({
    clock,
    api: {
      getTask: async (id) => {
        calls.push(id);
        return task(id, { state: 'completed', links: ['https://x'] });
      },
      getTasks: async (ids) => {
        calls.push(ids.join('+'));
        return batch(ids);
      },
    },
  });
  return { clock, calls, getTask };
}

describe('createTaskPoller', () => {
  it('reads alone what is alone, and together what falls due together', async () => {
    const { clock, calls, getTask } = rig((ids) => ids.map((id) => task(id)));
    await getTask('a');
    const both = Promise.all([getTask('b'), getTask('c')]);
    await clock.advance(1_000);
    expect((await both).map(({ id }) => id)).toEqual(['b', 'c']);
    expect(calls).toEqual(['a', 'b+c']);
  });

  it('asks at most once a second, for fifty at most', async () => {
    const { clock, calls, getTask } = rig((ids) => ids.map((id) => task(id)));
    const all = Promise.all(Array.from({ length: 120 }, (_, index) => getTask(`t${index}`)));
    await clock.advance(0);
    expect(calls.length).toBeLessThanOrEqual(1);
    await clock.advance(2_000);
    await clock.advance(1_000);
    await all;
    expect(calls.every((call) => call.split('+').length <= 50)).toBe(true);
    expect(calls.length).toBeLessThanOrEqual(4);
  });

  it('falls back to spaced single reads where the service has no batch', async () => {
    const { clock, calls, getTask } = rig(() => undefined);
    await getTask('a');
    const all = Promise.all([getTask('b'), getTask('c'), getTask('d')]);
    for (let step = 0; step < 10; step += 1) await clock.advance(250);
    await all;
    expect(calls).toEqual(['a', 'b+c+d', 'b', 'c', 'd']);
  });

  it('asks alone about a task that a batch leaves out or shows without its links', async () => {
    const { clock, calls, getTask } = rig(() => [task('c', { state: 'completed' })]);
    await getTask('a');
    const both = Promise.all([getTask('b'), getTask('c')]);
    await clock.advance(1_000);
    expect((await both).map(({ links }) => links.length)).toEqual([1, 1]);
    expect(calls).toEqual(['a', 'b+c', 'b', 'c']);
  });

  it('ends a wait at once when it is aborted', async () => {
    const { getTask } = rig((ids) => ids.map((id) => task(id)));
    await getTask('a');
    const controller = new AbortController();
    const wait = getTask('b', controller.signal);
    controller.abort(new Error('stopped'));
    await expect(wait).rejects.toThrow('stopped');
  });

  it('tells every reader of a batch that failed', async () => {
    const { clock, getTask } = rig(() => {
      throw new Error('down');
    });
    await getTask('a');
    const both = Promise.allSettled([getTask('b'), getTask('c')]);
    await clock.advance(1_000);
    expect((await both).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });
});

describe('createSubmitTurns', () => {
  it('lets one go at a time, in order', async () => {
    const turns = createSubmitTurns(createFakeClock());
    const { signal } = new AbortController();
    const order: string[] = [];
    const end = await turns.take(signal);
    const second = turns.take(signal).then((endSecond) => {
      order.push('second');
      endSecond();
    });
    await Promise.resolve();
    order.push('first');
    end();
    await second;
    expect(order).toEqual(['first', 'second']);
  });

  it('holds everybody back for a pause, and frees the place of one that was stopped', async () => {
    const clock = createFakeClock();
    const turns = createSubmitTurns(clock);
    turns.pause(5_000);
    const controller = new AbortController();
    const stopped = turns.take(controller.signal);
    const next = turns.take(new AbortController().signal);
    controller.abort(new Error('stopped'));
    await expect(stopped).rejects.toThrow('stopped');
    let isThrough = false;
    void next.then(() => {
      isThrough = true;
    });
    await clock.advance(4_999);
    expect(isThrough).toBe(false);
    await clock.advance(1);
    expect(isThrough).toBe(true);
  });
});
