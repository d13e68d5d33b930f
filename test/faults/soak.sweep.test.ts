import { expect, it } from 'vitest';
import { soak } from './helpers/soak-run.ts';

it('twenty generations under random faults and kills: twenty clips, twenty charges', async () => {
  const report = await soak({ generations: 20, seed: 20_261_121 });
  expect(report.problems).toEqual([]);
  expect([report.files, report.charges]).toEqual([20, 20]);
  expect(report.kills).toBeGreaterThan(0);
});
