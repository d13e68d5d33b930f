import { expect, it } from 'vitest';
import { jobFile, jsonOf, rigForEach } from '../helpers/rig.ts';

const rig = rigForEach();
const writeJobs = () =>
  rig.write('jobs.yaml', jobFile('clip: { prompt: "Clip {{n}}", matrix: { n: [1, 2, 3, 4, 5] } }'));

it('stops at Ctrl-C with a report and the command that goes on, and goes on', async () => {
  writeJobs();
  const command = 'run jobs.yaml --concurrency 2 --max-credits 1000 --report report.json';
  const running = rig.start(command);
  await running.sees('accepted');
  running.child.kill('SIGINT');
  const { signal, stderr } = await running.done;
  expect(signal).toBe('SIGINT');
  const [, line = ''] = /continue with: evolink (.+)/.exec(stderr) ?? [];
  expect(line.split(' ').sort()).toEqual(command.split(' ').sort());
  const { stopped, totals } = rig.readJson('report.json');
  expect(stopped).toBe(true);
  expect(totals.not_sent).toBeGreaterThan(0);
  expect(totals.running + totals.not_sent + totals.saved).toBe(5);
  expect(rig.charged()).toBeLessThan(5);
  expect((await rig.run(line)).code).toBe(0);
  expect(rig.charged()).toBe(5);
});

it('leaves a lost answer of one shard to a person', async () => {
  writeJobs();
  const losing = (flags: string) => {
    rig.sandbox.addFaults('submit:reset(after)');
    return rig.run(`run jobs.yaml --json ${flags}`);
  };
  const alone = await losing('--shard 1/1 --only clip/1');
  expect([0, 14]).toContain(alone.code);
  const { totals } = jsonOf(alone);
  expect(totals.saved + totals.failed).toBe(1);
  const shard = await losing('--shard 1/2');
  expect(shard.code).toBe(14);
  const errors: { code?: string }[] = jsonOf(shard).jobs.map((job: { error: object }) => job.error ?? {});
  const lost = errors.filter(({ code }) => code === 'unknown');
  expect(lost).toMatchObject([{ charged: 'unknown', retryable: false }]);
});
