import { expect, it } from 'vitest';
import { jsonOf, rigForEach } from '../helpers/rig.ts';

const rig = rigForEach();

const JOBS = `version: 1
defaults: { type: t2v, tier: mini, quality: 480p, duration: 4, output: "out/{job}.mp4" }
jobs:
  clip: { prompt: "Clip {{n}}", matrix: { n: [1, 2, 3, 4, 5] } }
`;

it('stops at Ctrl-C with a report and the command that goes on, and goes on', {
  timeout: 40_000,
}, async () => {
  rig.write('jobs.yaml', JOBS);
  const flags = ['--concurrency', '2', '--max-credits', '1000', '--report', 'report.json'];
  const running = rig.start(['run', 'jobs.yaml', ...flags]);
  await running.sees('accepted');
  running.child.kill('SIGINT');
  const { signal, stderr } = await running.done;
  expect(signal).toBe('SIGINT');
  const [, line = ''] = /continue with: evolink (.+)/.exec(stderr) ?? [];
  expect(line.split(' ').sort()).toEqual(['run', 'jobs.yaml', ...flags].sort());
  const report = rig.readJson('report.json');
  expect(report).toMatchObject({ stopped: true });
  expect(report.totals.not_sent).toBeGreaterThan(0);
  expect(report.totals.running + report.totals.not_sent + report.totals.saved).toBe(5);
  expect(rig.charged()).toBeLessThan(5);
  expect((await rig.run(line.split(' '))).code).toBe(0);
  expect(rig.charged()).toBe(5);
});

it('leaves a lost answer of one shard to a person', async () => {
  rig.sandbox.addFaults('submit:reset(after)');
  rig.write('jobs.yaml', JOBS);
  const { code, stdout } = await rig.run('run jobs.yaml --shard 1/1 --only clip/1 --json');
  expect([0, 14]).toContain(code);
  const alone = JSON.parse(stdout);
  expect(alone.totals.saved + alone.totals.failed).toBe(1);
  rig.sandbox.addFaults('submit:reset(after)');
  const shard = await rig.run(['run', 'jobs.yaml', '--shard', '1/2', '--json']);
  expect(shard.code).toBe(14);
  const lost = jsonOf(shard).jobs.filter(
    ({ error }: { error: { code?: string } | null }) => error?.code === 'unknown',
  );
  expect(lost).toHaveLength(1);
  expect(lost[0].error).toMatchObject({ charged: 'unknown', retryable: false });
});
