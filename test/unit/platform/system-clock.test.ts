import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createSystemClock } from '../../../src/platform/clock.ts';

test('a fast clock sleeps and counts in its own time', async () => {
  const clock = createSystemClock({ rate: 10_000 });
  const startMs = clock.now();
  const startMonotonicMs = clock.monotonicMs();
  await clock.sleep(60_000);
  expect(clock.now() - startMs).toBeGreaterThanOrEqual(50_000);
  expect(clock.monotonicMs() - startMonotonicMs).toBeGreaterThanOrEqual(59_000);
});

test('at the normal rate it is the wall clock', () => {
  const beforeMs = Date.now();
  const nowMs = createSystemClock().now();
  expect(nowMs).toBeGreaterThanOrEqual(beforeMs - 1);
  expect(nowMs).toBeLessThanOrEqual(Date.now() + 1);
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
  const controller = new AbortController();
  let isOver = false;
  const sleep = createSystemClock()
    .sleep(2 ** 40, controller.signal)
    .then(
      () => {
        isOver = true;
      },
      () => undefined,
    );
  await delay(20);
  expect(isOver).toBe(false);
  controller.abort();
  await sleep;
});

test('after runs once and can be called off', async () => {
  const clock = createSystemClock();
  const ran: string[] = [];
  clock.after(1, () => ran.push('a'));
  clock.after(1, () => ran.push('b'))();
  await delay(20);
  expect(ran).toEqual(['a']);
});
