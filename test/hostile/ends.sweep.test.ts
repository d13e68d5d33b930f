import { describe, expect, it } from 'vitest';
import { hasTerminal, onTerminal } from '../helpers/on-terminal.ts';
import { errorOf, jobFile, until, useRig } from '../helpers/rig.ts';

describe('a promise that never settles', () => {
  it.each([
    ['of an accepted task', undefined, [1, 7, 0]],
    ['of an uncertain one', 'submit:500', [1, 8]],
  ] as const)('%s is caught wherever it is, with the exit that money asks for', async (_, faults, exits) => {
    const codes = new Set<number | null>();
    for (let at = 1, isStruck = true; isStruck; at += 1) {
      const rig = await useRig({ isOdd: true, ...(faults !== undefined && { sandbox: { faults } }) });
      const result = await rig.generate({ faults: { at, mode: 'never' } });
      isStruck = rig.notes().some(({ fired }) => fired !== undefined);
      codes.add(result.code);
      if (!isStruck) expect([at, result.code]).toEqual([at, exits.at(-1)]);
      else if (rig.posts() === 0) expect([at, result.code, errorOf(result).charged]).toEqual([at, 1, 'no']);
      else {
        const [record] = rig.records();
        const { exit, charged, local_id, task_id, resume } = errorOf(result);
        expect([at, result.code === 7 || result.code === 8]).toEqual([at, true]);
        expect([exit, charged]).toEqual(result.code === 7 ? [7, 'yes'] : [8, 'unknown']);
        expect(local_id).toBe(record?.localId);
        expect(resume).toEqual(['evolink', 'resume', task_id ?? local_id]);
      }
      expect(rig.posts()).toBeLessThan(2);
      await rig.close();
    }
    expect(codes).toEqual(new Set(exits));
  });
});

describe('a second Ctrl-C', () => {
  it('during the submission of a run prints what was sent, and the command that continues', async () => {
    const rig = await useRig({ rate: 1, charges: 2, sandbox: { faults: 'submit:hang(after)*' } });
    rig.write('jobs.yaml', jobFile('a: { prompt: "{{k}}", matrix: { k: [a, b] } }', '{{k}}.mp4'));
    const running = rig.start('run jobs.yaml --yes');
    await until('a request came', () => rig.posts() === 1);
    running.child.kill('SIGINT');
    await running.sees('its answer is waited for');
    running.child.kill('SIGINT');
    const { signal, stderr } = await running.done;
    expect(signal).toBe('SIGINT');
    const [sent] = rig.records().filter(({ state }) => state === 'sent');
    expect(stderr).toContain(`evolink resume ${sent?.localId}`);
  });
});

describe.runIf(hasTerminal)('Ctrl-C while something is read from a terminal', () => {
  it.each(['t2v -', 't2v --prompt-file -'])('%s: ends at once', async (line) => {
    const rig = await useRig();
    // Ctrl-C as it is typed: the terminal makes the signal of it.
    const running = rig.start(line, { ...onTerminal(), keepsStdin: true });
    await running.sees('end with Ctrl-D');
    running.child.stdin.write('\u0003');
    const { code, stdout } = await running.done;
    expect([code, rig.posts()]).toEqual([130, 0]);
    expect(stdout).not.toMatch(/\n\s+at .+:\d+/);
  });
});
