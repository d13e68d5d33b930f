import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startRunRig } from '../helpers/run-rig.ts';

const JOBS = `version: 1
defaults: { type: t2v, tier: mini, quality: 480p, duration: 4, output: "out/{job}.mp4" }
jobs:
  clip:
    prompt: "Clip number {{n}}"
    matrix: { n: [1, 2, 3, 4, 5, 6] }
`;

/** The moment of the kill: after so many lines of events. */
const MOMENTS = [1, 4, 8, 12, 16, 20, 26, 32, 40, 50];

it.each(MOMENTS)(
  'pays for each clip once when killed after %i events',
  { timeout: 60_000 },
  async (lines) => {
    const rig = await startRunRig();
    try {
      rig.write('jobs.yaml', JOBS);
      const first = rig.home.start(['run', 'jobs.yaml', '--events', '--concurrency', '3']);
      let seen = 0;
      first.child.stdout?.on('data', (chunk: Buffer) => {
        seen += chunk.toString('utf8').split('\n').length - 1;
        if (seen >= lines) first.child.kill('SIGKILL');
      });
      expect((await first.done).signal).toBe('SIGKILL');
      // An uncertain submission is a person's to decide: with the same key it can't be charged twice.
      for (let round = 0; round < 3; round += 1) {
        const again = await rig.home.run(['run', 'jobs.yaml', '--json']);
        if (again.code === 0) break;
        const { jobs } = JSON.parse(again.stdout);
        for (const { error, local_id } of jobs) {
          if (error?.code === 'unknown') await rig.home.run(['resume', '--resubmit', local_id]);
        }
      }
      expect(readdirSync(join(rig.home.work, 'out')).filter((name) => name.endsWith('.mp4'))).toHaveLength(6);
      expect(rig.charged()).toBe(6);
      expect((await rig.home.run(['run', 'jobs.yaml'])).stderr).toContain('6 up to date');
    } finally {
      await rig.close();
    }
  },
);
