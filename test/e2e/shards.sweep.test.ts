import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createRunRig } from '../helpers/rig.ts';

const JOBS = `version: 1
defaults: { type: t2v, tier: mini, quality: 480p, duration: 4, output: "out/{job}.mp4" }
jobs:
  clip: { prompt: "Clip {{n}}", matrix: { n: [${Array.from({ length: 24 }, (_, index) => index)}] } }
`;

interface Report {
  readonly totals: Record<string, number>;
  readonly jobs: readonly { name: string; state: string; action: string; credits: object }[];
}

/** What a report says, but for times, places and the ids of tasks. */
const gist = (text: string) => {
  const { totals, jobs }: Report = JSON.parse(text);
  const facts = jobs.map(({ name, state, action, credits }) => ({ name, state, action, credits }));
  return { totals, jobs: facts.toSorted((a, b) => (a.name < b.name ? -1 : 1)) };
};

it('eight shards at once make each job once, and their merged report is that of one run', async () => {
  const rig = await createRunRig();
  const whole = await createRunRig();
  for (const each of [rig, whole]) each.write('jobs.yaml', JOBS);
  const shards = await Promise.all(
    Array.from({ length: 8 }, (_, index) => {
      const args = [
        'run',
        'jobs.yaml',
        '--shard',
        `${index + 1}/8`,
        '--report',
        `report-${index}.json`,
        '--yes',
      ];
      return rig.start(args, { env: { EVOLINK_STATE_DIR: join(rig.folder, `state-${index}`) } }).done;
    }),
  );
  expect(shards.map(({ code }) => code)).toEqual(Array(8).fill(0));
  expect([rig.posts(), rig.charged()]).toEqual([24, 24]);
  const merged = await rig.run([
    ...['report', 'merge', ...Array.from({ length: 8 }, (_, index) => `report-${index}.json`)],
    ...['--report', 'merged.json'],
  ]);
  expect(merged.code).toBe(0);
  expect((await whole.run(['run', 'jobs.yaml', '--report', 'report.json', '--yes'])).code).toBe(0);
  expect(gist(rig.read('merged.json'))).toEqual(gist(whole.read('report.json')));
  await rig.close();
  await whole.close();
});

it('names tasks that nothing is recorded of where state may be lost, before it submits more', async () => {
  const rig = await createRunRig();
  rig.write('jobs.yaml', JOBS);
  const run = (CI: string, ...args: string[]) =>
    rig.run(['run', 'jobs.yaml', '--only', 'clip/[1-3]', ...args], { env: { CI } });
  expect((await run('1')).stderr).not.toContain('not recorded here');
  const [first] = rig.sandbox.ledger.charges();
  rmSync(rig.state, { recursive: true });
  rmSync(rig.at('out'), { recursive: true });
  const lost = await run('1', '--shard', '1/2');
  expect(lost.stderr).toContain('3 tasks of the last 24 h not recorded here');
  expect(lost.stderr).toContain('other shards may have made them');
  expect(lost.stderr).toContain(first?.taskId);
  expect((await run('0', '--force')).stderr).not.toContain('not recorded here');
  await rig.close();
});
