import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { expectSaid, jobFile, jsonOf, type Rig, until, useRunRig } from '../helpers/rig.ts';
import type { FaultPreload } from '../helpers/spawn-cli.ts';

const COUNT = 6;
/** The moment of the kill: after so many lines of events. Some lie between the sending of a request and its answer. */
const MOMENTS = [1, 2, 4, 8, 12, 16, 20, 26, 32, 40, 50];

type JobView = Readonly<{ state: string; local_id: string; error?: { code: string; details: string[] } }>;

/** A rig with six jobs, slow enough for the clocks of two processes in a row, which the look through the task list needs. */
async function setUp(): Promise<Rig> {
  const rig = await useRunRig({ rate: 5, speed: 600 });
  rig.write('jobs.yaml', jobFile('clip: { prompt: "Clip number {{n}}", matrix: { n: [1, 2, 3, 4, 5, 6] } }'));
  return rig;
}

/** The run again, as a person or a CI job would: whatever is certain is done without a word. */
async function runAgain(rig: Rig): Promise<readonly JobView[]> {
  const result = await rig.run('run jobs.yaml --json');
  const jobs: readonly JobView[] = jsonOf(result).jobs;
  const uncertain = jobs.filter(({ state }) => state !== 'saved' && state !== 'up_to_date');
  const exit = uncertain.length === 0 ? 0 : 14;
  expect([result.code, rig.charged()]).toEqual([exit, COUNT - uncertain.length]);
  return uncertain;
}

async function expectAll(rig: Rig): Promise<void> {
  expect(rig.clips()).toHaveLength(COUNT);
  expect(rig.charged()).toBe(COUNT);
  expect((await rig.run('run jobs.yaml')).stderr).toContain('6 up to date');
}

describe('a run that is killed', () => {
  it.each(MOMENTS)('pays for each clip once: after %i events', async (lines) => {
    const rig = await setUp();
    const first = rig.start('run jobs.yaml --events --concurrency 3');
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
  });

  it.each([
    ['finds the task whose answer was never read', 'submit:hang(skip=2,after)', 3],
    ['leaves to a person what nobody can know', 'submit:hang(skip=2)', 2],
  ])('in a submission: %s', async (_what, fault, charged) => {
    const rig = await setUp();
    rig.sandbox.addFaults(fault);
    const first = rig.start('run jobs.yaml --concurrency 3');
    await until('three requests came', () => rig.posts() >= 3);
    first.child.kill('SIGKILL');
    await first.done;
    expect(rig.charged()).toBe(charged);
    const uncertain = await runAgain(rig);
    expect(uncertain).toHaveLength(3 - charged);
    if (charged === 3) expect(rig.posts()).toBe(COUNT);
    for (const job of uncertain) await settle(rig, job);
    await expectAll(rig);
  });
});

/** What nobody can know is said, with the commands, and left to a person: with the same key it can't be charged twice. */
async function settle(rig: Rig, { error, local_id }: JobView): Promise<void> {
  const command = `resume --resubmit ${local_id}`;
  expect(error?.code).toBe('unknown');
  expect(error?.details.join()).toContain(`evolink ${command}`);
  expectSaid(await rig.run('run jobs.yaml'), 14, `evolink ${command}`);
  expect((await rig.run(`resume ${local_id}`)).code).toBe(8);
  expect(rig.charged()).toBe(COUNT - 1);
  expect((await rig.run(command)).code).toBe(0);
}

it('a run that is killed while it moves clips leaves every clip findable, and nothing to submit again', async () => {
  const rig = await useRunRig();
  const write = (rows: readonly string[]) => {
    const list = rows.map((what) => `{ what: ${what} }`).join(', ');
    const job = `row: { prompt: "A {{what}}", for_each: [${list}] }`;
    rig.write('r.yaml', jobFile(job, 'out/clip-{index}.mp4'));
  };
  const run = async (faults?: FaultPreload) => (await rig.run('run r.yaml', { faults })).code;
  const promptOf = (name: string) => rig.readJson(`out/${name}.json`).request.prompt;
  let rows = ['ant', 'bee', 'cat', 'dog'];
  write(rows);
  expect(await run()).toBe(0);
  const wanted = rows.map((row) => `A ${row}`);
  // Each round turns the rows and is killed a little later, until one comes to its end.
  for (const at of [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 18, 22, 26]) {
    rows = [...rows.slice(1), ...rows.slice(0, 1)];
    write(rows);
    await run({ at, mode: 'kill', when: 'after', path: '/out/' });
    const named = rig.clips().filter((name) => existsSync(rig.at(`out/${name}.json`)));
    expect([...new Set(named.map(promptOf))].sort()).toEqual(wanted);
    expect(await run()).toBe(0);
    expect(rows.map((_, index) => promptOf(`clip-${index + 1}.mp4`))).toEqual(rows.map((row) => `A ${row}`));
  }
  expect(rig.posts()).toBe(4);
});
