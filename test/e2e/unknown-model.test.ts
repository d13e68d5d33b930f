import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type RunRig, startRunRig } from '../helpers/run-rig.ts';

let rig: RunRig;

beforeEach(async () => {
  rig = await startRunRig();
});
afterEach(() => rig.close());

describe('a model that this version does not know', () => {
  const MODEL = ['--model', 'seedance-9.0-text-to-video'];

  it('gets only the fields that were named', async () => {
    const bare = await rig.home.run(['t2v', 'a boat', ...MODEL, '--dry-run']);
    expect(JSON.parse(bare.stdout)).toEqual({ model: MODEL[1], prompt: 'a boat' });
    const named = await rig.home.run(['t2v', 'a boat', ...MODEL, '-d', '30', '--mute', '--dry-run']);
    expect(JSON.parse(named.stdout)).toEqual({
      model: MODEL[1],
      prompt: 'a boat',
      duration: 30,
      generate_audio: false,
    });
  });

  it('has no price, so that a limit refuses it', async () => {
    const { code, stderr } = await rig.home.run(['t2v', 'a boat', ...MODEL, '--max-credits', '1000']);
    expect([code, rig.posts()]).toEqual([4, 0]);
    expect(stderr).toContain('the price is not known');
  });

  it('is planned in a job file by what it names', async () => {
    rig.write(
      'jobs.yaml',
      `version: 1\njobs:\n  a: {type: t2v, model: ${MODEL[1]}, prompt: x, quality: 8k}\n`,
    );
    const { code, stdout } = await rig.home.run(['run', 'jobs.yaml', '--dry-run', '--json']);
    expect(code).toBe(0);
    const [job] = JSON.parse(stdout).jobs;
    expect(job.request).toEqual({ model: MODEL[1], prompt: 'x', quality: '8k' });
    expect(job.settings).toMatchObject({ quality: '8k', duration_seconds: null, aspect_ratio: null });
  });
});
