import { existsSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { hasTerminal, onTerminal as typing } from '../helpers/on-terminal.ts';
import { expectSaid, jobFile, rigForEach } from '../helpers/rig.ts';

const rig = rigForEach();
const writeJobs = (count: number) =>
  rig.write(
    'jobs.yaml',
    jobFile(`clip: { prompt: "boat {{n}}", matrix: { n: [${[...Array(count).keys()]}] } }`),
  );
beforeEach(() => writeJobs(21));

/** Runs on a terminal of its own, where the answer is typed. */
const onTerminal = (answer: string, flags = '') => rig.run(`run jobs.yaml ${flags}`, typing(answer));

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
    expect([code, rig.posts(), stdout]).toEqual([0, 21, expect.stringContaining('make 21 clips')]);
  });

  it('does not ask with --yes, nor for a small plan', async () => {
    const sure = await onTerminal('', '--yes');
    expect([sure.code, sure.stdout]).toEqual([0, expect.not.stringContaining('[y/N]')]);
    writeJobs(22);
    expect((await onTerminal('')).stdout).not.toContain('[y/N]');
    expect(rig.posts()).toBe(22);
  });
});

it('asks nobody where there is no terminal', async () => {
  const result = await rig.run('run jobs.yaml');
  expectSaid(result, 0);
  expect(result.stderr).not.toContain('[y/N]');
  expect(rig.posts()).toBe(21);
});
