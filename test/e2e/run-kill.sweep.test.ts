import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createRunRig, expectSaid, type Rig, useRunRig } from '../helpers/rig.ts';
import type { FaultPreload } from '../helpers/spawn-cli.ts';

const JOBS = `version: 1
defaults: { type: t2v, tier: mini, quality: 480p, duration: 4, output: "out/{job}.mp4" }
jobs:
  clip:
    prompt: "Clip number {{n}}"
    matrix: { n: [1, 2, 3, 4, 5, 6] }
`;
const COUNT = 6;
/** Slow enough for the clocks of two processes in a row, which the look through the task list needs. */
const RIG = { rate: 5, speed: 600 } as const;

/** The moment of the kill: after so many lines of events. Some lie between the sending of a request and its answer. */
const MOMENTS = [1, 2, 4, 8, 12, 16, 20, 26, 32, 40, 50];

interface JobView {
  readonly name: string;
  readonly state: string;
  readonly local_id: string | null;
  readonly error: { readonly code: string; readonly details: readonly string[] } | null;
}

/** The run again, as a person or a CI job would: whatever is certain is done without a word. */
async function runAgain(rig: Rig) {
  const { code, stdout } = await rig.run(['run', 'jobs.yaml', '--json']);
  const { jobs }: { jobs: readonly JobView[] } = JSON.parse(stdout);
  const uncertain = jobs.filter(({ state }) => state !== 'saved' && state !== 'up_to_date');
  expect(code).toBe(uncertain.length === 0 ? 0 : 14);
  expect(rig.charged()).toBe(COUNT - uncertain.length);
  return uncertain;
}

async function expectAll(rig: Rig): Promise<void> {
  const clips = readdirSync(rig.at('out')).filter((name) => name.endsWith('.mp4'));
  expect(clips).toHaveLength(COUNT);
  expect(rig.charged()).toBe(COUNT);
  expect((await rig.run(['run', 'jobs.yaml'])).stderr).toContain('6 up to date');
}

async function withRig(act: (rig: Rig) => Promise<void>): Promise<void> {
  const rig = await createRunRig(RIG);
  try {
    rig.write('jobs.yaml', JOBS);
    await act(rig);
  } finally {
    await rig.close();
  }
}

describe('a run that is killed', () => {
  it.each(MOMENTS)('pays for each clip once: after %i events', (lines) =>
    withRig(async (rig) => {
      const first = rig.start(['run', 'jobs.yaml', '--events', '--concurrency', '3']);
      let seen = 0;
      first.child.stdout?.on('data', (chunk: Buffer) => {
        seen += chunk.toString('utf8').split('\n').length - 1;
        if (seen >= lines) first.child.kill('SIGKILL');
      });
      expect((await first.done).signal).toBe('SIGKILL');
      expect(rig.charged()).toBeLessThanOrEqual(COUNT);
      const uncertain = await runAgain(rig);
      // One request is sent at a time, so one at most is in doubt.
      expect(uncertain.length).toBeLessThanOrEqual(1);
      for (const job of uncertain) await settle(rig, job);
      await expectAll(rig);
    }),
  );

  it('finds the task whose answer was never read', () =>
    withRig(async (rig) => {
      await killInSubmission(rig, 'submit:hang(skip=2,after)');
      expect(rig.charged()).toBe(3);
      expect(await runAgain(rig)).toEqual([]);
      expect(rig.posts()).toBe(COUNT);
      await expectAll(rig);
    }));

  it('leaves to a person what nobody can know', () =>
    withRig(async (rig) => {
      await killInSubmission(rig, 'submit:hang(skip=2)');
      expect(rig.charged()).toBe(2);
      const uncertain = await runAgain(rig);
      expect(uncertain).toHaveLength(1);
      for (const job of uncertain) await settle(rig, job);
      await expectAll(rig);
    }));
});

async function killInSubmission(rig: Rig, fault: string): Promise<void> {
  rig.sandbox.addFaults(fault);
  const first = rig.start(['run', 'jobs.yaml', '--concurrency', '3']);
  while (rig.posts() < 3) await new Promise((resolve) => setTimeout(resolve, 10));
  first.child.kill('SIGKILL');
  await first.done;
}

/** What nobody can know is said, with the commands, and left to a person: with the same key it can't be charged twice. */
async function settle(rig: Rig, { error, local_id }: JobView): Promise<void> {
  const localId = local_id ?? '';
  const command = ['resume', '--resubmit', localId];
  expect(error?.code).toBe('unknown');
  expect(error?.details.join()).toContain(`evolink ${command.join(' ')}`);
  expectSaid(await rig.run(['run', 'jobs.yaml']), 14, `evolink ${command.join(' ')}`);
  expect((await rig.run(['resume', localId])).code).toBe(8);
  expect(rig.charged()).toBe(COUNT - 1);
  expect((await rig.run(command)).code).toBe(0);
}

describe('a run that is killed while it moves clips', () => {
  it('leaves every clip findable, and nothing to submit again', async () => {
    const rig = await useRunRig();
    const out = (name: string) => join(rig.work, 'out', name);
    const write = (rows: readonly string[]) =>
      rig.write(
        'r.yaml',
        `version: 1\ndefaults: { type: t2v, tier: mini, quality: 480p, duration: 4 }\njobs:\n  row: { prompt: "A {{what}}", output: "out/clip-{index}.mp4", for_each: [${rows.map((what) => `{ what: ${what} }`).join(', ')}] }\n`,
      );
    const run = (faults?: FaultPreload) => rig.run(['run', 'r.yaml'], faults === undefined ? {} : { faults });
    const promptOf = (name: string) => rig.readJson(`out/${name}.json`).request.prompt;
    let rows = ['ant', 'bee', 'cat', 'dog'];
    write(rows);
    expect((await run()).code).toBe(0);
    const wanted = rows.map((row) => `A ${row}`);
    // Each round turns the rows and is killed a little later, until one comes to its end.
    for (const at of [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 18, 22, 26]) {
      rows = [...rows.slice(1), ...rows.slice(0, 1)];
      write(rows);
      await run({ at, mode: 'kill', when: 'after', path: '/out/' });
      const names = readdirSync(rig.at('out')).filter((name) => name.endsWith('.mp4'));
      const found = new Set(names.filter((name) => existsSync(`${out(name)}.json`)).map(promptOf));
      expect([...found].sort()).toEqual(wanted);
      expect((await run()).code).toBe(0);
      expect(rows.map((_, index) => promptOf(`clip-${index + 1}.mp4`))).toEqual(
        rows.map((row) => `A ${row}`),
      );
    }
    expect(rig.posts()).toBe(4);
  });
});
