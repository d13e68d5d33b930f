import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createSystemClock } from '../../../src/platform/clock.ts';

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
