import { expect, test } from 'vitest';
import { createSystemClock } from '../../../src/platform/clock.ts';

test('at a rate spans are shorter, and the wall clock is that of the machine', async () => {
  const clock = createSystemClock({ rate: 100 });
  const [beforeMs, startMs] = [Date.now(), clock.monotonicMs()];
  await clock.sleep(5_000);
  // Timers of Node end up to a millisecond early, which is 100 here.
  expect(clock.monotonicMs() - startMs).toBeGreaterThanOrEqual(4_800);
  expect(clock.now()).toBeGreaterThanOrEqual(beforeMs);
  expect(clock.now()).toBeLessThanOrEqual(Date.now());
});

test('an abort ends a sleep at once with the reason of the signal', async () => {
  const controller = new AbortController();
  const reason = new Error('stop');
  const sleep = createSystemClock().sleep(3_600_000, controller.signal);
  controller.abort(reason);
  await expect(sleep).rejects.toBe(reason);
  await expect(createSystemClock().sleep(1, controller.signal)).rejects.toBe(reason);
});

test('a sleep beyond the limit of timers does not end at once', async () => {
  const clock = createSystemClock();
  const stop = new AbortController();
  const ends = [clock.sleep(2 ** 40, stop.signal), clock.sleep(20)].map((sleep, at) => sleep.then(() => at));
  expect(await Promise.race(ends)).toBe(1);
  stop.abort(new Error('over'));
  await expect(ends[0]).rejects.toThrow('over');
});
