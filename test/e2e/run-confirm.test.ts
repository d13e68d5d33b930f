import { existsSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { hasTerminal, onTerminal as typing } from '../helpers/on-terminal.ts';
import { rigForEach } from '../helpers/rig.ts';

const rig = rigForEach();
beforeEach(() => {
  rig.write('jobs.yaml', manyJobs(21));
});

function manyJobs(count: number): string {
  const numbers = Array.from({ length: count }, (_, index) => index).join(', ');
  return `version: 1
defaults: { type: t2v, tier: mini, quality: 480p, duration: 4, output: "out/{job}.mp4" }
jobs:
  clip: { prompt: "boat {{n}}", matrix: { n: [${numbers}] } }
`;
}

/** Runs on a terminal of its own, where the answer is typed. */
function onTerminal(answer: string, ...flags: string[]) {
  return rig.run(['run', 'jobs.yaml', ...flags], typing(answer));
}

describe.skipIf(!hasTerminal)('evolink run, before a large plan', () => {
  it('asks, and sends nothing without a yes', async () => {
    for (const answer of ['n\n', '\n']) {
      const { code, stdout } = await onTerminal(answer);
      expect(stdout).toMatch(/make 21 clips for about [\d,.]+ credits\? \[y\/N\]/);
      expect(stdout).toContain('not confirmed; nothing was sent');
      expect(code).toBe(2);
    }
    expect(rig.posts()).toBe(0);
    expect(existsSync(rig.at('out'))).toBe(false);
  });

  it('goes on after a yes', async () => {
    const { code, stdout } = await onTerminal('y\n');
    expect(stdout).toContain('make 21 clips');
    expect(code).toBe(0);
    expect(rig.posts()).toBe(21);
  });

  it('does not ask with --yes, nor for a small plan', async () => {
    const sure = await onTerminal('', '--yes');
    expect(sure.stdout).not.toContain('[y/N]');
    expect(sure.code).toBe(0);
    rig.write('jobs.yaml', manyJobs(22));
    const small = await onTerminal('');
    expect(small.stdout).not.toContain('[y/N]');
    expect(rig.posts()).toBe(22);
  });
});

it('asks nobody where there is no terminal', async () => {
  const { code, stderr } = await rig.run(['run', 'jobs.yaml']);
  expect(stderr).not.toContain('[y/N]');
  expect(code).toBe(0);
  expect(rig.posts()).toBe(21);
});
