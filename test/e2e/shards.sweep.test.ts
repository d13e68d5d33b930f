import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { jobFile, useRunRig } from '../helpers/rig.ts';

const JOBS = jobFile(`clip: { prompt: "Clip {{n}}", matrix: { n: [${[...Array(24).keys()]}] } }`);
const REPORTS = Array.from({ length: 8 }, (_, index) => `report-${index}.json`);

/** What a report says, but for times, places and the ids of tasks. */
const gist = ({ totals, jobs }: { totals: object; jobs: readonly Record<string, unknown>[] }) => ({
  totals,
  jobs: jobs
    .map(({ name, state, action, credits }) => JSON.stringify({ name, state, action, credits }))
    .sort(),
});

it('eight shards at once make each job once, and their merged report is that of one run', async () => {
  const [rig, whole] = [await useRunRig(), await useRunRig()];
  for (const one of [rig, whole]) one.write('jobs.yaml', JOBS);
  const shards = await Promise.all(
    REPORTS.map((report, index) => {
      const env = { EVOLINK_STATE_DIR: join(rig.folder, `state-${index}`) };
      const line = `run jobs.yaml --shard ${index + 1}/8 --report ${report} --yes`;
      return rig.start(line, { env }).done;
    }),
  );
  expect(shards.map(({ code }) => code)).toEqual(Array(8).fill(0));
  expect([rig.posts(), rig.charged()]).toEqual([24, 24]);
  const merged = await rig.run(`report merge ${REPORTS.join(' ')} --report merged.json`);
  expect(merged.code).toBe(0);
  expect((await whole.run('run jobs.yaml --report report.json --yes')).code).toBe(0);
  expect(gist(rig.readJson('merged.json'))).toEqual(gist(whole.readJson('report.json')));
});

it('names tasks that nothing is recorded of where state may be lost, before it submits more', async () => {
  const rig = await useRunRig();
  rig.write('jobs.yaml', JOBS);
  const run = async (CI: string, flags = '') =>
    (await rig.run(`run jobs.yaml --only clip/[1-3] ${flags}`, { env: { CI } })).stderr;
  expect(await run('1')).not.toContain('not recorded here');
  const first = rig.taskId();
  for (const folder of [rig.state, rig.at('out')]) rmSync(folder, { recursive: true });
  const lost = await run('1', '--shard 1/2');
  expect(lost).toContain('3 tasks of the last 24 h not recorded here');
  expect(lost).toContain('other shards may have made them');
  expect(lost).toContain(first);
  expect(await run('0', '--force')).not.toContain('not recorded here');
});
