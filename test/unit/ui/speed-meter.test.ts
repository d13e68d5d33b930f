import { expect, test } from 'vitest';
import { createSpeedMeter } from '../../../src/ui/progress.ts';

test('a resumed part is not speed', () => {
  const meter = createSpeedMeter();
  meter.add(1_000_000, 0);
  expect(meter.bytesPerSecond(0)).toBeUndefined();
  meter.add(1_001_000, 1000);
  expect(meter.bytesPerSecond(1000)).toBe(1000);
});

test('only the last seconds count, and a stall brings the speed down', () => {
  const meter = createSpeedMeter();
  for (let second = 0; second <= 20; second++)
    meter.add(second < 10 ? second * 10 : 90 + (second - 9) * 1000, second * 1000);
  expect(meter.bytesPerSecond(20_000)).toBe(1000);
  expect(meter.bytesPerSecond(40_000)).toBeLessThan(300);
});

test('a download that starts again is measured anew', () => {
  const meter = createSpeedMeter();
  meter.add(0, 0);
  meter.add(9_000, 1000);
  meter.add(0, 2000);
  meter.add(500, 3000);
  expect(meter.bytesPerSecond(3000)).toBe(500);
});
