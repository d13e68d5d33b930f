import { expect, it } from 'vitest';
import { createSubmitTurns } from '../../../src/run/pace.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';

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
